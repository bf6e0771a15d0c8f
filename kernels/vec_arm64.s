//go:build !purego

#include "textflag.h"
#include "vec_arm64.h"

#define DST R1
#define X   R2
#define UP  R3
#define N   R4 // numbers left

// A body computes V1 = f(x) from V0 = x. It may overwrite V2 to V10.

// EACH runs BODY on 4 numbers at a time.
#define EACH(BODY) \
	MOVD dst+0(FP), DST     \
	MOVD x+8(FP), X         \
	MOVD up+16(FP), UP      \
	MOVD n+24(FP), N        \
	MOVD $·vecTable(SB), R5 \
loop:                       \
	VLD1.P 16(X), [V0.S4]   \
	BODY                    \
	CBZ  UP, store          \
	VLD1.P 16(UP), [V2.S4]  \
	FMUL(1, 1, 2)           \
store:                      \
	VST1.P [V1.S4], 16(DST) \
	SUB  $4, N              \
	CBNZ N, loop            \
	RET

// HORNER is d = s·x + C, a step of a polynomial.
#define HORNER(d, s, x, C) \
	CONST(d, C)   \
	FMLA(d, s, x)

// POWER finishes an exponential: V3 = 2^(n+r), or 0 where V8 is set. V3 is
// n + MAGIC, whose lowest bits are n, and V5 is r.
#define POWER \
	CONST(4, EXP2C5) \
	HORNER(6, 4, 5, EXP2C4) \
	HORNER(4, 6, 5, EXP2C3) \
	HORNER(6, 4, 5, EXP2C2) \
	HORNER(4, 6, 5, EXP2C1) \
	HORNER(6, 4, 5, ONE)    \
	SHL(3, 3, 23)    \
	CONST(4, ONE)    \
	ADDI(3, 3, 4)    \
	FMUL(3, 3, 6)    \
	BIC(3, 3, 8)

// EXP is V3 = e^V2 for V2 ≤ 0.
#define EXP \
	CONST(7, LOG2E)    \
	FMUL(4, 2, 7)      \
	CONST(6, EXP2MIN)  \
	FCMGT(8, 6, 4)     \
	CONST(6, MAGIC)    \
	FADD(3, 4, 6)      \
	FSUB(5, 3, 6)      \
	FNEG(5, 5)         \
	FMLA(5, 2, 7)      \
	CONST(7, LOG2ELOW) \
	FMLA(5, 2, 7)      \
	POWER

// EXP2 is V3 = 2^V4 for V4 ≤ 0.
#define EXP2 \
	CONST(6, EXP2MIN) \
	FCMGT(8, 6, 4)    \
	CONST(6, MAGIC)   \
	FADD(3, 4, 6)     \
	FSUB(5, 3, 6)     \
	FSUB(5, 4, 5)     \
	POWER

// SIGMA is V3 = V3/(1+V3): of e^−t, σ(−t).
#define SIGMA \
	CONST(6, ONE) \
	FADD(4, 3, 6) \
	FDIV(3, 3, 4)

// RELU is V1 = max(V0, 0), NaN for NaN.
#define RELU \
	EOR(1, 1, 1) \
	FMAX(1, 0, 1)

#define IDENTITY ORR(1, 0, 0)

#define GELU \
	FABS(2, 0)         \
	CONST(6, GELUMAX)  \
	FCMGT(8, 6, 2)     \
	FMIN(2, 2, 6)      \
	CONST(3, GELUSTEP) \
	CONST(6, ONE)      \
	FNEG(6, 6)         \
	FMLA(6, 2, 3)      \
	CONST(4, GELUC15)  \
	HORNER(5, 4, 6, GELUC14)\
	HORNER(4, 5, 6, GELUC13)\
	HORNER(5, 4, 6, GELUC12)\
	HORNER(4, 5, 6, GELUC11)\
	HORNER(5, 4, 6, GELUC10)\
	HORNER(4, 5, 6, GELUC9) \
	HORNER(5, 4, 6, GELUC8) \
	HORNER(4, 5, 6, GELUC7) \
	HORNER(5, 4, 6, GELUC6) \
	HORNER(4, 5, 6, GELUC5) \
	HORNER(5, 4, 6, GELUC4) \
	HORNER(4, 5, 6, GELUC3) \
	HORNER(5, 4, 6, GELUC2) \
	HORNER(4, 5, 6, GELUC1) \
	HORNER(5, 4, 6, GELUC0) \
	AND(5, 5, 8)       \
	RELU               \
	FMLS(1, 2, 5)

// TIMES_SIGMA is V1 = max(V0, 0) − V2·s/(1+s), where s is 2^V4.
#define TIMES_SIGMA \
	EXP2  \
	SIGMA \
	RELU  \
	FMLS(1, 2, 3)

