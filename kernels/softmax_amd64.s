//go:build !purego

#include "textflag.h"
#include "vec_amd64.h"
#include "lanes_amd64.h"

#define STATE   DI
#define ROW     SI // the row of scores
#define STRIDE  R8
#define ROWS    R9 // rows left
#define N       R10
#define P       BX // in the row
#define LEFT    CX // numbers left in the row
#define FIRSTROW   R11
#define FIRSTSTATE R12
#define PAIRS      R13 // where they are written

// The fields of softmaxState.
#define MAX     64
#define FACTOR  68
#define INVERSE 72
#define SIZE    128

#define LOAD_ARGUMENTS \
	MOVQ s+0(FP), STATE        \
	MOVQ rows+8(FP), ROWS      \
	MOVQ scores+16(FP), ROW    \
	MOVQ stride+24(FP), STRIDE \
	MOVQ n+32(FP), N           \
	VBROADCASTSS c+40(FP), C

// BEGIN_ROWS begins the pass over all rows that finds their largest scores.
#define BEGIN_ROWS \
	MOVQ ROW, FIRSTROW     \
	MOVQ STATE, FIRSTSTATE \
	MOVQ ROWS, R13

#define NEXT_ROW(left, row) \
	ADDQ $SIZE, STATE \
	ADDQ STRIDE, ROW  \
	DECQ left         \
	JNE  row

// ---- AVX-512 ----

#define C    Z16
#define LOW  Z17 // EXP2MIN/c: smaller differences get no weight
#define M    Z2  // the largest score
#define SUM  Z5

// WEIGHT_AVX512 is Z9 = 2^(Z6·c), overwriting Z7, Z8 and K1.
#define WEIGHT_AVX512 \
	VCMPPS NLT, LOW, Z6, K1 \
	VMOVAPS Z18, Z7 \
	VFMADD231PS C, Z6, Z7 \
	VSUBPS Z18, Z7, Z8 \
	VFMSUB231PS C, Z6, Z8 \
	VMOVAPS Z19, Z9 \
	VFMADD213PS Z20, Z8, Z9 \
	VFMADD213PS Z21, Z8, Z9 \
	VFMADD213PS Z22, Z8, Z9 \
	VFMADD213PS Z23, Z8, Z9 \
	VFMADD213PS Z24, Z8, Z9 \
	VPSLLD $23, Z7, Z7 \
	VPADDD Z24, Z7, Z7 \
	VMULPS.Z Z7, Z9, K1, Z9

// SHORT_AVX512 is x = 2^(score − max) for 16 scores at at(P), truncated to bfloat16:
// 2^⌊t⌋·p(t − ⌊t⌋), where p has degree 3 and is 1 at 0 and 2 at 1. Its relative error is
// up to 2⁻¹³ (a minimax fit). Z6 and Z7 are overwritten.
#define SHORT_AVX512(at, x) \
	VMOVUPS at(P), Z6         \
	VSUBPS M, Z6, Z6          \
	VREDUCEPS $9, Z6, Z7      \
	VMOVAPS Z27, x            \
	VFMADD213PS Z26, Z7, x    \
	VFMADD213PS Z25, Z7, x    \
	VFMADD213PS Z24, Z7, x    \
	VSCALEFPS Z6, x, x        \
	VPANDD Z28, x, x

DATA shortExp<>+0(SB)/4, $0x3e68a93a // 0.227208
DATA shortExp<>+4(SB)/4, $0x3d9f1cf6 // 0.077692
DATA shortExp<>+8(SB)/4, $0xffff0000
DATA shortExp<>+12(SB)/4, $0x3f31f213 // 0.6951
GLOBL shortExp<>(SB), RODATA|NOPTR, $16

