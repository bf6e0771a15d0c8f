//go:build !purego

#include "textflag.h"
#include "vec_amd64.h"

#define DST  DI
#define X    SI
#define GAIN DX
#define BIAS BX
#define N    R8
#define FULL R9  // whole vectors
#define P    R10 // in x
#define LEFT CX

// ---- AVX-512: K1 are the lanes of what is left after the whole vectors ----

// SPLIT_AVX512 sets FULL and K1 from N.
#define SPLIT_AVX512 \
	MOVQ N, FULL   \
	SHRQ $4, FULL  \
	MOVQ N, CX     \
	ANDQ $15, CX   \
	MOVL $1, AX    \
	SHLL CX, AX    \
	DECL AX        \
	KMOVW AX, K1

// SUM_AVX512 adds up TERM0 to TERM3 of four vectors at a time, TERM0 of the others
// and LAST of the rest, in Z0 to Z3, and leaves the sum in X0.
#define SUM_AVX512(four, one, ones, last, TERM0, TERM1, TERM2, TERM3, LAST) \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	MOVQ X, P         \
	MOVQ FULL, LEFT   \
	SUBQ $4, LEFT     \
	JLT  ones         \
four:                 \
	TERM0             \
	TERM1             \
	TERM2             \
	TERM3             \
	ADDQ $256, P      \
	SUBQ $4, LEFT     \
	JGE  four         \
ones:                 \
	ADDQ $4, LEFT     \
	JEQ  last         \
one:                  \
	TERM0             \
	ADDQ $64, P       \
	DECQ LEFT         \
	JNE  one          \
last:                 \
	LAST              \
	VADDPS Z1, Z0, Z0 \
	VADDPS Z3, Z2, Z2 \
	VADDPS Z2, Z0, Z0 \
	VEXTRACTF64X4 $1, Z0, Y1 \
	VADDPS Y1, Y0, Y0 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS X1, X0, X0 \
	VPERMILPS $0x4e, X0, X1 \
	VADDPS X1, X0, X0 \
	VPERMILPS $0xb1, X0, X1 \
	VADDPS X1, X0, X0

// Z8 is the mean, Z9 what the differences are multiplied by.
#define SQUARE_AVX512(AT, D, S) \
	VMOVUPS AT, D     \
	VSUBPS Z8, D, D   \
	VFMADD231PS D, D, S

#define SQUARE_LAST_AVX512 \
	VMOVUPS.Z (P), K1, Z4     \
	VSUBPS.Z Z8, Z4, K1, Z4   \
	VFMADD231PS Z4, Z4, Z1

// INVERSE_AVX512 is Z9 = 1/√(X0/n + eps), where X10 is n and X11 eps.
#define INVERSE_AVX512 \
	VDIVSS X10, X0, X0     \
	VADDSS X11, X0, X0     \
	VSQRTSS X0, X0, X0     \
	VMOVSS ONE, X1         \
	VDIVSS X0, X1, X1      \
	VBROADCASTSS X1, Z9

// ---- AVX2: Y15 are the lanes of what is left after the whole vectors ----

#define SPLIT_AVX2 \
	MOVQ N, FULL   \
	SHRQ $3, FULL  \
	MOVQ N, CX     \
	ANDQ $7, CX    \
	NEGQ CX        \
	LEAQ ·laneMasks+64(SB), AX \
	VMOVUPS (AX)(CX*4), Y15

#define SUM_AVX2(four, one, ones, last, TERM0, TERM1, TERM2, TERM3, LAST) \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	MOVQ X, P         \
	MOVQ FULL, LEFT   \
	SUBQ $4, LEFT     \
	JLT  ones         \
four:                 \
	TERM0             \
	TERM1             \
	TERM2             \
	TERM3             \
	ADDQ $128, P      \
	SUBQ $4, LEFT     \
	JGE  four         \
ones:                 \
	ADDQ $4, LEFT     \
	JEQ  last         \
one:                  \
	TERM0             \
	ADDQ $32, P       \
	DECQ LEFT         \
	JNE  one          \
