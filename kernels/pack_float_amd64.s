//go:build !purego

#include "textflag.h"

#define LOAD_TRANSPOSE \
	MOVQ dst+0(FP), DI    \
	MOVQ stride+8(FP), R8 \
	MOVQ src+16(FP), SI   \
	MOVQ row+24(FP), R9   \
	MOVQ k+32(FP), CX

// LOAD_4 loads four inputs of four rows into X0 to X3.
#define LOAD_4 \
	VMOVUPS (SI), X0        \
	VMOVUPS (SI)(R9*1), X1  \
	VMOVUPS (SI)(R9*2), X2  \
	VMOVUPS (SI)(R10*1), X3

// TRANSPOSE_4 stores four inputs of the rows A, B, C and D, 4 of each 128 bits. E and F
// get inputs 0 and 1, and 2 and 3, of the first two rows, G and H those of the others.
#define TRANSPOSE_4(A, B, C, D, E, F, G, H) \
	VUNPCKLPS B, A, E \
	VUNPCKHPS B, A, F \
	VUNPCKLPS D, C, G \
	VUNPCKHPS D, C, H \
	VUNPCKLPD G, E, A \
	VUNPCKHPD G, E, B \
	VUNPCKLPD H, F, C \
	VUNPCKHPD H, F, D \
	VMOVUPS   A, (DI)        \
	VMOVUPS   B, (DI)(R8*1)  \
	VMOVUPS   C, (DI)(R8*2)  \
	VMOVUPS   D, (DI)(R11*1)

#define LOAD_CONVERSION \
	MOVQ dst+0(FP), DI \
	MOVQ src+8(FP), SI \
	MOVQ n+16(FP), CX

// func transpose8AVX2(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)
//
// Four inputs of eight rows at a time; a vector's upper half holds rows 4 to 7.
TEXT ·transpose8AVX2(SB), NOSPLIT, $0-40
	LOAD_TRANSPOSE
	LEAQ (R9)(R9*2), R10 // three rows
	LEAQ (SI)(R9*4), DX  // row 4
	LEAQ (R8)(R8*2), R11 // three inputs

transpose8:
	LOAD_4
	VINSERTF128 $1, (DX), Y0, Y0
	VINSERTF128 $1, (DX)(R9*1), Y1, Y1
	VINSERTF128 $1, (DX)(R9*2), Y2, Y2
	VINSERTF128 $1, (DX)(R10*1), Y3, Y3
	TRANSPOSE_4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7)
	ADDQ        $16, SI
	ADDQ        $16, DX
	LEAQ        (DI)(R8*4), DI
	SUBQ        $4, CX
	JNZ         transpose8
	VZEROUPPER
	RET

// func transpose4SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)
TEXT ·transpose4SIMD(SB), NOSPLIT, $0-40
	LOAD_TRANSPOSE
	LEAQ (R9)(R9*2), R10 // three rows
	LEAQ (R8)(R8*2), R11 // three inputs

transpose4:
	LOAD_4
	TRANSPOSE_4(X0, X1, X2, X3, X4, X5, X6, X7)
	ADDQ      $16, SI
	LEAQ      (DI)(R8*4), DI
	SUBQ      $4, CX
	JNZ       transpose4
	RET

// func transpose2SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)
TEXT ·transpose2SIMD(SB), NOSPLIT, $0-40
	LOAD_TRANSPOSE
	LEAQ (R8)(R8*2), R11 // three inputs

transpose2:
	VMOVUPS   (SI), X0
	VMOVUPS   (SI)(R9*1), X1
	VUNPCKLPS X1, X0, X2
	VUNPCKHPS X1, X0, X3
	VMOVLPS   X2, (DI)
	VMOVHPS   X2, (DI)(R8*1)
	VMOVLPS   X3, (DI)(R8*2)
	VMOVHPS   X3, (DI)(R11*1)
	ADDQ      $16, SI
	LEAQ      (DI)(R8*4), DI
	SUBQ      $4, CX
	JNZ       transpose2
	RET

// STORE_WIDENED stores 32 numbers, from Y0 to Y3.
#define STORE_WIDENED(loop) \
	VMOVUPS Y0, (DI)   \
	VMOVUPS Y1, 32(DI) \
	VMOVUPS Y2, 64(DI) \
	VMOVUPS Y3, 96(DI) \
	ADDQ    $64, SI    \
	ADDQ    $128, DI   \
	SUBQ    $32, CX    \
	JNZ     loop

// func roundF16SIMD(dst *uint16, src *float32, n int)
TEXT ·roundF16SIMD(SB), NOSPLIT, $0-24
	LOAD_CONVERSION

f16:
	VMOVUPS   (SI), Y0
	VCVTPS2PH $0, Y0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	SUBQ      $8, CX
	JNZ       f16
	VZEROUPPER
	RET

// func roundBF16SIMD(dst *uint16, src *float32, n int)
//
// Adding half a unit less one, and one more where the last bit kept is odd, rounds to
// nearest even. A NaN keeps its upper half and becomes quiet.
TEXT ·roundBF16SIMD(SB), NOSPLIT, $0-24
	LOAD_CONVERSION
	VPCMPEQD     Y15, Y15, Y15
	VPSRLD       $31, Y15, Y14 // 1
	VPSRLD       $17, Y15, Y13 // 0x7fff
	VPSLLD       $6, Y14, Y12  // 0x40

bf16:
	VMOVUPS      (SI), Y0
	VPSRLD       $16, Y0, Y1
	VPAND        Y14, Y1, Y2
	VPADDD       Y13, Y2, Y2
	VPADDD       Y0, Y2, Y2
	VPSRLD       $16, Y2, Y2
	VPOR         Y12, Y1, Y1
	VCMPPS       $3, Y0, Y0, Y3 // NaN
	VBLENDVPS    Y3, Y1, Y2, Y2
	VEXTRACTI128 $1, Y2, X3
	VPACKUSDW    X3, X2, X2
	VMOVUPS      X2, (DI)
	ADDQ         $32, SI
	ADDQ         $16, DI
	SUBQ         $8, CX
	JNZ          bf16
	VZEROUPPER
	RET

// func widenF16SIMD(dst *float32, src *uint16, n int)
TEXT ·widenF16SIMD(SB), NOSPLIT, $0-24
	LOAD_CONVERSION

widenF16:
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VCVTPH2PS 32(SI), Y2
	VCVTPH2PS 48(SI), Y3
	STORE_WIDENED(widenF16)
	VZEROUPPER
	RET

// func widenBF16SIMD(dst *float32, src *uint16, n int)
TEXT ·widenBF16SIMD(SB), NOSPLIT, $0-24
	LOAD_CONVERSION

widenBF16:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPMOVZXWD 32(SI), Y2
	VPMOVZXWD 48(SI), Y3
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VPSLLD    $16, Y2, Y2
	VPSLLD    $16, Y3, Y3
	STORE_WIDENED(widenBF16)
	VZEROUPPER
	RET
