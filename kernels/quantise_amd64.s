//go:build !purego

#include "textflag.h"
#include "lanes_amd64.h"

#define X   SI // numbers
#define DST DI // integers
#define N   CX // numbers left

// LOAD_ARGUMENTS leaves the inverse of the scale in Y15.
#define LOAD_ARGUMENTS \
	MOVQ         dst+0(FP), DST \
	MOVQ         x+8(FP), X     \
	MOVQ         n+16(FP), N    \
	VBROADCASTSS inverse+24(FP), Y15

// ROUND32 multiplies 32 numbers by Y15 and rounds them to integers, in Y2 to Y5. PACK32
// packs these to words in Y2 and Y4.
#define ROUND32 \
	VMULPS    (X), Y15, Y2   \
	VMULPS    32(X), Y15, Y3 \
	VMULPS    64(X), Y15, Y4 \
	VMULPS    96(X), Y15, Y5 \
	VCVTPS2DQ Y2, Y2         \
	VCVTPS2DQ Y3, Y3         \
	VCVTPS2DQ Y4, Y4         \
	VCVTPS2DQ Y5, Y5

#define PACK32 \
	VPACKSSDW Y3, Y2, Y2 \
	VPACKSSDW Y5, Y4, Y4

// STORE32 stores the bytes in Y2, whose order Y14 restores.
#define STORE32(loop) \
	VPERMD  Y2, Y14, Y2 \
	VMOVDQU Y2, (DST)   \
	ADDQ    $128, X     \
	ADDQ    $32, DST    \
	SUBQ    $32, N      \
	JNZ     loop

// The order of dwords after two rounds of packing within 128-bit lanes.
DATA packed<>+0(SB)/8, $0x0000000400000000
DATA packed<>+8(SB)/8, $0x0000000500000001
DATA packed<>+16(SB)/8, $0x0000000600000002
DATA packed<>+24(SB)/8, $0x0000000700000003
GLOBL packed<>(SB), RODATA|NOPTR, $32

// func largestSIMD(x *float32, n int) uint32
TEXT ·largestSIMD(SB), NOSPLIT, $0-20
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
	ACROSS_INTS(VPMAXUD, Y0, X0, X1)
	VMOVD        X0, AX
	MOVL         AX, ret+16(FP)
	VZEROUPPER
	RET

// func quantiseSIMD(dst *int8, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseSIMD(SB), NOSPLIT, $0-36
	LOAD_ARGUMENTS
	VMOVDQU      packed<>(SB), Y14
	VPXOR        Y0, Y0, Y0
	PCALIGN      $32

loop:
	ROUND32
	VPADDD    Y2, Y3, Y6
	VPADDD    Y4, Y5, Y7
	VPADDD    Y6, Y0, Y0
	VPADDD    Y7, Y0, Y0
	PACK32
	VPACKSSWB Y4, Y2, Y2
	STORE32(loop)

	ACROSS_INTS(VPADDD, Y0, X0, X1)
	VMOVD X0, AX
	MOVL  AX, sum+32(FP)
	VZEROUPPER
	RET

// func quantiseWideAVX2(dst *int16, x *float32, n int, inverse float32) (sum int32)
TEXT ·quantiseWideAVX2(SB), NOSPLIT, $0-36
	LOAD_ARGUMENTS
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

	ACROSS_INTS(VPADDD, Y0, X0, X1)
	VMOVD X0, AX
	MOVL  AX, sum+32(FP)
	VZEROUPPER
	RET

// func quantiseLowSIMD(dst *int8, x *float32, n int, inverse float32, zero int32)
TEXT ·quantiseLowSIMD(SB), NOSPLIT, $0-32
	LOAD_ARGUMENTS
	MOVL         zero+28(FP), AX
	VMOVD        AX, X13
	VPBROADCASTB X13, Y13
	VMOVDQU      packed<>(SB), Y14
	VPCMPEQW     Y12, Y12, Y12
	VPSRLW       $8, Y12, Y12 // low bytes of words
	PCALIGN      $32

loop:
	ROUND32
	PACK32
	VPAND     Y12, Y2, Y2
	VPAND     Y12, Y4, Y4
	VPACKUSWB Y4, Y2, Y2
	VPADDB    Y13, Y2, Y2
	STORE32(loop)

	VZEROUPPER
	RET

// func quantiseHighSIMD(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)
TEXT ·quantiseHighSIMD(SB), NOSPLIT, $0-33
	LOAD_ARGUMENTS
	MOVL         zero+28(FP), AX
	VMOVD        AX, X13
	VPBROADCASTW X13, Y13
	MOVBLZX      flip+32(FP), AX
	VMOVD        AX, X12
	VPBROADCASTB X12, Y12
	VMOVDQU      packed<>(SB), Y14
	PCALIGN      $32

loop:
	ROUND32
	PACK32
	VPADDW    Y13, Y2, Y2
	VPADDW    Y13, Y4, Y4
	VPSRAW    $8, Y2, Y2
	VPSRAW    $8, Y4, Y4
	VPACKSSWB Y4, Y2, Y2
	VPXOR     Y12, Y2, Y2
	STORE32(loop)

	VZEROUPPER
	RET

// func extremesSIMD(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
TEXT ·extremesSIMD(SB), NOSPLIT, $0-36
	MOVQ     x+0(FP), X
	MOVQ     mask+8(FP), DX
	MOVQ     n+16(FP), N
	VPXOR    Y0, Y0, Y0
	VPXOR    Y1, Y1, Y1
	VPXOR    Y2, Y2, Y2
	VPCMPEQD Y15, Y15, Y15
	VPSRLD   $1, Y15, Y15 // all but the sign
	PCALIGN  $32

loop:
	VMOVDQU (X), Y4
	VMOVDQU 32(X), Y5
	VMOVDQU (DX), Y6
	VMOVDQU 32(DX), Y7
	VPAND   Y4, Y6, Y8
	VPAND   Y5, Y7, Y9
	VPANDN  Y4, Y6, Y6
	VPANDN  Y5, Y7, Y7
	VPAND   Y15, Y6, Y6
	VPAND   Y15, Y7, Y7
	VPMAXSD Y8, Y0, Y0
	VPMAXUD Y8, Y1, Y1
	VPMAXUD Y6, Y2, Y2
	VPMAXSD Y9, Y0, Y0
	VPMAXUD Y9, Y1, Y1
	VPMAXUD Y7, Y2, Y2
	ADDQ    $64, X
	ADDQ    $64, DX
	SUBQ    $16, N
	JNZ     loop

	ACROSS_INTS(VPMAXSD, Y0, X0, X15)
	VMOVD X0, AX
	MOVL AX, top+24(FP)
	ACROSS_INTS(VPMAXUD, Y1, X1, X15)
	VMOVD X1, AX
	MOVL AX, bottom+28(FP)
	ACROSS_INTS(VPMAXUD, Y2, X2, X15)
	VMOVD X2, AX
	MOVL AX, other+32(FP)
	VZEROUPPER
	RET
