//go:build !purego

#include "textflag.h"
#include "vec_arm64.h"

#define STATE  R1
#define ROW    R2 // the row of scores
#define STRIDE R3
#define ROWS   R4 // rows left
#define N      R6
#define AT     R7 // in the row
#define LEFT   R8 // numbers left in the row

// The fields of softmaxState.
#define MAX     64
#define FACTOR  68
#define INVERSE 72
#define SIZE    128

// V16 to V19 are the sums, V20 is c, V21 EXP2MIN/c (smaller differences get no weight), V22
// MAGIC, V23 to V27 the polynomial, V28 1, V29 the largest score.

// WEIGHT is V9 = 2^(V6·c), overwriting V4, V5, V7, V8 and V10.
#define WEIGHT \
	FCMGT(8, 21, 6)  \
	ORR(7, 22, 22)   \
	FMLA(7, 6, 20)   \
	FSUB(5, 7, 22)   \
	FNEG(5, 5)       \
	FMLA(5, 6, 20)   \
	ORR(4, 24, 24)   \
	FMLA(4, 23, 5)   \
	ORR(10, 25, 25)  \
	FMLA(10, 4, 5)   \
	ORR(4, 26, 26)   \
	FMLA(4, 10, 5)   \
	ORR(10, 27, 27)  \
	FMLA(10, 4, 5)   \
	ORR(9, 28, 28)   \
	FMLA(9, 10, 5)   \
	SHL(7, 7, 23)    \
	ADDI(7, 7, 28)   \
	FMUL(9, 9, 7)    \
	BIC(9, 9, 8)

// WEIGH replaces the next four scores by their weights and adds these to vector sum.
#define WEIGH(sum) \
	VLD1 (AT), [V6.S4]     \
	FSUB(6, 6, 29)        \
	WEIGHT                \
	VST1.P [V9.S4], 16(AT) \
	FADD(sum, sum, 9)

// func weighRowsNEON(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32)
TEXT ·weighRowsNEON(SB), NOSPLIT, $0-44
	MOVD  s+0(FP), STATE
	MOVD  rows+8(FP), ROWS
	MOVD  scores+16(FP), ROW
	MOVD  stride+24(FP), STRIDE
	MOVD  n+32(FP), N
	FMOVS c+40(FP), F20
	VDUP  V20.S[0], V20.S4
	MOVD  $·vecTable(SB), R5
	CONST(21, EXP2MIN)
	FDIV(21, 21, 20)
	CONST(22, MAGIC)
	CONST(23, EXP2C5)
	CONST(24, EXP2C4)
	CONST(25, EXP2C3)
	CONST(26, EXP2C2)
	CONST(27, EXP2C1)
	CONST(28, ONE)
	CONST(30, SOFTMAXSTART)

row:
	// The largest score.
	FMOVS MAX(STATE), F0
	VDUP  V0.S[0], V0.S4
	ORR(1, 0, 0)
	ORR(2, 0, 0)
	ORR(3, 0, 0)
	ORR(31, 0, 0)
	MOVD  ROW, AT
	MOVD  N, LEFT

largest:
	VLD1.P 64(AT), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMAX(1, 1, 4)
	FMAX(2, 2, 5)
	FMAX(3, 3, 6)
	FMAX(31, 31, 7)
	SUB    $16, LEFT
	CBNZ   LEFT, largest
	FMAX(1, 1, 2)
	FMAX(3, 3, 31)
	FMAX(1, 1, 3)
	FMAXV(1, 1)
	VDUP   V1.S[0], V29.S4
	FMOVS  F1, MAX(STATE)

	// The factor of earlier weights: 2^(c·(old−new)).
	ORR(9, 28, 28)
	FCMPS F1, F0
	BEQ   scaled
	EOR(9, 9, 9)
	FCMPS F30, F0
	BEQ   scaled
	FSUB(6, 0, 29)
	WEIGHT

scaled:
	FMOVS F9, FACTOR(STATE)
	VLD1  (STATE), [V16.S4, V17.S4, V18.S4, V19.S4]
	FMUL(16, 16, 9)
	FMUL(17, 17, 9)
	FMUL(18, 18, 9)
	FMUL(19, 19, 9)

	// The weights.
	MOVD ROW, AT
	MOVD N, LEFT

weight:
	WEIGH(16)
	WEIGH(17)
	WEIGH(18)
	WEIGH(19)
	SUB  $16, LEFT
	CBNZ LEFT, weight
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (STATE)

	// 1/sum, or 0.
	FADD(16, 16, 18)
	FADD(17, 17, 19)
	FADD(0, 16, 17)
	VEXT  $8, V0.B16, V0.B16, V1.B16
	FADD(0, 0, 1)
	VDUP  V0.S[1], V1.S4
	FADD(0, 0, 1)
	EOR(1, 1, 1)
	FCMPS F1, F0
	BEQ   next
	FDIVS F0, F28, F1

next:
	FMOVS F1, INVERSE(STATE)
	ADD   $SIZE, STATE
	ADD   STRIDE, ROW
	SUB   $1, ROWS
	CBNZ  ROWS, row
	RET
