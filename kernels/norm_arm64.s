//go:build !purego

#include "textflag.h"
#include "vec_arm64.h"

#define DST  R1
#define X    R2
#define GAIN R3
#define BIAS R4
#define N    R6
#define AT   R7 // in x
#define LEFT R8

// SUM adds up TERM, 16 numbers at a time in V0 to V3, then 4 in V0, and TERM1 for the rest
// in F16. It leaves the sum in F0. TERM gets the registers of the numbers and of the sum.
#define SUM(sixteen, fours, four, ones, one, done, TERM, TERM1) \
	EOR(0, 0, 0)      \
	EOR(1, 1, 1)      \
	EOR(2, 2, 2)      \
	EOR(3, 3, 3)      \
	EOR(16, 16, 16)   \
	MOVD X, AT         \
	SUBS $16, N, LEFT \
	BLT  fours        \
sixteen:              \
	VLD1.P 64(AT), [V4.S4, V5.S4, V6.S4, V7.S4] \
	TERM(4, 0)        \
	TERM(5, 1)        \
	TERM(6, 2)        \
	TERM(7, 3)        \
	SUBS $16, LEFT    \
	BGE  sixteen      \
fours:                \
	ADDS $12, LEFT    \
	BLT  ones         \
four:                 \
	VLD1.P 16(AT), [V4.S4] \
	TERM(4, 0)        \
	SUBS $4, LEFT     \
	BGE  four         \
ones:                 \
	ADDS $4, LEFT     \
	BEQ  done         \
one:                  \
	FMOVS.P 4(AT), F4  \
	TERM1             \
	SUBS $1, LEFT     \
	BNE  one          \
done:                 \
	FADD(0, 0, 1)     \
	FADD(2, 2, 3)     \
	FADD(0, 0, 2)     \
	FADDP(0, 0, 0)    \
	FADDP(0, 0, 0)    \
	FADDS F16, F0, F0

#define PLAIN(x, sum) FADD(sum, sum, x)
#define PLAIN1 FADDS F4, F16, F16

// V8 is the mean, V9 the factor of the differences.
#define SQUARE(x, sum) \
	FSUB(x, x, 8) \
	FMLA(sum, x, x)
#define SQUARE1 \
	FSUBS F8, F4, F4 \
	FMADDS F4, F16, F4, F16

// INVERSE is V9 = 1/√(F0/n + eps), where F10 is n and F11 eps.
#define INVERSE \
	FDIVS  F10, F0, F0       \
	FADDS  F11, F0, F0       \
	FSQRTS F0, F0            \
	FMOVS  $1.0, F1          \
	FDIVS  F0, F1, F1        \
	VDUP   V1.S[0], V9.S4

// OUT writes the outputs.
#define OUT(four, noGain, noBias, ones, one, noGain1, noBias1, done) \
	SUBS $4, N, LEFT        \
	BLT  ones               \
four:                       \
	VLD1.P 16(X), [V0.S4]   \
	FSUB(0, 0, 8)           \
	FMUL(0, 0, 9)           \
	CBZ  GAIN, noGain       \
	VLD1.P 16(GAIN), [V1.S4] \
	FMUL(0, 0, 1)           \
noGain:                     \
	CBZ  BIAS, noBias       \
	VLD1.P 16(BIAS), [V1.S4] \
	FADD(0, 0, 1)           \
noBias:                     \
	VST1.P [V0.S4], 16(DST) \
	SUBS $4, LEFT           \
	BGE  four               \
ones:                       \
	ADDS $4, LEFT           \
	BEQ  done               \
one:                        \
	FMOVS.P 4(X), F0        \
	FSUBS F8, F0, F0        \
	FMULS F9, F0, F0        \
	CBZ  GAIN, noGain1      \
	FMOVS.P 4(GAIN), F1     \
	FMULS F1, F0, F0        \
noGain1:                    \
	CBZ  BIAS, noBias1      \
	FMOVS.P 4(BIAS), F1     \
	FADDS F1, F0, F0        \
noBias1:                    \
	FMOVS.P F0, 4(DST)      \
	SUBS $1, LEFT           \
	BNE  one                \
done:                       \
	RET

// func layerNormNEON(dst, x, gain, bias *float32, n int, eps float32)
TEXT ·layerNormNEON(SB), NOSPLIT, $0-44
	MOVD  dst+0(FP), DST
	MOVD  x+8(FP), X
	MOVD  gain+16(FP), GAIN
	MOVD  bias+24(FP), BIAS
	MOVD  n+32(FP), N
	FMOVS eps+40(FP), F11
	SCVTFS N, F10

	// The mean.
	SUM(sum16, sum4s, sum4, sum1s, sum1, summed, PLAIN, PLAIN1)
	FDIVS F10, F0, F0
	VDUP  V0.S[0], V8.S4

	// The variance.
	SUM(square16, square4s, square4, square1s, square1, squared, SQUARE, SQUARE1)
	INVERSE
	OUT(out4, noGain, noBias, out1s, out1, noGain1, noBias1, done)

// func rmsNormNEON(dst, x, gain *float32, n int, eps float32)
TEXT ·rmsNormNEON(SB), NOSPLIT, $0-36
	MOVD  dst+0(FP), DST
	MOVD  x+8(FP), X
	MOVD  gain+16(FP), GAIN
	MOVD  ZR, BIAS
	MOVD  n+24(FP), N
	FMOVS eps+32(FP), F11
	SCVTFS N, F10

	// The mean square: the mean is taken as 0.
	EOR(8, 8, 8)
	SUM(square16, square4s, square4, square1s, square1, squared, SQUARE, SQUARE1)
	INVERSE
	OUT(out4, noGain, noBias, out1s, out1, noGain1, noBias1, done)
