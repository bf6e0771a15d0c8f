//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "instructions_arm64.h"

// The micro-kernels of floatTile for NEON, 6 rows by 16 columns; the order of operations
// is that of gemm_float_amd64.s. V24 to V27 are the row of b, V28 to V31 numbers of a,
// each in element 0.
//
// A step is a macro of one row, which ROWS1 to ROWS6 apply to that many rows, with NEXT
// between them. r is the number of the row, whose sums are in V(4r) to V(4r+3), S0 to
// S3; its number of a is at AT and goes to vector x, X.

#define TILE     R0
#define A0       R1  // a, row 0; row 1 is reached from it
#define A2       R2  // a, row 2; row 3
#define A4       R3  // a, row 4; row 5
#define AROW     R4  // bytes from a row of a to the next
#define ACOL     R5  // bytes from an input of a to the next
#define BK       R6  // b, this input
#define BROW     R7  // bytes from an input of b to the next
#define K        R8  // inputs left
#define P        R9  // c, then y
#define PROW     R10 // bytes from row to row of it
#define PLUS     R11 // what is added to the sums, or nil
#define PLUSROW  R12 // bytes from row to row of it
#define AHEAD    R13 // what is fetched ahead, this input
#define AHEADROW R14 // bytes from input to input of it
#define BPANEL   R14 // wide kernels: bytes from a panel to the next
#define TMP      R15

#define LOAD_TILE \
	MOVD t+0(FP), TILE                    \
	MOVD floatTile_a(TILE), A0            \
	MOVD floatTile_aRow(TILE), AROW       \
	MOVD floatTile_aCol(TILE), ACOL       \
	ADD  AROW<<1, A0, A2                  \
	ADD  AROW<<1, A2, A4                  \
	MOVD floatTile_b(TILE), BK            \
	MOVD floatTile_bRow(TILE), BROW       \
	MOVD floatTile_k(TILE), K             \
	MOVD floatTile_c(TILE), P             \
	MOVD floatTile_cRow(TILE), PROW       \
	MOVD floatTile_add(TILE), PLUS        \
	MOVD floatTile_addRow(TILE), PLUSROW  \
	MOVD floatTile_rows(TILE), TMP

#define ROWS1(OP, NEXT) OP(0, 28, F28, (A0), V0, V1, V2, V3)
#define ROWS2(OP, NEXT) ROWS1(OP, NEXT); NEXT; OP(1, 29, F29, (A0)(AROW), V4, V5, V6, V7)
#define ROWS3(OP, NEXT) ROWS2(OP, NEXT); NEXT; OP(2, 30, F30, (A2), V8, V9, V10, V11)
#define ROWS4(OP, NEXT) ROWS3(OP, NEXT); NEXT; OP(3, 31, F31, (A2)(AROW), V12, V13, V14, V15)
#define ROWS5(OP, NEXT) ROWS4(OP, NEXT); NEXT; OP(4, 28, F28, (A4), V16, V17, V18, V19)
#define ROWS6(OP, NEXT) ROWS5(OP, NEXT); NEXT; OP(5, 29, F29, (A4)(AROW), V20, V21, V22, V23)

#define NOTHING
#define NEXT_ROW ADD PROW, P
#define NEXT_ADDED ADD PLUSROW, PLUS

// HEIGHT is a kernel for one height: sums from c, the loop over the inputs, the
// addition, the output to y.
#define HEIGHT(enter, loop, out, store, ROWS, START, STEP, LOADB, ADDITION, STORE) \
enter:                            \
	ROWS(START, NEXT_ROW)         \
	CBZ  K, out                   \
	PCALIGN $32                   \
loop:                             \
	STEP(ROWS, LOADB)             \
	ADD  ACOL, A0                 \
	ADD  ACOL, A2                 \
	ADD  ACOL, A4                 \
	ADD  BROW, BK                 \
	SUB  $1, K                    \
	CBNZ K, loop                  \
out:                              \
	MOVD floatTile_y(TILE), P     \
	MOVD floatTile_yRow(TILE), PROW \
	CBZ  PLUS, store              \
	ROWS(ADDITION, NEXT_ADDED)    \
store:                            \
	ROWS(STORE, NEXT_ROW)         \
	RET

// MULTIPLY4 adds the products of the row of b and the number of a in vector x to
// vectors d to d+3.
#define MULTIPLY4(d, x) \
	FMLA0(d, 24, x)     \
	FMLA0(d+1, 25, x)   \
	FMLA0(d+2, 26, x)   \
	FMLA0(d+3, 27, x)

// ADD4 adds 16 numbers at AT to vectors d to d+3.
#define ADD4(AT, d) \
	VLD1 (AT), [V24.S4, V25.S4, V26.S4, V27.S4] \
	FADD(d, d, 24)       \
	FADD(d+1, d+1, 25)   \
	FADD(d+2, d+2, 26)   \
	FADD(d+3, d+3, 27)

// Ways to load 16 numbers of a row of b.
#define LOAD_F32(AT) VLD1 (AT), [V24.S4, V25.S4, V26.S4, V27.S4]
#define LOAD_F16(AT) VLD1 (AT), [V26.H8, V27.H8]; FCVTL(24, 26); FCVTL2(25, 26); FCVTL(26, 27); FCVTL2(27, 27)
#define LOAD_BF16(AT) VLD1 (AT), [V26.H8, V27.H8]; SHLL(24, 26); SHLL2(25, 26); SHLL(26, 27); SHLL2(27, 27)

