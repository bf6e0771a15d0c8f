//go:build !purego

#include "textflag.h"
#include "vec_arm64.h"

// func rotateNEON(x, y, cos, sin *float32, n int)
TEXT ·rotateNEON(SB), NOSPLIT, $0-40
	MOVD x+0(FP), R1
	MOVD y+8(FP), R2
	MOVD cos+16(FP), R3
	MOVD sin+24(FP), R4
	MOVD n+32(FP), R6

loop:
	VLD1   (R1), [V0.S4]
	VLD1   (R2), [V1.S4]
	VLD1.P 16(R3), [V2.S4]
	VLD1.P 16(R4), [V3.S4]
	FMUL(4, 0, 2)
	FMUL(5, 1, 3)
	FSUB(4, 4, 5) // x·cos − y·sin
	FMUL(6, 1, 2)
	FMUL(7, 0, 3)
	FADD(6, 6, 7) // y·cos + x·sin
	VST1.P [V4.S4], 16(R1)
	VST1.P [V6.S4], 16(R2)
	SUB    $4, R6
	CBNZ   R6, loop
	RET
