//go:build !purego

#include "textflag.h"
#include "vec_amd64.h"
#include "lanes_amd64.h"

#define DST  DI
#define X    SI
#define GAIN DX
#define BIAS BX
#define N    R8
#define FULL R9  // whole vectors
#define P    R10 // in x
#define LEFT CX

// SUM_VECTORS adds TERM for the whole vectors, bytes long, to the sums S0 to S3, with T0 to
// T3 to overwrite.
#define SUM_VECTORS(four, one, ones, last, bytes, TERM, S0, S1, S2, S3, T0, T1, T2, T3) \
	MOVQ X, P              \
	MOVQ FULL, LEFT        \
	SUBQ $4, LEFT          \
	JLT  ones              \
four:                      \
	TERM(0, T0, S0)        \
	TERM(bytes, T1, S1)    \
	TERM(2*bytes, T2, S2)  \
	TERM(3*bytes, T3, S3)  \
	ADDQ $(4*bytes), P     \
	SUBQ $4, LEFT          \
	JGE  four              \
ones:                      \
	ADDQ $4, LEFT          \
	JEQ  last              \
one:                       \
	TERM(0, T0, S0)        \
	ADDQ $bytes, P         \
	DECQ LEFT              \
	JNE  one               \
last:

#define ADD(o, T, S) VADDPS (o)(P), S, S

// COUNT sets X10 to N.
#define COUNT \
	VXORPS X10, X10, X10    \
	VCVTSI2SSQ N, X10, X10

// INVERSE sets all lanes of V to 1/√(X0/n + eps), where X10 is n and X11 eps.
#define INVERSE(V) \
	VDIVSS X10, X0, X0     \
	VADDSS X11, X0, X0     \
	VSQRTSS X0, X0, X0     \
	VMOVSS ONE, X1         \
	VDIVSS X0, X1, X1      \
	VBROADCASTSS X1, V

// ---- AVX-512: K1 are the lanes of the numbers left after the whole vectors ----

// SPLIT_AVX512 sets X10, FULL and K1 from N.
#define SPLIT_AVX512 \
	COUNT \
	MOVQ N, FULL   \
	SHRQ $4, FULL  \
	MOVQ N, CX     \
	ANDQ $15, CX   \
	LANES_K1

// SUM_AVX512 adds up, in Z0 to Z3, TERM for all whole vectors, four at a time, and LAST for
// the rest. It leaves the sum in X0. TERM gets an offset from P, a register to overwrite
// and its sum.
#define SUM_AVX512(four, one, ones, last, TERM, LAST) \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	SUM_VECTORS(four, one, ones, last, 64, TERM, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7) \
	LAST              \
	VADDPS Z1, Z0, Z0 \
	VADDPS Z3, Z2, Z2 \
	VADDPS Z2, Z0, Z0 \
	ACROSS_Z0(VADDPS)

// Z8 is the mean, Z9 the factor of the differences.
#define SQUARE_AVX512(o, D, S) \
	VMOVUPS (o)(P), D     \
	VSUBPS Z8, D, D   \
	VFMADD231PS D, D, S

#define SQUARE_LAST_AVX512 \
	VMOVUPS.Z (P), K1, Z4     \
	VSUBPS.Z Z8, Z4, K1, Z4   \
	VFMADD231PS Z4, Z4, Z1

// ---- AVX2: Y15 are the lanes of the numbers left after the whole vectors ----

#define SPLIT_AVX2 \
	COUNT \
	MOVQ N, FULL   \
	SHRQ $3, FULL  \
	MOVQ N, CX     \
	ANDQ $7, CX    \
	NEGQ CX        \
	LEAQ ·laneMasks+64(SB), AX \
	VMOVUPS (AX)(CX*4), Y15

#define SUM_AVX2(four, one, ones, last, TERM, LAST) \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	SUM_VECTORS(four, one, ones, last, 32, TERM, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7) \
	LAST              \
	VADDPS Y1, Y0, Y0 \
	VADDPS Y3, Y2, Y2 \
	VADDPS Y2, Y0, Y0 \
	ACROSS_Y0(VADDPS)

#define SQUARE_AVX2(o, D, S) \
	VMOVUPS (o)(P), D     \
	VSUBPS Y8, D, D   \
	VFMADD231PS D, D, S

#define SQUARE_LAST_AVX2 \
	VMASKMOVPS (P), Y15, Y4   \
	VSUBPS Y8, Y4, Y4         \
	VANDPS Y15, Y4, Y4        \
	VFMADD231PS Y4, Y4, Y1

// OUT_… turn the vector in register 0 into outputs. The branches go the same way for the
// whole row.
#define OUT_AVX512(nogain, nobias) \
	VSUBPS Z8, Z0, Z0 \
	VMULPS Z9, Z0, Z0 \
	TESTQ GAIN, GAIN  \
	JEQ  nogain       \
	VMULPS.Z (GAIN), Z0, K2, Z0 \
	ADDQ $64, GAIN    \
