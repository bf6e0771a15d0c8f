//go:build !purego

#include "textflag.h"

// The instructions that the assembler does not know: d, n and m are the numbers of
// vector registers.
#define FMUL(m, n, d)   WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d)) // d.4S = n.4S · m.4S
#define FCVTNS(n, d)    WORD $(0x4e21a800 | (n)<<5 | (d))           // d.4S = n.4S, to the nearest integer
#define SQXTN_H(n, d)   WORD $(0x0e614800 | (n)<<5 | (d))           // d.4H = n.4S
#define SQXTN2_H(n, d)  WORD $(0x4e614800 | (n)<<5 | (d))           // the upper half of d.8H = n.4S
#define SQXTN_B(n, d)   WORD $(0x0e214800 | (n)<<5 | (d))           // d.8B = n.8H
#define SQXTN2_B(n, d)  WORD $(0x4e214800 | (n)<<5 | (d))           // the upper half of d.16B = n.8H
#define SQRSHRN_B(n, d)  WORD $(0x0f0a9c00 | (n)<<5 | (d))          // d.8B = n.8H / 64, rounded: the middle upwards
#define SQRSHRN2_B(n, d) WORD $(0x4f0a9c00 | (n)<<5 | (d))          // the upper half of d.16B
#define SXTL_H(n, d)    WORD $(0x0f08a400 | (n)<<5 | (d))           // d.8H = n.8B
#define SXTL2_H(n, d)   WORD $(0x4f08a400 | (n)<<5 | (d))           // d.8H = the upper half of n.16B
#define UMAX(m, n, d)   WORD $(0x6ea06400 | (m)<<16 | (n)<<5 | (d)) // d.4S = max(n.4S, m.4S)
#define UMAXV(n, d)     WORD $(0x6eb0a800 | (n)<<5 | (d))           // d.S[0] = the largest of n.4S

#define X   R0 // numbers
#define N   R1 // numbers left
#define DST R2 // integers

// func largestNEON(x *float32, n int) uint32
TEXT ·largestNEON(SB), NOSPLIT, $0-20
	MOVD x+0(FP), X
	MOVD n+8(FP), N
	MOVW $0x7fffffff, R3
	VDUP R3, V8.S4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

loop:
	VLD1.P 64(X), [V2.S4, V3.S4, V4.S4, V5.S4]
	VAND   V8.B16, V2.B16, V2.B16
	VAND   V8.B16, V3.B16, V3.B16
	VAND   V8.B16, V4.B16, V4.B16
	VAND   V8.B16, V5.B16, V5.B16
	UMAX(2, 0, 0)
	UMAX(3, 1, 1)
	UMAX(4, 0, 0)
	UMAX(5, 1, 1)
	SUBS   $16, N
	BNE    loop

	UMAX(1, 0, 0)
	UMAXV(0, 0)
	VMOV V0.S[0], R3
	MOVW R3, ret+16(FP)
	RET

// func quantiseNEON(dst *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseNEON(SB), NOSPLIT, $0-36
	MOVD dst+0(FP), DST
	MOVD x+8(FP), X
	MOVD n+16(FP), N
	MOVW inverse+24(FP), R3
	VDUP R3, V8.S4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

loop:
	VLD1.P 64(X), [V2.S4, V3.S4, V4.S4, V5.S4]
	FMUL(8, 2, 2)
	FMUL(8, 3, 3)
	FMUL(8, 4, 4)
	FMUL(8, 5, 5)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	FCVTNS(4, 4)
	FCVTNS(5, 5)
	VADD V2.S4, V0.S4, V0.S4
	VADD V3.S4, V1.S4, V1.S4
	VADD V4.S4, V0.S4, V0.S4
	VADD V5.S4, V1.S4, V1.S4
	SQXTN_H(2, 2)
	SQXTN2_H(3, 2)
	SQXTN_H(4, 4)
	SQXTN2_H(5, 4)
	SQXTN_B(2, 2)
	SQXTN2_B(4, 2)
	VST1.P [V2.B16], 16(DST)
	SUBS   $16, N
	BNE    loop

	VADD  V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV  V0.S[0], R3
	MOVW  R3, sum+32(FP)
	RET

// func quantiseTermsNEON(high, low *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseTermsNEON(SB), NOSPLIT, $0-44
	MOVD high+0(FP), DST
	MOVD low+8(FP), R4
	MOVD x+16(FP), X
	MOVD n+24(FP), N
	MOVW inverse+32(FP), R3
	VDUP R3, V8.S4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

loop:
	VLD1.P 64(X), [V2.S4, V3.S4, V4.S4, V5.S4]
	FMUL(8, 2, 2)
	FMUL(8, 3, 3)
	FMUL(8, 4, 4)
	FMUL(8, 5, 5)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	FCVTNS(4, 4)
	FCVTNS(5, 5)
	VADD V2.S4, V0.S4, V0.S4
	VADD V3.S4, V1.S4, V1.S4
	VADD V4.S4, V0.S4, V0.S4
	VADD V5.S4, V1.S4, V1.S4
	SQXTN_H(2, 2)
	SQXTN2_H(3, 2)
	SQXTN_H(4, 4)
	SQXTN2_H(5, 4)
	SQRSHRN_B(2, 6)
	SQRSHRN2_B(4, 6)
	VST1.P [V6.B16], 16(DST)
	SXTL_H(6, 3)
	SXTL2_H(6, 5)
	VSHL $6, V3.H8, V3.H8
	VSHL $6, V5.H8, V5.H8
	VSUB V3.H8, V2.H8, V2.H8
	VSUB V5.H8, V4.H8, V4.H8
	SQXTN_B(2, 6)
	SQXTN2_B(4, 6)
	VST1.P [V6.B16], 16(R4)
	SUBS   $16, N
	BNE    loop

	VADD  V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV  V0.S[0], R3
	MOVW  R3, sum+40(FP)
	RET