last:                 \
	LAST              \
	VADDPS Y1, Y0, Y0 \
	VADDPS Y3, Y2, Y2 \
	VADDPS Y2, Y0, Y0 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS X1, X0, X0 \
	VPERMILPS $0x4e, X0, X1 \
	VADDPS X1, X0, X0 \
	VPERMILPS $0xb1, X0, X1 \
	VADDPS X1, X0, X0

#define SQUARE_AVX2(AT, D, S) \
	VMOVUPS AT, D     \
	VSUBPS Y8, D, D   \
	VFMADD231PS D, D, S

#define SQUARE_LAST_AVX2 \
	VMASKMOVPS (P), Y15, Y4   \
	VSUBPS Y8, Y4, Y4         \
	VANDPS Y15, Y4, Y4        \
	VFMADD231PS Y4, Y4, Y1

#define INVERSE_AVX2 \
	VDIVSS X10, X0, X0     \
	VADDSS X11, X0, X0     \
	VSQRTSS X0, X0, X0     \
	VMOVSS ONE, X1         \
	VDIVSS X0, X1, X1      \
	VBROADCASTSS X1, Y9

// OUT_… turn a vector in register 0 into the output of its place. The branches go
// one way for the whole row.
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

#define ADD_AVX512(AT, S) VADDPS AT, S, S
#define ADD_LAST_AVX512 VMOVUPS.Z (P), K1, Z4; VADDPS Z4, Z1, Z1
#define ADD_AVX2(AT, S) VADDPS AT, S, S
#define ADD_LAST_AVX2 VMASKMOVPS (P), Y15, Y4; VADDPS Y4, Y1, Y1