// func weighRowsAVX512(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32, bf16, last bool)
TEXT ·weighRowsAVX512(SB), NOSPLIT, $0-46
	LOAD_ARGUMENTS
	VBROADCASTSS EXP2MIN, LOW
	VDIVPS C, LOW, LOW
	VBROADCASTSS MAGIC, Z18
	VBROADCASTSS EXP2C5, Z19
	VBROADCASTSS EXP2C4, Z20
	VBROADCASTSS EXP2C3, Z21
	VBROADCASTSS EXP2C2, Z22
	VBROADCASTSS EXP2C1, Z23
	VBROADCASTSS ONE, Z24
	VBROADCASTSS shortExp<>+12(SB), Z25
	VBROADCASTSS shortExp<>+0(SB), Z26
	VBROADCASTSS shortExp<>+4(SB), Z27
	VBROADCASTSS shortExp<>+8(SB), Z28

	// The largest score and the factor of earlier weights, for all rows first: the
	// processor then works on many rows at once.
	BEGIN_ROWS

rowMax:
	VBROADCASTSS MAX(STATE), Z0
	VMOVAPS Z0, Z1
	MOVQ ROW, P
	MOVQ N, LEFT
	SUBQ $32, LEFT
	JLT  maxLast

maxLoop:
	VMAXPS (P), Z0, Z0
	VMAXPS 64(P), Z1, Z1
	ADDQ $128, P
	SUBQ $32, LEFT
	JGE  maxLoop

maxLast:
	CMPQ LEFT, $-32
	JEQ  maxAcross
	VMAXPS (P), Z0, Z0

maxAcross:
	VMAXPS Z1, Z0, Z0
	ACROSS_Z0(VMAXPS)
	VBROADCASTSS X0, M

	// 2^(c·(old−new)).
	VBROADCASTSS MAX(STATE), Z6
	VMOVSS X0, MAX(STATE)
	VMOVAPS Z24, Z9
	VUCOMISS X0, X6
	JEQ  scaled
	VXORPS X9, X9, X9
	VUCOMISS SOFTMAXSTART, X6
	JEQ  scaled
	VSUBPS M, Z6, Z6
	WEIGHT_AVX512

scaled:
	VMOVSS X9, FACTOR(STATE)
	NEXT_ROW(R13, rowMax)
	MOVQ FIRSTROW, ROW
	MOVQ FIRSTSTATE, STATE

	// The weights.
row:
	VBROADCASTSS MAX(STATE), M
	VBROADCASTSS FACTOR(STATE), Z9
	VMULPS (STATE), Z9, SUM
	MOVQ ROW, P
	MOVQ N, LEFT
	CMPB bf16+44(FP), $0
	JNE  bf16

weight:
	VMOVUPS (P), Z6
	VSUBPS M, Z6, Z6
	WEIGHT_AVX512
	VMOVUPS Z9, (P)
	VADDPS Z9, SUM, SUM
	ADDQ $64, P
	SUBQ $16, LEFT
	JGT  weight

summed:
	VMOVUPS SUM, (STATE)

	// 1/sum, or 0.
	VEXTRACTF64X4 $1, Z5, Y1
	VADDPS Y1, Y5, Y0
	ACROSS_Y0(VADDPS)
	VXORPS X1, X1, X1
	VUCOMISS X1, X0
	JPS  divide
	JEQ  next

divide:
	VDIVSS X0, X24, X1

next:
	VMOVSS X1, INVERSE(STATE)
	NEXT_ROW(ROWS, row)
	VZEROUPPER
	RET

bf16:
	MOVQ ROW, PAIRS
	VXORPS Z11, Z11, Z11

pair:
	SHORT_AVX512(0, Z9)
	SHORT_AVX512(64, Z10)
	VADDPS Z9, SUM, SUM
	VADDPS Z10, Z11, Z11
	VPSRLD $16, Z9, Z9
	VPORD Z9, Z10, Z10
	VMOVUPS Z10, (PAIRS)
	ADDQ $128, P
	ADDQ $64, PAIRS
	SUBQ $32, LEFT
	JGT  pair
	VADDPS Z11, SUM, SUM
	CMPB last+45(FP), $0
	JNE  summed
	VMOVUPS SUM, (STATE)
	NEXT_ROW(ROWS, row)
	VZEROUPPER
	RET

#undef C
#undef LOW
#undef M
#undef SUM

// ---- AVX2 ----

