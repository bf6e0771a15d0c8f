//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "instructions_arm64.h"
#include "gemm_int_arm64.h"

// The micro-kernels of intTile, 8 columns wide. Sums of integers are exact in any
// order.
//
// A step is a macro of one row r, or of a pair of rows, which ROWS1 to ROWS8 apply to
// that many. S0 and S1 are V(2r) and V(2r+1), the row's sums after the loop. Each height
// has its own loop.

#define TILE   R0  // the intTile
#define B      R1  // b, this group
#define DEPTH  R2  // inputs left
#define SCALES R3  // after the loop: one per row
#define Y      R4  // y, this row
#define YROW   R5  // bytes from row to row of it
#define OTHER  R6  // what is added, this row
#define ADDROW R7  // bytes from row to row of it
#define TMP    R16
#define PASSES R19 // 2 during the pass over the high bytes of wide inputs
#define ZEROS  R20 // after the loop: one per row
// R8 to R15 are the rows of a, or pairs of them.

#define ROWS1(OP) OP(0, V0, V1)
#define ROWS2(OP) ROWS1(OP); OP(1, V2, V3)
#define ROWS3(OP) ROWS2(OP); OP(2, V4, V5)
#define ROWS4(OP) ROWS3(OP); OP(3, V6, V7)
#define ROWS5(OP) ROWS4(OP); OP(4, V8, V9)
#define ROWS6(OP) ROWS5(OP); OP(5, V10, V11)
#define ROWS7(OP) ROWS6(OP); OP(6, V12, V13)
#define ROWS8(OP) ROWS7(OP); OP(7, V14, V15)

// LOAD_TILE reads what the loop needs. The first pass is over the wide inputs, if there
// are any.
#define LOAD_TILE \
	MOVD t+0(FP), TILE              \
	MOVD intTile_rows(TILE), R17    \
	MOVD intTile_bWide(TILE), B     \
	MOVD intTile_wide(TILE), DEPTH  \
	MOVD $2, PASSES                 \
	CBNZ DEPTH, enter               \
plain:                              \
	MOVD intTile_b(TILE), B         \
	MOVD intTile_depth(TILE), DEPTH \
	MOVD $1, PASSES                 \
enter:                              \
	MOVD intTile_a(TILE), R8        \
	MOVD intTile_aRow(TILE), TMP    \
	ADD  TMP, R8, R9                \
	ADD  TMP, R9, R10               \
	ADD  TMP, R10, R11              \
	ADD  TMP, R11, R12              \
	ADD  TMP, R12, R13              \
	ADD  TMP, R13, R14              \
	ADD  TMP, R14, R15

// LOAD_OUT reads what is needed after the loop: the sums of the columns' weights to V22
// and V23, their scales to V24 and V25, and their biases to V26 and V27.
#define LOAD_OUT \
	MOVD intTile_scales(TILE), SCALES  \
	MOVD intTile_zeros(TILE), ZEROS    \
	MOVD intTile_sums(TILE), TMP       \
	VLD1 (TMP), [V22.S4, V23.S4]       \
	MOVD intTile_colScales(TILE), TMP  \
	VLD1 (TMP), [V24.S4, V25.S4]       \
	MOVD intTile_bias(TILE), TMP       \
	VLD1 (TMP), [V26.S4, V27.S4]       \
	MOVD intTile_y(TILE), Y            \
	MOVD intTile_yRow(TILE), YROW      \
	MOVD intTile_add(TILE), OTHER      \
	MOVD intTile_addRow(TILE), ADDROW

// BRANCH4 and BRANCH8 branch to the loop for the height; the loop for 4 or 8 rows
// follows.
#define BRANCH4 \
	CMP $1, R17 \
	BEQ height1 \
	CMP $2, R17 \
	BEQ height2 \
	CMP $3, R17 \
	BEQ height3

#define BRANCH8 \
	BRANCH4     \
	CMP $4, R17 \
	BEQ height4 \
	CMP $5, R17 \
	BEQ height5 \
	CMP $6, R17 \
	BEQ height6 \
	CMP $7, R17 \
	BEQ height7

