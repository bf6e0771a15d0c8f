//go:build !purego

#include "textflag.h"

// ROTATE rotates n numbers, those of a vector, bytes long, at a time. A to F are
// registers: E becomes x·cos − y·sin, B y·cos + x·sin.
#define ROTATE(A, B, C, D, E, F, bytes, numbers) \
	MOVQ x+0(FP), SI    \
	MOVQ y+8(FP), DI    \
	MOVQ cos+16(FP), AX \
	MOVQ sin+24(FP), BX \
	MOVQ n+32(FP), CX   \
loop:                   \
	VMOVUPS (SI), A     \
	VMOVUPS (DI), B     \
	VMOVUPS (AX), C     \
	VMOVUPS (BX), D     \
	VMULPS  C, A, E     \
	VMULPS  D, B, F     \
	VSUBPS  F, E, E     \
	VMULPS  C, B, B     \
	VMULPS  D, A, A     \
	VADDPS  A, B, B     \
	VMOVUPS E, (SI)     \
	VMOVUPS B, (DI)     \
	ADDQ    $bytes, SI  \
	ADDQ    $bytes, DI  \
	ADDQ    $bytes, AX  \
	ADDQ    $bytes, BX  \
	SUBQ    $numbers, CX \
	JGT     loop        \
	VZEROUPPER          \
	RET

// func rotateAVX512(x, y, cos, sin *float32, n int)
TEXT ·rotateAVX512(SB), NOSPLIT, $0-40
	ROTATE(Z0, Z1, Z2, Z3, Z4, Z5, 64, 16)

// func rotateAVX2(x, y, cos, sin *float32, n int)
TEXT ·rotateAVX2(SB), NOSPLIT, $0-40
	ROTATE(Y0, Y1, Y2, Y3, Y4, Y5, 32, 8)