#define C    Y10
#define LOW  Y11
#define M    Y2
#define SUM0 Y4 // lanes 0 to 7
#define SUM1 Y5 // lanes 8 to 15
#define BIAS Y12 // MAGIC

// WEIGHT_AVX2 is Y9 = 2^(Y6·c), overwriting Y3, Y7 and Y8.
#define WEIGHT_AVX2 \
	VCMPPS NLT, LOW, Y6, Y3 \
	VMOVAPS BIAS, Y7 \
	VFMADD231PS C, Y6, Y7 \
	VSUBPS BIAS, Y7, Y8 \
	VFMSUB231PS C, Y6, Y8 \
	VMOVAPS Y13, Y9 \
	VFMADD213PS Y14, Y8, Y9 \
	VFMADD213PS Y15, Y8, Y9 \
	VFMADD213PS EXP2C2, Y8, Y9 \
	VFMADD213PS EXP2C1, Y8, Y9 \
	VFMADD213PS ONE, Y8, Y9 \
	VPSLLD $23, Y7, Y7 \
	VPADDD ONE, Y7, Y7 \
	VMULPS Y7, Y9, Y9 \
	VANDPS Y3, Y9, Y9

// func weighRowsAVX2(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32)
TEXT ·weighRowsAVX2(SB), NOSPLIT, $0-44
	LOAD_ARGUMENTS
	VMOVUPS EXP2MIN, LOW
	VDIVPS C, LOW, LOW
	VMOVUPS MAGIC, BIAS
	VMOVUPS EXP2C5, Y13
	VMOVUPS EXP2C4, Y14
	VMOVUPS EXP2C3, Y15
	BEGIN_ROWS

rowMax:
	VBROADCASTSS MAX(STATE), Y0
	VMOVAPS Y0, Y1
	MOVQ ROW, P
	MOVQ N, LEFT

maxLoop:
	VMAXPS (P), Y0, Y0
	VMAXPS 32(P), Y1, Y1
	ADDQ $64, P
	SUBQ $16, LEFT
	JGT  maxLoop

	VMAXPS Y1, Y0, Y0
	ACROSS_Y0(VMAXPS)
	VBROADCASTSS X0, M

	VBROADCASTSS MAX(STATE), Y6
	VMOVSS X0, MAX(STATE)
	VMOVUPS ONE, Y9
	VUCOMISS X0, X6
	JEQ  scaled
	VXORPS X9, X9, X9
	VUCOMISS SOFTMAXSTART, X6
	JEQ  scaled
	VSUBPS M, Y6, Y6
	WEIGHT_AVX2

scaled:
	VMOVSS X9, FACTOR(STATE)
	NEXT_ROW(R13, rowMax)
	MOVQ FIRSTROW, ROW
	MOVQ FIRSTSTATE, STATE

row:
	VBROADCASTSS MAX(STATE), M
	VBROADCASTSS FACTOR(STATE), Y9
	VMULPS (STATE), Y9, SUM0
	VMULPS 32(STATE), Y9, SUM1
	MOVQ ROW, P
	MOVQ N, LEFT

weight:
	VMOVUPS (P), Y6
	VSUBPS M, Y6, Y6
	WEIGHT_AVX2
	VMOVUPS Y9, (P)
	VADDPS Y9, SUM0, SUM0
	VMOVUPS 32(P), Y6
	VSUBPS M, Y6, Y6
	WEIGHT_AVX2
	VMOVUPS Y9, 32(P)
	VADDPS Y9, SUM1, SUM1
	ADDQ $64, P
	SUBQ $16, LEFT
	JGT  weight
	VMOVUPS SUM0, (STATE)
	VMOVUPS SUM1, 32(STATE)

	VADDPS SUM1, SUM0, Y0
	ACROSS_Y0(VADDPS)
	VXORPS X1, X1, X1
	VUCOMISS X1, X0
	JPS  divide
	JEQ  next

divide:
	VMOVSS ONE, X1
	VDIVSS X0, X1, X1

next:
	VMOVSS X1, INVERSE(STATE)
	NEXT_ROW(ROWS, row)
	VZEROUPPER
	RET
