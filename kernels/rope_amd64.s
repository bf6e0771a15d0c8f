//go:build !purego

#include "textflag.h"

// func rotateAVX512(x, y, cos, sin *float32, n int)
TEXT ·rotateAVX512(SB), NOSPLIT, $0-40
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ cos+16(FP), AX
	MOVQ sin+24(FP), BX
	MOVQ n+32(FP), CX

loop:
	VMOVUPS (SI), Z0
	VMOVUPS (DI), Z1
	VMOVUPS (AX), Z2
	VMOVUPS (BX), Z3
	VMULPS  Z2, Z0, Z4
	VMULPS  Z3, Z1, Z5
	VSUBPS  Z5, Z4, Z4 // x·cos − y·sin
	VMULPS  Z2, Z1, Z1
	VMULPS  Z3, Z0, Z0
	VADDPS  Z0, Z1, Z1 // y·cos + x·sin
	VMOVUPS Z4, (SI)
	VMOVUPS Z1, (DI)
	ADDQ    $64, SI
	ADDQ    $64, DI
	ADDQ    $64, AX
	ADDQ    $64, BX
	SUBQ    $16, CX
	JGT     loop
	VZEROUPPER
	RET

// func rotateAVX2(x, y, cos, sin *float32, n int)
TEXT ·rotateAVX2(SB), NOSPLIT, $0-40
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DI
	MOVQ cos+16(FP), AX
	MOVQ sin+24(FP), BX
	MOVQ n+32(FP), CX

loop:
	VMOVUPS (SI), Y0
	VMOVUPS (DI), Y1
	VMOVUPS (AX), Y2
	VMOVUPS (BX), Y3
	VMULPS  Y2, Y0, Y4
	VMULPS  Y3, Y1, Y5
	VSUBPS  Y5, Y4, Y4 // x·cos − y·sin
	VMULPS  Y2, Y1, Y1
	VMULPS  Y3, Y0, Y0
	VADDPS  Y0, Y1, Y1 // y·cos + x·sin
	VMOVUPS Y4, (SI)
	VMOVUPS Y1, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	ADDQ    $32, AX
	ADDQ    $32, BX
	SUBQ    $8, CX
	JGT     loop
	VZEROUPPER
	RET
