//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

#define X   R0 // numbers
#define N   R1 // numbers left
#define DST R2 // integers

// LOAD_ARGUMENTS leaves the inverse of the scale in V8.
#define LOAD_ARGUMENTS \
	MOVD dst+0(FP), DST       \
	MOVD x+8(FP), X           \
	MOVD n+16(FP), N          \
	MOVW inverse+24(FP), R3   \
	VDUP R3, V8.S4

// ROUND16 loads 16 numbers, multiplies them by V8 and rounds them, in V2 to V5.
#define ROUND16 \
	VLD1.P 64(X), [V2.S4, V3.S4, V4.S4, V5.S4] \
	FMUL(2, 2, 8) \
	FMUL(3, 3, 8) \
	FMUL(4, 4, 8) \
	FMUL(5, 5, 8) \
	FCVTNS(2, 2)  \
	FCVTNS(3, 3)  \
	FCVTNS(4, 4)  \
	FCVTNS(5, 5)

// STORE16 stores the bytes in V2.
#define STORE16(loop) \
	VST1.P [V2.B16], 16(DST) \
	SUBS   $16, N            \
	BNE    loop

// LOW_HALVES is the low halves of V2 to V5, in V2 and V4.
#define LOW_HALVES \
	VUZP1 V3.H8, V2.H8, V2.H8 \
	VUZP1 V5.H8, V4.H8, V4.H8

// func largestSIMD(x *float32, n int) uint32
TEXT ·largestSIMD(SB), NOSPLIT, $0-20
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
	UMAX(0, 0, 2)
	UMAX(1, 1, 3)
	UMAX(0, 0, 4)
	UMAX(1, 1, 5)
	SUBS   $16, N
	BNE    loop

	UMAX(0, 0, 1)
	UMAXV(0, 0)
	VMOV V0.S[0], R3
	MOVW R3, ret+16(FP)
	RET

// func quantiseSIMD(dst *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseSIMD(SB), NOSPLIT, $0-36
	LOAD_ARGUMENTS
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

loop:
	ROUND16
	VADD V2.S4, V0.S4, V0.S4
	VADD V3.S4, V1.S4, V1.S4
	VADD V4.S4, V0.S4, V0.S4
	VADD V5.S4, V1.S4, V1.S4
	SQXTN_H(2, 2)
	SQXTN2_H(2, 3)
	SQXTN_H(4, 4)
	SQXTN2_H(4, 5)
	SQXTN_B(2, 2)
	SQXTN2_B(2, 4)
	STORE16(loop)

	VADD  V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV  V0.S[0], R3
	MOVW  R3, sum+32(FP)
	RET

// func quantiseLowSIMD(dst *int8, x *float32, n int, inverse float32, zero int32)
TEXT ·quantiseLowSIMD(SB), NOSPLIT, $0-32
	LOAD_ARGUMENTS
	MOVW zero+28(FP), R3
	VDUP R3, V9.B16

loop:
	ROUND16
	LOW_HALVES
	VUZP1 V4.B16, V2.B16, V2.B16
	VADD  V9.B16, V2.B16, V2.B16
	STORE16(loop)
	RET

// func quantiseHighSIMD(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)
TEXT ·quantiseHighSIMD(SB), NOSPLIT, $0-33
	LOAD_ARGUMENTS
	MOVW zero+28(FP), R3
	VDUP R3, V9.S4
	MOVB flip+32(FP), R3
	VDUP R3, V10.B16

loop:
	ROUND16
	VADD  V9.S4, V2.S4, V2.S4
	VADD  V9.S4, V3.S4, V3.S4
	VADD  V9.S4, V4.S4, V4.S4
	VADD  V9.S4, V5.S4, V5.S4
	LOW_HALVES
	VUZP2 V4.B16, V2.B16, V2.B16
	VEOR  V10.B16, V2.B16, V2.B16
	STORE16(loop)
	RET

// EXTREMES adds the numbers in vector x, whose mask is in m, to the extremes in V0 to V2.
#define EXTREMES(x, m) \
	AND(24, x, m)                 \
	BIC(25, x, m)                 \
	SMAX(0, 0, 24)                \
	UMAX(1, 1, 24)                \
	VAND V8.B16, V25.B16, V25.B16 \
	UMAX(2, 2, 25)

// func extremesSIMD(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
TEXT ·extremesSIMD(SB), NOSPLIT, $0-36
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
