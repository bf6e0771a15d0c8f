//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

#define DST  R0
#define SRC  R1
#define LEFT R2 // runs, or numbers, left

// LOAD_BIAS reads the arguments of decode5SIMD and decode6SIMD. It leaves the bias in
// V17 and the mask of the low bits in V16.
#define LOAD_BIAS \
	MOVD  dst+0(FP), DST      \
	MOVD  src+8(FP), SRC      \
	MOVD  runs+16(FP), LEFT   \
	MOVBU bias+24(FP), R3     \
	VDUP  R3, V17.B16         \
	VMOVI $15, V16.B16

// func widenScalesSIMD(dst *float32, src *int8, n int)
TEXT ·widenScalesSIMD(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), DST
	MOVD src+8(FP), SRC
	MOVD n+16(FP), LEFT

loop:
	VLD1.P 8(SRC), [V0.B8]
	FCVTL(0, 0)
	VST1.P [V0.S4], 16(DST)
	SUBS   $4, LEFT
	BNE    loop
	RET

// func widenIntegersSIMD(dst *int32, src *int8, n int)
TEXT ·widenIntegersSIMD(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), DST
	MOVD src+8(FP), SRC
	MOVD n+16(FP), LEFT

loop:
	VLD1.P 8(SRC), [V0.B8]
	SXTL_H(0, 0)
	SXTL2_S(1, 0)
	SXTL_S(0, 0)
	VST1.P [V0.S4, V1.S4], 32(DST)
	SUBS   $8, LEFT
	BNE    loop
	RET

// func pairIntegersSIMD(dst, a, b *int8, n int)
TEXT ·pairIntegersSIMD(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), DST
	MOVD a+8(FP), SRC
	MOVD b+16(FP), R3
	MOVD n+24(FP), LEFT

loop:
	VLD1.P 8(SRC), [V0.B8]
	VLD1.P 8(R3), [V1.B8]
	SXTL_H(0, 0)
	SXTL_H(1, 1)
	VST2.P [V0.H8, V1.H8], 32(DST)
	SUBS   $8, LEFT
	BNE    loop
	RET

// LOW_CODES splits the 64 bytes at the start of a run: the low halves go to V0 to V3,
// the high ones to V4 to V7. V16 is 15.
#define LOW_CODES \
	VLD1.P 64(SRC), [V0.B16, V1.B16, V2.B16, V3.B16] \
	VUSHR  $4, V0.B16, V4.B16     \
	VUSHR  $4, V1.B16, V5.B16     \
	VUSHR  $4, V2.B16, V6.B16     \
	VUSHR  $4, V3.B16, V7.B16     \
	VAND   V16.B16, V0.B16, V0.B16 \
	VAND   V16.B16, V1.B16, V1.B16 \
	VAND   V16.B16, V2.B16, V2.B16 \
	VAND   V16.B16, V3.B16, V3.B16

#define STORE_RUN \
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(DST) \
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(DST)

// func decode4SIMD(dst, src *int8, runs int, table *[16]int8)
TEXT ·decode4SIMD(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), DST
	MOVD  src+8(FP), SRC
	MOVD  runs+16(FP), LEFT
	MOVD  table+24(FP), R3
	VLD1  (R3), [V17.B16]
	VMOVI $15, V16.B16

loop:
	LOW_CODES
	VTBL V0.B16, [V17.B16], V0.B16
	VTBL V1.B16, [V17.B16], V1.B16
	VTBL V2.B16, [V17.B16], V2.B16
	VTBL V3.B16, [V17.B16], V3.B16
	VTBL V4.B16, [V17.B16], V4.B16
	VTBL V5.B16, [V17.B16], V5.B16
	VTBL V6.B16, [V17.B16], V6.B16
	VTBL V7.B16, [V17.B16], V7.B16
	STORE_RUN
	SUBS $1, LEFT
	BNE  loop
	RET

// JOIN adds to V the high bits, those of H under the mask V18 after SHIFT by n bits, and
// the bias; JOIN_AS_IS does so without a shift.
#define JOIN(SHIFT, n, H, V) \
	SHIFT $n, H.B16, V20.B16 \
	JOIN_MASKED(V)

#define JOIN_AS_IS(H, V) \
	VMOV H.B16, V20.B16 \
	JOIN_MASKED(V)

#define JOIN_MASKED(V) \
	VAND V18.B16, V20.B16, V20.B16 \
	VORR V20.B16, V.B16, V.B16     \
	VADD V17.B16, V.B16, V.B16

// func decode5SIMD(dst, src *int8, runs int, bias int8)
TEXT ·decode5SIMD(SB), NOSPLIT, $0-25
	LOAD_BIAS
	VMOVI $16, V18.B16

loop:
	LOW_CODES
	VLD1.P 16(SRC), [V19.B16]
	JOIN(VSHL, 4, V19, V0)
	JOIN(VSHL, 3, V19, V1)
	JOIN(VSHL, 2, V19, V2)
	JOIN(VSHL, 1, V19, V3)
	JOIN_AS_IS(V19, V4)
	JOIN(VUSHR, 1, V19, V5)
	JOIN(VUSHR, 2, V19, V6)
	JOIN(VUSHR, 3, V19, V7)
	STORE_RUN
	SUBS   $1, LEFT
	BNE    loop
	RET

// func decode6SIMD(dst, src *int8, runs int, bias int8)
TEXT ·decode6SIMD(SB), NOSPLIT, $0-25
	LOAD_BIAS
	VMOVI $48, V18.B16

loop:
	LOW_CODES
	VLD1.P 32(SRC), [V21.B16, V22.B16]
	JOIN(VSHL, 4, V21, V0)
	JOIN(VSHL, 4, V22, V1)
	JOIN(VSHL, 2, V21, V2)
	JOIN(VSHL, 2, V22, V3)
	JOIN_AS_IS(V21, V4)
	JOIN_AS_IS(V22, V5)
	JOIN(VUSHR, 2, V21, V6)
	JOIN(VUSHR, 2, V22, V7)
	STORE_RUN
	SUBS   $1, LEFT
	BNE    loop
	RET
