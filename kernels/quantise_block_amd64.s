//go:build !purego

#include "textflag.h"
#include "lanes_amd64.h"

#define X      SI // numbers, this block
#define DST    DI // integers, this block
#define BLOCKS CX // blocks left
#define START  DX // the factor of the sum, or 1: float32

// The order of dwords after two rounds of packing within 128-bit lanes.
DATA packedBlock<>+0(SB)/8, $0x0000000400000000
DATA packedBlock<>+8(SB)/8, $0x0000000500000001
DATA packedBlock<>+16(SB)/8, $0x0000000600000002
DATA packedBlock<>+24(SB)/8, $0x0000000700000003
GLOBL packedBlock<>(SB), RODATA|NOPTR, $32

// LOAD_ARGUMENTS leaves the mask of all bits but the sign in Y15, 127 in X13 and
// infinity in X12.
#define LOAD_ARGUMENTS \
	MOVQ     dst+0(FP), DST     \
	MOVQ     x+8(FP), X         \
	MOVQ     blocks+16(FP), BLOCKS \
	MOVL     start+24(FP), START \
	VPCMPEQD Y15, Y15, Y15      \
	VPSRLD   $1, Y15, Y15       \
	VMOVDQU  packedBlock<>(SB), Y14 \
	MOVL     $0x42fe0000, AX    \
	VMOVD    AX, X13            \
	MOVL     $0x7f800000, AX    \
	VMOVD    AX, X12

// LOAD_SUPER reads the arguments of quantiseSuperAVX2 and quantiseSuperWideAVX2.
#define LOAD_SUPER \
	MOVQ         dst+0(FP), DST  \
	MOVQ         x+8(FP), X      \
	VBROADCASTSS inverse+16(FP), Y15 \
	MOVQ         sums+24(FP), R8

// TO_HALF rounds the number in F to float16, unless that is infinite. X7 and X8 are
// overwritten.
#define TO_HALF(F) \
	VCVTPS2PH $0, F, X7          \
	VCVTPH2PS X7, X7             \
	VPAND     X7, X15, X8        \
	VPCMPEQD  X8, X12, X8        \
	VBLENDVPS X8, F, X7, F

// SCALES stores the scale for the largest magnitude, in X4 and AX, and leaves its inverse
// in Y5. It branches for numbers that are too small or not finite.
#define SCALES(zeros, nonfinite) \
	CMPL         AX, $0x0d800000 \
	JBE          zeros           \
	CMPL         AX, $0x7f800000 \
	JAE          nonfinite       \
	VDIVSS       X13, X4, X6     \
	VMOVAPS      X6, X9          \
	TO_HALF(X9)                  \
	VMOVSS       X9, 4(DST)      \
	VDIVSS       X4, X13, X5     \
	VBROADCASTSS X5, Y5

// SUM stores the initial value of the block's products, from the eight sums in Y4. X6 is
// the scale.
#define SUM(float, done) \
	ACROSS_INTS(VPADDD, Y4, X4, X5) \
	CMPL         START, $1     \
	JEQ          float         \
	VMOVD        X4, AX        \
	IMULL        START, AX     \
	MOVL         AX, (DST)     \
	JMP          done          \
float:                         \
	VCVTDQ2PS    X4, X4        \
	VMULSS       X6, X4, X4    \
	TO_HALF(X4)                \
	VMOVSS       X4, (DST)     \
done:

// LOAD32 loads 32 numbers into Y0 to Y3; X4 and AX are the bits of the largest
// magnitude.
#define LOAD32 \
	VMOVUPS (X), Y0       \
	VMOVUPS 32(X), Y1     \
	VMOVUPS 64(X), Y2     \
	VMOVUPS 96(X), Y3     \
	VPAND   Y0, Y15, Y4   \
	VPAND   Y1, Y15, Y5   \
	VPAND   Y2, Y15, Y6   \
	VPAND   Y3, Y15, Y7   \
	VPMAXUD Y4, Y5, Y4    \
	VPMAXUD Y6, Y7, Y6    \
	VPMAXUD Y4, Y6, Y4    \
	ACROSS_INTS(VPMAXUD, Y4, X4, X5) \
	VMOVD   X4, AX

#define ROUND16 \
	VMULPS    Y0, Y5, Y0 \
	VMULPS    Y1, Y5, Y1 \
	VCVTPS2DQ Y0, Y0     \
	VCVTPS2DQ Y1, Y1     \
	VPADDD    Y0, Y1, Y4 \
	VPACKSSDW Y1, Y0, Y0

#define ROUND32 \
	VMULPS    Y2, Y5, Y2 \
	VMULPS    Y3, Y5, Y3 \
	ROUND16              \
	VCVTPS2DQ Y2, Y2     \
	VCVTPS2DQ Y3, Y3     \
	VPADDD    Y2, Y4, Y4 \
	VPADDD    Y3, Y4, Y4 \
	VPACKSSDW Y3, Y2, Y2

#define STORE32 \
	VPACKSSWB Y2, Y0, Y0  \
	VPERMD    Y0, Y14, Y0 \
	VMOVDQU   Y0, 8(DST)

#define STORE32_WIDE \
	VPERMQ  $0xd8, Y0, Y0 \
	VPERMQ  $0xd8, Y2, Y2 \
	VMOVDQU Y0, 8(DST)    \
	VMOVDQU Y2, 40(DST)