// func layerNormAVX512(dst, x, gain, bias *float32, n int, eps float32)
TEXT ·layerNormAVX512(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	MOVQ bias+24(FP), BIAS
	MOVQ n+32(FP), N
	VMOVSS eps+40(FP), X11
	VXORPS X10, X10, X10
	VCVTSI2SSQ N, X10, X10
	SPLIT_AVX512

	// The mean.
	SUM_AVX512(sum4, sum1, sumOnes, sumLast, ADD_AVX512((P), Z0), ADD_AVX512(64(P), Z1), ADD_AVX512(128(P), Z2), ADD_AVX512(192(P), Z3), ADD_LAST_AVX512)
	VDIVSS X10, X0, X0
	VBROADCASTSS X0, Z8

	// The variance.
	SUM_AVX512(square4, square1, squareOnes, squareLast, SQUARE_AVX512((P), Z4, Z0), SQUARE_AVX512(64(P), Z5, Z1), SQUARE_AVX512(128(P), Z6, Z2), SQUARE_AVX512(192(P), Z7, Z3), SQUARE_LAST_AVX512)
	INVERSE_AVX512

	KXNORW K2, K2, K2
	MOVQ FULL, LEFT
	TESTQ LEFT, LEFT
	JEQ  rest

out:
	VMOVUPS (X), Z0
	OUT_AVX512(nogain, nobias)
	VMOVUPS Z0, (DST)
	ADDQ $64, X
	ADDQ $64, DST
	DECQ LEFT
	JNE  out

rest:
	KTESTW K1, K1
	JEQ  done
	KMOVW K1, K2
	VMOVUPS.Z (X), K1, Z0
	OUT_AVX512(restNogain, restNobias)
	VMOVUPS Z0, K1, (DST)

done:
	VZEROUPPER
	RET

// func rmsNormAVX512(dst, x, gain *float32, n int, eps float32)
TEXT ·rmsNormAVX512(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	XORL BIAS, BIAS
	MOVQ n+24(FP), N
	VMOVSS eps+32(FP), X11
	VXORPS X10, X10, X10
	VCVTSI2SSQ N, X10, X10
	SPLIT_AVX512

	VPXORD Z8, Z8, Z8
	// The mean square: the mean is taken as 0.
	SUM_AVX512(square4, square1, squareOnes, squareLast, SQUARE_AVX512((P), Z4, Z0), SQUARE_AVX512(64(P), Z5, Z1), SQUARE_AVX512(128(P), Z6, Z2), SQUARE_AVX512(192(P), Z7, Z3), SQUARE_LAST_AVX512)
	INVERSE_AVX512

	KXNORW K2, K2, K2
	MOVQ FULL, LEFT
	TESTQ LEFT, LEFT
	JEQ  rest

out:
	VMOVUPS (X), Z0
	OUT_AVX512(nogain, nobias)
	VMOVUPS Z0, (DST)
	ADDQ $64, X
	ADDQ $64, DST
	DECQ LEFT
	JNE  out

rest:
	KTESTW K1, K1
	JEQ  done
	KMOVW K1, K2
	VMOVUPS.Z (X), K1, Z0
	OUT_AVX512(restNogain, restNobias)
	VMOVUPS Z0, K1, (DST)

done:
	VZEROUPPER
	RET

// func layerNormAVX2(dst, x, gain, bias *float32, n int, eps float32)
TEXT ·layerNormAVX2(SB), NOSPLIT, $0-44
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	MOVQ bias+24(FP), BIAS
	MOVQ n+32(FP), N
	VMOVSS eps+40(FP), X11
	VXORPS X10, X10, X10
	VCVTSI2SSQ N, X10, X10
	SPLIT_AVX2

	// The mean.
	SUM_AVX2(sum4, sum1, sumOnes, sumLast, ADD_AVX2((P), Y0), ADD_AVX2(32(P), Y1), ADD_AVX2(64(P), Y2), ADD_AVX2(96(P), Y3), ADD_LAST_AVX2)
	VDIVSS X10, X0, X0
	VBROADCASTSS X0, Y8

	// The variance.
	SUM_AVX2(square4, square1, squareOnes, squareLast, SQUARE_AVX2((P), Y4, Y0), SQUARE_AVX2(32(P), Y5, Y1), SQUARE_AVX2(64(P), Y6, Y2), SQUARE_AVX2(96(P), Y7, Y3), SQUARE_LAST_AVX2)
	INVERSE_AVX2

	MOVQ FULL, LEFT
	TESTQ LEFT, LEFT
	JEQ  rest

out:
	VMOVUPS (X), Y0
	OUT_AVX2(nogain, nobias, LOAD_AVX2)
	VMOVUPS Y0, (DST)
	ADDQ $32, X
	ADDQ $32, DST
	DECQ LEFT
	JNE  out

rest:
	TESTQ $7, N
	JEQ  done
	VMASKMOVPS (X), Y15, Y0
	OUT_AVX2(restNogain, restNobias, LOAD_LAST_AVX2)
	VMASKMOVPS Y0, Y15, (DST)

done:
	VZEROUPPER
	RET

// func rmsNormAVX2(dst, x, gain *float32, n int, eps float32)
TEXT ·rmsNormAVX2(SB), NOSPLIT, $0-36
	MOVQ dst+0(FP), DST
	MOVQ x+8(FP), X
	MOVQ gain+16(FP), GAIN
	XORL BIAS, BIAS
	MOVQ n+24(FP), N
	VMOVSS eps+32(FP), X11
	VXORPS X10, X10, X10
	VCVTSI2SSQ N, X10, X10
	SPLIT_AVX2

	VXORPS Y8, Y8, Y8
	// The mean square: the mean is taken as 0.
	SUM_AVX2(square4, square1, squareOnes, squareLast, SQUARE_AVX2((P), Y4, Y0), SQUARE_AVX2(32(P), Y5, Y1), SQUARE_AVX2(64(P), Y6, Y2), SQUARE_AVX2(96(P), Y7, Y3), SQUARE_LAST_AVX2)
	INVERSE_AVX2

	MOVQ FULL, LEFT
	TESTQ LEFT, LEFT
	JEQ  rest

out:
	VMOVUPS (X), Y0
	OUT_AVX2(nogain, nobias, LOAD_AVX2)
	VMOVUPS Y0, (DST)
	ADDQ $32, X
	ADDQ $32, DST
	DECQ LEFT
	JNE  out

rest:
	TESTQ $7, N
	JEQ  done
	VMASKMOVPS (X), Y15, Y0
	OUT_AVX2(restNogain, restNobias, LOAD_LAST_AVX2)
	VMASKMOVPS Y0, Y15, (DST)

done:
	VZEROUPPER
	RET