// HEIGHT is a kernel for one height; SUMROWS apply steps to what has sums in the loop,
// rows or pairs of them. The sums over the high bytes of the wide inputs are multiplied
// by 256 before the pass over the bytes of all inputs.
#define HEIGHT(enter, loop, done, store, ROWS, SUMROWS, ZERO, STEP, SHIFTED, JOIN) \
enter:                              \
	SUMROWS(ZERO)                   \
loop:                               \
	STEP(SUMROWS)                   \
	SUBS $16, DEPTH                 \
	BNE  loop                       \
	SUBS $1, PASSES                 \
	BEQ  done                       \
	SUMROWS(SHIFTED)                \
	MOVD intTile_b(TILE), B         \
	MOVD intTile_depth(TILE), DEPTH \
	JMP  loop                       \
done:                               \
	LOAD_OUT                        \
	SUMROWS(JOIN)                   \
	ROWS(VALUE)                     \
	CBZ  OTHER, store               \
	ROWS(PLUS)                      \
store:                              \
	ROWS(STORE)                     \
	RET

// VALUE is float32(float32(sum + zero·column sum)·float32(scale·column scale)) + bias.
#define VALUE(r, S0, S1) \
	VLD1R.P 4(ZEROS), [V31.S4]      \
	MLA(2*(r), 22, 31)              \
	MLA(2*(r)+1, 23, 31)            \
	SCVTF(2*(r), 2*(r))             \
	SCVTF(2*(r)+1, 2*(r)+1)         \
	VLD1R.P 4(SCALES), [V28.S4]     \
	FMUL(29, 28, 24)                \
	FMUL(30, 28, 25)                \
	FMUL(2*(r), 2*(r), 29)          \
	FMUL(2*(r)+1, 2*(r)+1, 30)      \
	FADD(2*(r), 2*(r), 26)          \
	FADD(2*(r)+1, 2*(r)+1, 27)

#define PLUS(r, S0, S1) \
	VLD1 (OTHER), [V28.S4, V29.S4]  \
	ADD  ADDROW, OTHER, OTHER       \
	FADD(2*(r), 2*(r), 28)          \
	FADD(2*(r)+1, 2*(r)+1, 29)

#define STORE(r, S0, S1) \
	VST1 [S0.S4, S1.S4], (Y) \
	ADD  YROW, Y, Y

#define ZERO2(r, S0, S1) CLEAR2(r)
#define ZERO4(r, S0, S1) CLEAR4(r)
#define SHIFT(d) SHL(d, d, 8)
#define SHIFT2(r, S0, S1) SHIFT(2*(r)); SHIFT(2*(r)+1)
#define SHIFT4(r, S0, S1) SHIFT(4*(r)); SHIFT(4*(r)+1); SHIFT(4*(r)+2); SHIFT(4*(r)+3)

// LOAD_WEIGHTS reads 16 inputs of the columns.
#define LOAD_WEIGHTS \
	VLD1.P 64(B), [V24.B16, V25.B16, V26.B16, V27.B16] \
	VLD1.P 64(B), [V28.B16, V29.B16, V30.B16, V31.B16]

// SDOT, 8 rows: V(16+r) are 16 inputs of row r.

#define LOAD(r, S0, S1) LD1P(16+(r), 8+(r))
#define LOW(r, S0, S1) DOT_LOW(r, 16+(r), 24)
#define HIGH(r, S0, S1) DOT_HIGH(r, 16+(r), 24)
#define JOINED(r, S0, S1)

#define STEP_DOT(ROWS) \
	LOAD_WEIGHTS \
	ROWS(LOAD)   \
	ROWS(LOW)    \
	ROWS(HIGH)

#define HEIGHT_DOT(enter, loop, done, store, ROWS) \
	HEIGHT(enter, loop, done, store, ROWS, ROWS, ZERO2, STEP_DOT, SHIFT2, JOINED)

// func tileDotProd(t *intTile)
TEXT ·tileDotProd(SB), NOSPLIT, $0-8
	LOAD_TILE
	BRANCH8
	HEIGHT_DOT(height8, loop8, done8, store8, ROWS8)
	HEIGHT_DOT(height7, loop7, done7, store7, ROWS7)
	HEIGHT_DOT(height6, loop6, done6, store6, ROWS6)
	HEIGHT_DOT(height5, loop5, done5, store5, ROWS5)
	HEIGHT_DOT(height4, loop4, done4, store4, ROWS4)
	HEIGHT_DOT(height3, loop3, done3, store3, ROWS3)
	HEIGHT_DOT(height2, loop2, done2, store2, ROWS2)
	HEIGHT_DOT(height1, loop1, done1, store1, ROWS1)