#define START(r, x, X, AT, S0, S1, S2, S3) VLD1 (P), [S0.S4, S1.S4, S2.S4, S3.S4]
#define PRODUCTS(r, x, X, AT, S0, S1, S2, S3) FMOVS AT, X; MULTIPLY4(4*(r), x)
#define ADDITION(r, x, X, AT, S0, S1, S2, S3) ADD4(PLUS, 4*(r))
#define STORE(r, x, X, AT, S0, S1, S2, S3) VST1 [S0.S4, S1.S4, S2.S4, S3.S4], (P)

#define STEP(ROWS, LOADB) \
	LOADB(BK)              \
	PRFM (AHEAD), PLDL2KEEP \
	ADD  AHEADROW, AHEAD   \
	ROWS(PRODUCTS, NOTHING)

#define HEIGHT_NARROW(enter, loop, out, store, ROWS, LOADB) \
	HEIGHT(enter, loop, out, store, ROWS, START, STEP, LOADB, ADDITION, STORE)

// KERNEL is the kernel for all heights and one way to load a row of b.
#define KERNEL(LOADB) \
	LOAD_TILE \
	MOVD floatTile_ahead(TILE), AHEAD \
	MOVD floatTile_aheadRow(TILE), AHEADROW \
	CMP  $0, AHEAD \
	CSEL EQ, BK, AHEAD, AHEAD \
	CMP  $6, TMP \
	BEQ  rows6 \
	CMP  $5, TMP \
	BEQ  rows5 \
	CMP  $4, TMP \
	BEQ  rows4 \
	CMP  $3, TMP \
	BEQ  rows3 \
	CMP  $2, TMP \
	BEQ  rows2 \
	HEIGHT_NARROW(rows1, loop1, out1, store1, ROWS1, LOADB) \
	HEIGHT_NARROW(rows2, loop2, out2, store2, ROWS2, LOADB) \
	HEIGHT_NARROW(rows3, loop3, out3, store3, ROWS3, LOADB) \
	HEIGHT_NARROW(rows4, loop4, out4, store4, ROWS4, LOADB) \
	HEIGHT_NARROW(rows5, loop5, out5, store5, ROWS5, LOADB) \
	HEIGHT_NARROW(rows6, loop6, out6, store6, ROWS6, LOADB)

// The wide kernels compute 1 to 3 rows of two panels, the second floatTile.bPanel bytes
// after the first. The sums of row r are in V(8r) to V(8r+3), S0 to S3, and V(8r+4) to
// V(8r+7), T0 to T3.

#define WIDE1(OP, NEXT) OP(0, 28, F28, (A0), V0, V1, V2, V3, V4, V5, V6, V7)
#define WIDE2(OP, NEXT) WIDE1(OP, NEXT); NEXT; OP(1, 29, F29, (A0)(AROW), V8, V9, V10, V11, V12, V13, V14, V15)
#define WIDE3(OP, NEXT) WIDE2(OP, NEXT); NEXT; OP(2, 30, F30, (A2), V16, V17, V18, V19, V20, V21, V22, V23)

#define WIDE_START(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) \
	VLD1 (P), [S0.S4, S1.S4, S2.S4, S3.S4] \
	ADD  $64, P, TMP                       \
	VLD1 (TMP), [T0.S4, T1.S4, T2.S4, T3.S4]

#define WIDE_STORE(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) \
	VST1 [S0.S4, S1.S4, S2.S4, S3.S4], (P) \
	ADD  $64, P, TMP                       \
	VST1 [T0.S4, T1.S4, T2.S4, T3.S4], (TMP)

#define WIDE_ADDITION(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) \
	ADD4(PLUS, 8*(r))   \
	ADD $64, PLUS, TMP  \
	ADD4(TMP, 8*(r)+4)

#define LOAD_A(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) FMOVS AT, X
#define FIRST(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) MULTIPLY4(8*(r), x)
#define SECOND(r, x, X, AT, S0, S1, S2, S3, T0, T1, T2, T3) MULTIPLY4(8*(r)+4, x)

#define WIDE_STEP(ROWS, LOADB) \
	ROWS(LOAD_A, NOTHING) \
	LOADB(BK)             \
	ADD  BPANEL, BK, TMP  \
	ROWS(FIRST, NOTHING)  \
	LOADB(TMP)            \
	ROWS(SECOND, NOTHING)

#define HEIGHT_WIDE(enter, loop, out, store, ROWS, LOADB) \
	HEIGHT(enter, loop, out, store, ROWS, WIDE_START, WIDE_STEP, LOADB, WIDE_ADDITION, WIDE_STORE)

#define WIDE_KERNEL(LOADB) \
	LOAD_TILE \
	MOVD floatTile_bPanel(TILE), BPANEL \
	CMP  $3, TMP \
	BEQ  rows3 \
	CMP  $2, TMP \
	BEQ  rows2 \
	HEIGHT_WIDE(rows1, loop1, out1, store1, WIDE1, LOADB) \
	HEIGHT_WIDE(rows2, loop2, out2, store2, WIDE2, LOADB) \
	HEIGHT_WIDE(rows3, loop3, out3, store3, WIDE3, LOADB)

// func tileNEONF32(t *floatTile)
TEXT ·tileNEONF32(SB), NOSPLIT, $0-8
	KERNEL(LOAD_F32)

// func tileWideNEONF32(t *floatTile)
TEXT ·tileWideNEONF32(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_F32)

// func tileNEONF16(t *floatTile)
TEXT ·tileNEONF16(SB), NOSPLIT, $0-8
	KERNEL(LOAD_F16)

// func tileWideNEONF16(t *floatTile)
TEXT ·tileWideNEONF16(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_F16)

// func tileNEONBF16(t *floatTile)
TEXT ·tileNEONBF16(SB), NOSPLIT, $0-8
	KERNEL(LOAD_BF16)

// func tileWideNEONBF16(t *floatTile)
TEXT ·tileWideNEONBF16(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_BF16)
