//go:build !purego

#include "textflag.h"
#include "vec_arm64.h"

// func biasRowsNEON(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)
TEXT ·biasRowsNEON(SB), NOSPLIT, $0-48
	MOVD  scores+0(FP), R0
	MOVD  rows+8(FP), R1
	MOVD  stride+16(FP), R2
	MOVD  n+24(FP), R3
	FMOVS scale+32(FP), F8
	VDUP  V8.S[0], V8.S4
	MOVD  bias+40(FP), R4

row:
	MOVD R0, R5
	MOVD R4, R6
	MOVD R3, R7
	SUBS $4, R7
	BLT  tail

vector:
	VLD1   (R5), [V0.S4]
	VLD1.P 16(R6), [V1.S4]
	FMUL(0, 0, 8)
	FADD(0, 0, 1)
	VST1.P [V0.S4], 16(R5)
	SUBS   $4, R7
	BGE    vector

tail:
	ADDS $4, R7
	BEQ  next

one:
	FMOVS   (R5), F0
	FMOVS.P 4(R6), F1
	FMULS   F8, F0, F0
	FADDS   F1, F0, F0
	FMOVS.P F0, 4(R5)
	SUBS    $1, R7
	BNE     one

next:
	ADD  R2, R0
	SUB  $4, R4
	SUBS $1, R1
	BNE  row
	RET