// SMMLA, 4 pairs of rows: the sums of pair r and columns 2c and 2c+1 are in V(4r+c), its
// inputs 0 to 7 in V(16+r) and 8 to 15 in V(20+r).

#define LOADH_MM(r, S0, S1) LD1P(20+(r), 8+(r))

// MULTIPLY adds the products of the inputs in vector x and the weights in w to w+3.
#define MULTIPLY(r, x, w) \
	SMMLA(4*(r), x, w)     \
	SMMLA(4*(r)+1, x, w+1) \
	SMMLA(4*(r)+2, x, w+2) \
	SMMLA(4*(r)+3, x, w+3)

#define MUL_MM(r, S0, S1) MULTIPLY(r, 16+(r), 24)
#define MULH_MM(r, S0, S1) MULTIPLY(r, 20+(r), 28)

// APART_MM separates the rows of the pair.
#define APART_MM(r, S0, S1) \
	ZIP2(28, 4*(r), 4*(r)+1)          \
	ZIP1(4*(r), 4*(r), 4*(r)+1)       \
	ZIP2(29, 4*(r)+2, 4*(r)+3)        \
	ZIP1(4*(r)+1, 4*(r)+2, 4*(r)+3)   \
	ORR(4*(r)+2, 28, 28)              \
	ORR(4*(r)+3, 29, 29)

#define STEP_MM(PAIRS) \
	LOAD_WEIGHTS    \
	PAIRS(LOAD)     \
	PAIRS(LOADH_MM) \
	PAIRS(MUL_MM)   \
	PAIRS(MULH_MM)

#define HEIGHT_MM(enter, loop, done, store, ROWS, PAIRS) \
	HEIGHT(enter, loop, done, store, ROWS, PAIRS, ZERO4, STEP_MM, SHIFT4, APART_MM)

// func tileI8MM(t *intTile)
TEXT ·tileI8MM(SB), NOSPLIT, $0-8
	LOAD_TILE
	MOVD R10, R9
	MOVD R12, R10
	MOVD R14, R11
	BRANCH8
	HEIGHT_MM(height8, loop8, done8, store8, ROWS8, ROWS4)
	HEIGHT_MM(height7, loop7, done7, store7, ROWS7, ROWS4)
	HEIGHT_MM(height6, loop6, done6, store6, ROWS6, ROWS3)
	HEIGHT_MM(height5, loop5, done5, store5, ROWS5, ROWS3)
	HEIGHT_MM(height4, loop4, done4, store4, ROWS4, ROWS2)
	HEIGHT_MM(height3, loop3, done3, store3, ROWS3, ROWS2)
	HEIGHT_MM(height2, loop2, done2, store2, ROWS2, ROWS1)
	HEIGHT_MM(height1, loop1, done1, store1, ROWS1, ROWS1)

// Neither SDOT nor SMMLA, 4 rows: see PRODUCTS_NEON.

#define ROW_NEON(r, S0, S1) PRODUCTS_NEON(r)
#define JOIN_NEON(r, S0, S1) JOIN_SUMS(r)

#define STEP8_NEON(ROWS) \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	ROWS(ROW_NEON)

#define STEP_NEON(ROWS) \
	STEP8_NEON(ROWS) \
	STEP8_NEON(ROWS)

#define HEIGHT_NEON(enter, loop, done, store, ROWS) \
	HEIGHT(enter, loop, done, store, ROWS, ROWS, ZERO4, STEP_NEON, SHIFT4, JOIN_NEON)

// func tileNEON(t *intTile)
TEXT ·tileNEON(SB), NOSPLIT, $0-8
	LOAD_TILE
	BRANCH4
	HEIGHT_NEON(height4, loop4, done4, store4, ROWS4)
	HEIGHT_NEON(height3, loop3, done3, store3, ROWS3)
	HEIGHT_NEON(height2, loop2, done2, store2, ROWS2)
	HEIGHT_NEON(height1, loop1, done1, store1, ROWS1)