// MAGNITUDE is V2 = |V0|, SIGMOIDMAX at most.
#define MAGNITUDE \
	FABS(2, 0)           \
	CONST(6, SIGMOIDMAX) \
	FMIN(2, 2, 6)

#define GELUTANH \
	MAGNITUDE            \
	FMUL(3, 2, 2)        \
	CONST(4, GELUTANH1)  \
	CONST(6, GELUTANH3)  \
	FMLA(4, 3, 6)        \
	FMUL(4, 2, 4)        \
	FNEG(4, 4)           \
	TIMES_SIGMA

#define SILU \
	MAGNITUDE            \
	FNEG(2, 2)           \
	EXP                  \
	SIGMA                \
	RELU                 \
	FMLA(1, 2, 3)

#define SIGMOID \
	FABS(2, 0)    \
	FNEG(2, 2)    \
	EXP           \
	SIGMA         \
	CONST(1, ONE) \
	FSUB(1, 1, 3) \
	SSHR31(8, 0)  \
	BIT(1, 3, 8)

#define TANH \
	FABS(10, 0)         \
	CONST(6, MINUSTWO)  \
	FMUL(2, 10, 6)      \
	EXP                 \
	SIGMA               \
	FMUL(7, 10, 10)     \
	CONST(1, TANHC4)    \
	HORNER(4, 1, 7, TANHC3) \
	HORNER(1, 4, 7, TANHC2) \
	HORNER(4, 1, 7, TANHC1) \
	HORNER(1, 4, 7, TANHC0) \
	FMUL(1, 1, 7)       \
	ORR(4, 10, 10)      \
	FMLA(4, 1, 10)      \
	CONST(1, ONE)       \
	CONST(6, MINUSTWO)  \
	FMLA(1, 3, 6)       \
	CONST(6, TANHSMALL) \
	FCMGT(8, 10, 6)     \
	BIF(1, 4, 8)        \
	CONST(6, SIGNMASK)  \
	AND(6, 0, 6)        \
	ORR(1, 1, 6)

#define QUICKGELU \
	MAGNITUDE            \
	CONST(4, QUICKGELU1) \
	FMUL(4, 2, 4)        \
	FNEG(4, 4)           \
	TIMES_SIGMA

#define RELUSQUARED \
	RELU          \
	FMUL(1, 1, 1)

// func identitySIMD(dst, x, up *float32, n int)
TEXT ·identitySIMD(SB), NOSPLIT, $0-32
	EACH(IDENTITY)

// func geluSIMD(dst, x, up *float32, n int)
TEXT ·geluSIMD(SB), NOSPLIT, $0-32
	EACH(GELU)

// func geluTanhSIMD(dst, x, up *float32, n int)
TEXT ·geluTanhSIMD(SB), NOSPLIT, $0-32
	EACH(GELUTANH)

// func reluSIMD(dst, x, up *float32, n int)
TEXT ·reluSIMD(SB), NOSPLIT, $0-32
	EACH(RELU)

// func siluSIMD(dst, x, up *float32, n int)
TEXT ·siluSIMD(SB), NOSPLIT, $0-32
	EACH(SILU)

// func tanhSIMD(dst, x, up *float32, n int)
TEXT ·tanhSIMD(SB), NOSPLIT, $0-32
	EACH(TANH)

// func sigmoidSIMD(dst, x, up *float32, n int)
TEXT ·sigmoidSIMD(SB), NOSPLIT, $0-32
	EACH(SIGMOID)

// func quickGELUSIMD(dst, x, up *float32, n int)
TEXT ·quickGELUSIMD(SB), NOSPLIT, $0-32
	EACH(QUICKGELU)

// func reluSquaredSIMD(dst, x, up *float32, n int)
TEXT ·reluSquaredSIMD(SB), NOSPLIT, $0-32
	EACH(RELUSQUARED)

// func addRowNEON(dst, x, y *float32, n int)
TEXT ·addRowNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), DST
	MOVD x+8(FP), X
	MOVD y+16(FP), UP
	MOVD n+24(FP), N

loop:
	VLD1.P 16(X), [V0.S4]
	VLD1.P 16(UP), [V1.S4]
	FADD(0, 0, 1)
	VST1.P [V0.S4], 16(DST)
	SUB    $4, N
	CBNZ   N, loop
	RET

// func scaleRowNEON(x *float32, n int, factor float32)
TEXT ·scaleRowNEON(SB), NOSPLIT, $0-20
	MOVD  x+0(FP), X
	MOVD  n+8(FP), N
	FMOVS factor+16(FP), F1
	VDUP  V1.S[0], V1.S4

loop:
	VLD1 (X), [V0.S4]
	FMUL(0, 0, 1)
	VST1.P [V0.S4], 16(X)
	SUB    $4, N
	CBNZ   N, loop
	RET
