//go:build !purego

#include "textflag.h"

#define X   SI // numbers
#define DST DI // integers
#define N   CX // numbers left

// the order of dwords after two rounds of packing within 128-bit lanes
DATA packed<>+0(SB)/8, $0x0000000400000000
DATA packed<>+8(SB)/8, $0x0000000500000001
DATA packed<>+16(SB)/8, $0x0000000600000002
DATA packed<>+24(SB)/8, $0x0000000700000003
GLOBL packed<>(SB), RODATA|NOPTR, $32

// func largestAVX2(x *float32, n int) uint32
TEXT ·largestAVX2(SB), NOSPLIT, $0-20
	MOVQ     x+0(FP), X
	MOVQ     n+8(FP), N
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPXOR    Y3, Y3, Y3
	VPCMPEQD Y4, Y4, Y4
	VPSRLD   $1, Y4, Y4 // all but the sign
	PCALIGN  $32

loop:
	VPAND   (X), Y4, Y5
	VPAND   32(X), Y4, Y6
	VPAND   64(X), Y4, Y7
	VPAND   96(X), Y4, Y8
	VPMAXUD Y5, Y0, Y0
	VPMAXUD Y6, Y1, Y1
	VPMAXUD Y7, Y2, Y2
	VPMAXUD Y8, Y3, Y3
	ADDQ    $128, X
	SUBQ    $32, N
	JNZ     loop

	VPMAXUD      Y1, Y0, Y0
	VPMAXUD      Y3, Y2, Y2
	VPMAXUD      Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VPMAXUD      X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VPMAXUD      X1, X0, X0
	VMOVD        X0, AX
	MOVL         AX, ret+16(FP)
	VZEROUPPER
	RET

// SUM_Y0 adds the eight numbers of Y0 and gives them to AX.
#define SUM_Y0 \
	VEXTRACTI128 $1, Y0, X1     \
	VPADDD       X1, X0, X0     \
	VPSHUFD      $0x4e, X0, X1  \
	VPADDD       X1, X0, X0     \
	VPSHUFD      $0xb1, X0, X1  \
	VPADDD       X1, X0, X0     \
	VMOVD        X0, AX

// func quantiseAVX2(dst *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseAVX2(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DST
	MOVQ         x+8(FP), X
	MOVQ         n+16(FP), N
	VBROADCASTSS inverse+24(FP), Y15
	VMOVDQU      packed<>(SB), Y14
	VPXOR        Y0, Y0, Y0
	PCALIGN      $32

loop:
	VMULPS    (X), Y15, Y2
	VMULPS    32(X), Y15, Y3
	VMULPS    64(X), Y15, Y4
	VMULPS    96(X), Y15, Y5
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VCVTPS2DQ Y4, Y4
	VCVTPS2DQ Y5, Y5
	VPADDD    Y2, Y3, Y6
	VPADDD    Y4, Y5, Y7
	VPADDD    Y6, Y0, Y0
	VPADDD    Y7, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSDW Y5, Y4, Y4
	VPACKSSWB Y4, Y2, Y2
	VPERMD    Y2, Y14, Y2
	VMOVDQU   Y2, (DST)
	ADDQ      $128, X
	ADDQ      $32, DST
	SUBQ      $32, N
	JNZ       loop

	SUM_Y0
	MOVL AX, sum+32(FP)
	VZEROUPPER
	RET

// func quantiseWideAVX2(dst *int16, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseWideAVX2(SB), NOSPLIT, $0-36
	MOVQ         dst+0(FP), DST
	MOVQ         x+8(FP), X
	MOVQ         n+16(FP), N
	VBROADCASTSS inverse+24(FP), Y15
	VPXOR        Y0, Y0, Y0
	PCALIGN      $32

loop:
	VMULPS    (X), Y15, Y2
	VMULPS    32(X), Y15, Y3
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPADDD    Y2, Y3, Y4
	VPADDD    Y4, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPERMQ    $0xd8, Y2, Y2
	VMOVDQU   Y2, (DST)
	ADDQ      $64, X
	ADDQ      $32, DST
	SUBQ      $16, N
	JNZ       loop

	SUM_Y0
	MOVL AX, sum+32(FP)
	VZEROUPPER
	RET

// func quantiseTermsAVX2(high, low *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseTermsAVX2(SB), NOSPLIT, $0-44
	MOVQ         high+0(FP), DST
	MOVQ         low+8(FP), BX
	MOVQ         x+16(FP), X
	MOVQ         n+24(FP), N
	VBROADCASTSS inverse+32(FP), Y15
	VMOVDQU      packed<>(SB), Y14
	VPCMPEQW     Y13, Y13, Y13
	VPSRLW       $15, Y13, Y13
	VPSLLW       $5, Y13, Y13 // 32
	VPXOR        Y0, Y0, Y0
	PCALIGN      $32

loop:
	VMULPS    (X), Y15, Y2
	VMULPS    32(X), Y15, Y3
	VMULPS    64(X), Y15, Y4
	VMULPS    96(X), Y15, Y5
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VCVTPS2DQ Y4, Y4
	VCVTPS2DQ Y5, Y5
	VPADDD    Y2, Y3, Y6
	VPADDD    Y4, Y5, Y7
	VPADDD    Y6, Y0, Y0
	VPADDD    Y7, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSDW Y5, Y4, Y4
	VPADDW    Y13, Y2, Y6
	VPADDW    Y13, Y4, Y7
	VPSRAW    $6, Y6, Y6
	VPSRAW    $6, Y7, Y7
	VPACKSSWB Y7, Y6, Y8
	VPERMD    Y8, Y14, Y8
	VMOVDQU   Y8, (DST)
	VPSLLW    $6, Y6, Y6
	VPSLLW    $6, Y7, Y7
	VPSUBW    Y6, Y2, Y2
	VPSUBW    Y7, Y4, Y4
	VPACKSSWB Y4, Y2, Y2
	VPERMD    Y2, Y14, Y2
	VMOVDQU   Y2, (BX)
	ADDQ      $128, X
	ADDQ      $32, DST
	ADDQ      $32, BX
	SUBQ      $32, N
	JNZ       loop

	SUM_Y0
	MOVL AX, sum+40(FP)
	VZEROUPPER
	RET
