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
#define AND(m, n, d)    WORD $(0x4e201c00 | (m)<<16 | (n)<<5 | (d)) // d = n and m
#define BIC(m, n, d)    WORD $(0x4e601c00 | (m)<<16 | (n)<<5 | (d)) // d = n and not m
#define UMAX(m, n, d)   WORD $(0x6ea06400 | (m)<<16 | (n)<<5 | (d)) // d.4S = max(n.4S, m.4S)
#define SMAX(m, n, d)   WORD $(0x4ea06400 | (m)<<16 | (n)<<5 | (d)) // the same of signed integers
#define UMAXV(n, d)     WORD $(0x6eb0a800 | (n)<<5 | (d))           // d.S[0] = the largest of n.4S
#define SMAXV(n, d)     WORD $(0x4eb0a800 | (n)<<5 | (d))           // the same of signed integers

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

// func quantiseLowNEON(dst *int8, x *float32, n int, inverse float32, zero int32)
TEXT ·quantiseLowNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), DST
	MOVD x+8(FP), X
	MOVD n+16(FP), N
	MOVW inverse+24(FP), R3
	VDUP R3, V8.S4
	MOVW zero+28(FP), R3
	VDUP R3, V9.B16

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
	VUZP1 V3.H8, V2.H8, V2.H8
	VUZP1 V5.H8, V4.H8, V4.H8
	VUZP1 V4.B16, V2.B16, V2.B16
	VADD  V9.B16, V2.B16, V2.B16
	VST1.P [V2.B16], 16(DST)
	SUBS   $16, N
	BNE    loop
	RET

// func quantiseHighNEON(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)
TEXT ·quantiseHighNEON(SB), NOSPLIT, $0-33
	MOVD dst+0(FP), DST
	MOVD x+8(FP), X
	MOVD n+16(FP), N
	MOVW inverse+24(FP), R3
	VDUP R3, V8.S4
	MOVW zero+28(FP), R3
	VDUP R3, V9.S4
	MOVB flip+32(FP), R3
	VDUP R3, V10.B16

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
	VADD  V9.S4, V2.S4, V2.S4
	VADD  V9.S4, V3.S4, V3.S4
	VADD  V9.S4, V4.S4, V4.S4
	VADD  V9.S4, V5.S4, V5.S4
	VUZP1 V3.H8, V2.H8, V2.H8
	VUZP1 V5.H8, V4.H8, V4.H8
	VUZP2 V4.B16, V2.B16, V2.B16
	VEOR  V10.B16, V2.B16, V2.B16
	VST1.P [V2.B16], 16(DST)
	SUBS   $16, N
	BNE    loop
	RET

#define EXTREMES(x, m) \
	AND(m, x, 24)                 \
	BIC(m, x, 25)                 \
	SMAX(24, 0, 0)                \
	UMAX(24, 1, 1)                \
	VAND V8.B16, V25.B16, V25.B16 \
	UMAX(25, 2, 2)

// func extremesNEON(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
TEXT ·extremesNEON(SB), NOSPLIT, $0-36
	MOVD x+0(FP), X
	MOVD mask+8(FP), DST
	MOVD n+16(FP), N
	MOVW $0x7fffffff, R3
	VDUP R3, V8.S4
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16

loop:
	VLD1.P 64(X), [V16.S4, V17.S4, V18.S4, V19.S4]
	VLD1.P 64(DST), [V20.S4, V21.S4, V22.S4, V23.S4]
	EXTREMES(16, 20)
	EXTREMES(17, 21)
	EXTREMES(18, 22)
	EXTREMES(19, 23)
	SUBS $16, N
	BNE  loop

	SMAXV(0, 0)
	UMAXV(1, 1)
	UMAXV(2, 2)
	VMOV V0.S[0], R3
	MOVW R3, top+24(FP)
	VMOV V1.S[0], R3
	MOVW R3, bottom+28(FP)
	VMOV V2.S[0], R3
	MOVW R3, other+32(FP)
	RET