#define CLEAR32 VPXOR X0, X0, X0; VMOVDQU Y0, 8(DST)
#define CLEAR64 CLEAR32; VMOVDQU Y0, 40(DST)

#define NEXT_BLOCK(numbers, bytes, loop) \
	ADDQ $numbers, X        \
	ADDQ $bytes, DST        \
	DECQ BLOCKS             \
	JNZ  loop               \
	VZEROUPPER              \
	RET

// QUANTISE is a whole function, for blocks that take numbers bytes before and bytes bytes
// after it. Blocks of zeros or of numbers that are not finite get the scale in AX.
#define QUANTISE(numbers, bytes, LOAD, ROUND, STORE, CLEAR) \
	LOAD_ARGUMENTS          \
	PCALIGN $32             \
loop:                       \
	LOAD                    \
	SCALES(zeros, nonfinite) \
	ROUND                   \
	STORE                   \
	SUM(float, next)        \
	NEXT_BLOCK(numbers, bytes, loop) \
zeros:                      \
	XORL AX, AX             \
	JMP  blank              \
nonfinite:                  \
	MOVL $0x7fc00000, AX    \
blank:                      \
	CLEAR                   \
	MOVL AX, 4(DST)         \
	VMOVD AX, X6            \
	VPXOR Y4, Y4, Y4        \
	SUM(floatBlank, nextBlank) \
	NEXT_BLOCK(numbers, bytes, loop)

// func quantise32AVX2(dst *int8, x *float32, blocks int, start int32)
TEXT ·quantise32AVX2(SB), NOSPLIT, $0-28
	QUANTISE(128, 40, LOAD32, ROUND32, STORE32, CLEAR32)

// func quantise32WideAVX2(dst *int8, x *float32, blocks int, start int32)
TEXT ·quantise32WideAVX2(SB), NOSPLIT, $0-28
	QUANTISE(128, 72, LOAD32, ROUND32, STORE32_WIDE, CLEAR64)

// ROUND64 rounds 64 numbers at X, times Y15, to 16-bit integers in Y0, Y2, Y4 and
// Y6, packed within 128-bit lanes, and stores the sums of each 16 at R8.
#define ROUND64 \
	VMULPS    (X), Y15, Y0     \
	VMULPS    32(X), Y15, Y1   \
	VMULPS    64(X), Y15, Y2   \
	VMULPS    96(X), Y15, Y3   \
	VMULPS    128(X), Y15, Y4  \
	VMULPS    160(X), Y15, Y5  \
	VMULPS    192(X), Y15, Y6  \
	VMULPS    224(X), Y15, Y7  \
	VCVTPS2DQ Y0, Y0           \
	VCVTPS2DQ Y1, Y1           \
	VCVTPS2DQ Y2, Y2           \
	VCVTPS2DQ Y3, Y3           \
	VCVTPS2DQ Y4, Y4           \
	VCVTPS2DQ Y5, Y5           \
	VCVTPS2DQ Y6, Y6           \
	VCVTPS2DQ Y7, Y7           \
	VPADDD    Y0, Y1, Y8       \
	VPADDD    Y2, Y3, Y9       \
	VPADDD    Y4, Y5, Y10      \
	VPADDD    Y6, Y7, Y11      \
	VPHADDD   Y9, Y8, Y8       \
	VPHADDD   Y11, Y10, Y10    \
	VPHADDD   Y10, Y8, Y8      \
	VEXTRACTI128 $1, Y8, X9    \
	VPADDD    X9, X8, X8       \
	VPACKSSDW X8, X8, X8       \
	VMOVQ     X8, (R8)         \
	VPACKSSDW Y1, Y0, Y0       \
	VPACKSSDW Y3, Y2, Y2       \
	VPACKSSDW Y5, Y4, Y4       \
	VPACKSSDW Y7, Y6, Y6

// func quantiseSuperAVX2(dst *int8, x *float32, inverse float32, sums *[16]int16)
TEXT ·quantiseSuperAVX2(SB), NOSPLIT, $0-32
	LOAD_SUPER
	VMOVDQU      packedBlock<>(SB), Y14
	MOVQ         $4, CX

loop:
	ROUND64
	VPACKSSWB Y2, Y0, Y0
	VPACKSSWB Y6, Y4, Y4
	VPERMD    Y0, Y14, Y0
	VPERMD    Y4, Y14, Y4
	VMOVDQU   Y0, (DST)
	VMOVDQU   Y4, 32(DST)
	ADDQ      $256, X
	ADDQ      $64, DST
	ADDQ      $8, R8
	DECQ      CX
	JNZ       loop
	VZEROUPPER
	RET

// func quantiseSuperWideAVX2(dst *int8, x *float32, inverse float32, sums *[16]int16)
TEXT ·quantiseSuperWideAVX2(SB), NOSPLIT, $0-32
	LOAD_SUPER
	MOVQ         $4, CX

loop:
	ROUND64
	VPERMQ  $0xd8, Y0, Y0
	VPERMQ  $0xd8, Y2, Y2
	VPERMQ  $0xd8, Y4, Y4
	VPERMQ  $0xd8, Y6, Y6
	VMOVDQU Y0, (DST)
	VMOVDQU Y2, 32(DST)
	VMOVDQU Y4, 64(DST)
	VMOVDQU Y6, 96(DST)
	ADDQ    $256, X
	ADDQ    $128, DST
	ADDQ    $8, R8
	DECQ    CX
	JNZ     loop
	VZEROUPPER
	RET