nogain:               \
	TESTQ BIAS, BIAS  \
	JEQ  nobias       \
	VADDPS.Z (BIAS), Z0, K2, Z0 \
	ADDQ $64, BIAS    \
nobias:

#define OUT_AVX2(nogain, nobias, LOAD) \
	VSUBPS Y8, Y0, Y0 \
	VMULPS Y9, Y0, Y0 \
	TESTQ GAIN, GAIN  \
	JEQ  nogain       \
	LOAD(GAIN)        \
	VMULPS Y1, Y0, Y0 \
	ADDQ $32, GAIN    \
nogain:               \
	TESTQ BIAS, BIAS  \
	JEQ  nobias       \
	LOAD(BIAS)        \
	VADDPS Y1, Y0, Y0 \
	ADDQ $32, BIAS    \
nobias:

#define LOAD_AVX2(AT) VMOVUPS (AT), Y1
#define LOAD_LAST_AVX2(AT) VMASKMOVPS (AT), Y15, Y1

#define ADD_LAST_AVX512 VMOVUPS.Z (P), K1, Z4; VADDPS Z4, Z1, Z1
#define ADD_LAST_AVX2 VMASKMOVPS (P), Y15, Y4; VADDPS Y4, Y1, Y1

// NORMALISE_… compute the variance from the mean in register 8, and write the outputs.
#define NORMALISE_AVX512 \
	SUM_AVX512(square4, square1, squareOnes, squareLast, SQUARE_AVX512, SQUARE_LAST_AVX512) \
	INVERSE(Z9) \
	KXNORW K2, K2, K2 \
	MOVQ FULL, LEFT \
	TESTQ LEFT, LEFT \
	JEQ  rest \
out: \
	VMOVUPS (X), Z0 \
	OUT_AVX512(nogain, nobias) \
	VMOVUPS Z0, (DST) \
	ADDQ $64, X \
	ADDQ $64, DST \
	DECQ LEFT \
	JNE  out \
rest: \
	KTESTW K1, K1 \
	JEQ  done \
	KMOVW K1, K2 \
	VMOVUPS.Z (X), K1, Z0 \
	OUT_AVX512(restNogain, restNobias) \
	VMOVUPS Z0, K1, (DST) \
done: \
	VZEROUPPER \
	RET

// func layerNormAVX512(dst, x, gain, bias *float32, n int, eps float32)
TEXT ·layerNormAVX512(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	MOVQ bias+24(FP), BIAS
	MOVQ n+32(FP), N
	VMOVSS eps+40(FP), X11
	SPLIT_AVX512

	// The mean.
	SUM_AVX512(sum4, sum1, sumOnes, sumLast, ADD, ADD_LAST_AVX512)
	VDIVSS X10, X0, X0
	VBROADCASTSS X0, Z8

	// The variance, and the output.
	NORMALISE_AVX512

// func rmsNormAVX512(dst, x, gain *float32, n int, eps float32)
TEXT ·rmsNormAVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	XORL BIAS, BIAS
	MOVQ n+24(FP), N
	VMOVSS eps+32(FP), X11
	SPLIT_AVX512

	// The mean is taken as 0.
	VPXORD Z8, Z8, Z8
	NORMALISE_AVX512

#define NORMALISE_AVX2 \
	SUM_AVX2(square4, square1, squareOnes, squareLast, SQUARE_AVX2, SQUARE_LAST_AVX2) \
	INVERSE(Y9) \
	MOVQ FULL, LEFT \
	TESTQ LEFT, LEFT \
	JEQ  rest \
out: \
	VMOVUPS (X), Y0 \
	OUT_AVX2(nogain, nobias, LOAD_AVX2) \
	VMOVUPS Y0, (DST) \
	ADDQ $32, X \
	ADDQ $32, DST \
	DECQ LEFT \
	JNE  out \
rest: \
	TESTQ $7, N \
	JEQ  done \
	VMASKMOVPS (X), Y15, Y0 \
	OUT_AVX2(restNogain, restNobias, LOAD_LAST_AVX2) \
	VMASKMOVPS Y0, Y15, (DST) \
done: \
	VZEROUPPER \
	RET

// func layerNormAVX2(dst, x, gain, bias *float32, n int, eps float32)
TEXT ·layerNormAVX2(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	MOVQ bias+24(FP), BIAS
	MOVQ n+32(FP), N
	VMOVSS eps+40(FP), X11
	SPLIT_AVX2

	// The mean.
	SUM_AVX2(sum4, sum1, sumOnes, sumLast, ADD, ADD_LAST_AVX2)
	VDIVSS X10, X0, X0
	VBROADCASTSS X0, Y8

	// The variance, and the output.
	NORMALISE_AVX2

// func rmsNormAVX2(dst, x, gain *float32, n int, eps float32)
TEXT ·rmsNormAVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	XORL BIAS, BIAS
	MOVQ n+24(FP), N
	VMOVSS eps+32(FP), X11
	SPLIT_AVX2

	// The mean is taken as 0.
	VXORPS Y8, Y8, Y8
	NORMALISE_AVX2
