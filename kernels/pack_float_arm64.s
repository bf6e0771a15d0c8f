//go:build !purego

#include "textflag.h"
#include "instructions_arm64.h"

// STORE_INPUT stores numbers of one input at R0, which advances to the next.
#define STORE_INPUT(V) \
	VST1 V, (R0) \
	ADD  R1, R0

// func transpose4SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)
TEXT ·transpose4SIMD(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD stride+8(FP), R1
	MOVD src+16(FP), R2
	MOVD row+24(FP), R3
	MOVD k+32(FP), R4
	ADD  R3, R2, R5
	ADD  R3, R5, R6
	ADD  R3, R6, R7

transpose4:
	VLD1.P 16(R2), [V0.S4]
	VLD1.P 16(R5), [V1.S4]
	VLD1.P 16(R6), [V2.S4]
	VLD1.P 16(R7), [V3.S4]
	VZIP1  V1.S4, V0.S4, V4.S4 // inputs 0 and 1 of rows 0 and 1
	VZIP2  V1.S4, V0.S4, V5.S4 // inputs 2 and 3
	VZIP1  V3.S4, V2.S4, V6.S4 // the same of rows 2 and 3
	VZIP2  V3.S4, V2.S4, V7.S4
	VZIP1  V6.D2, V4.D2, V0.D2
	VZIP2  V6.D2, V4.D2, V1.D2
	VZIP1  V7.D2, V5.D2, V2.D2
	VZIP2  V7.D2, V5.D2, V3.D2
	STORE_INPUT([V0.S4])
	STORE_INPUT([V1.S4])
	STORE_INPUT([V2.S4])
	STORE_INPUT([V3.S4])
	SUB    $4, R4
	CBNZ   R4, transpose4
	RET

// func transpose2SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)
TEXT ·transpose2SIMD(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD stride+8(FP), R1
	MOVD src+16(FP), R2
	MOVD row+24(FP), R3
	MOVD k+32(FP), R4
	ADD  R3, R2, R5

transpose2:
	VLD1.P 16(R2), [V0.S4]
	VLD1.P 16(R5), [V1.S4]
	VZIP1  V1.S4, V0.S4, V2.S4
	VZIP2  V1.S4, V0.S4, V3.S4
	STORE_INPUT(V2.D[0])
	STORE_INPUT(V2.D[1])
	STORE_INPUT(V3.D[0])
	STORE_INPUT(V3.D[1])
	SUB    $4, R4
	CBNZ   R4, transpose2
	RET

// func roundF16SIMD(dst *uint16, src *float32, n int)
TEXT ·roundF16SIMD(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

f16:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	FCVTN(2, 0)
	FCVTN2(2, 1)
	VST1.P [V2.H8], 16(R0)
	SUB    $8, R2
	CBNZ   R2, f16
	RET

// ROUND_BF16 rounds x to bfloat16, in the upper half of t. Adding half a unit less one, and
// one more where the last bit kept is odd, rounds to nearest even. A NaN keeps its upper
// half and becomes quiet. nx is the number of x.
#define ROUND_BF16(x, nx, t, u) \
	VUSHR $16, x.S4, t.S4        \
	VAND  V31.B16, t.B16, t.B16  \
	VADD  V30.S4, t.S4, t.S4     \
	VADD  x.S4, t.S4, t.S4       \
	VORR  V29.B16, x.B16, u.B16  \
	FCMEQ(nx, nx, nx)            \
	VBIF  x.B16, u.B16, t.B16

// func roundBF16SIMD(dst *uint16, src *float32, n int)
TEXT ·roundBF16SIMD(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	MOVD $1, R3
	VDUP R3, V31.S4
	MOVD $0x7fff, R3
	VDUP R3, V30.S4
	MOVD $0x400000, R3
	VDUP R3, V29.S4

bf16:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	ROUND_BF16(V0, 0, V2, V4)
	ROUND_BF16(V1, 1, V3, V5)
	VUZP2  V3.H8, V2.H8, V2.H8
	VST1.P [V2.H8], 16(R0)
	SUB    $8, R2
	CBNZ   R2, bf16
	RET

// WIDEN converts n 16-bit numbers at src to float32, 32 at a time.
#define WIDEN(LOW, HIGH) \
	MOVD dst+0(FP), R0 \
	MOVD src+8(FP), R1 \
	MOVD n+16(FP), R2  \
loop:                  \
	VLD1.P 64(R1), [V0.H8, V1.H8, V2.H8, V3.H8] \
	LOW(4, 0)          \
	HIGH(5, 0)         \
	LOW(6, 1)          \
	HIGH(7, 1)         \
	LOW(16, 2)         \
	HIGH(17, 2)        \
	LOW(18, 3)         \
	HIGH(19, 3)        \
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R0)     \
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0) \
	SUB    $32, R2     \
	CBNZ   R2, loop    \
	RET

// func widenF16SIMD(dst *float32, src *uint16, n int)
TEXT ·widenF16SIMD(SB), NOSPLIT, $0-24
	WIDEN(FCVTL, FCVTL2)

// func widenBF16SIMD(dst *float32, src *uint16, n int)
TEXT ·widenBF16SIMD(SB), NOSPLIT, $0-24
	WIDEN(SHLL, SHLL2)
