//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "instructions_arm64.h"
#include "gemm_int_arm64.h"

// The micro-kernels of blockTile, for 4 rows by 8 columns:
//
//	V0 to V7     sums of the block, two vectors for each row; NEON: to V15, four
//	V8 to V11    DOT: 16 inputs of a row
//	V12 to V19   weights; after the block, V18 and V19 are scales of the columns
//	V24 to V31   F0, F1: sums of the blocks before, two vectors for each row
//
// A step is a macro of one row, which ROWS1 to ROWS4 apply to that many rows. r is the
// number of the row, row its pointer, and o an offset in it. Each height has its own
// loop.

#define TILE   R0  // the blockTile
#define B      R1  // b, this block, then within it
#define BLOCKS R2  // blocks left
#define OUT    R3  // c, then y
#define OUTROW R4  // bytes from row to row of it
#define OTHER  R5  // what is added, or nil
#define OTHERROW R6 // bytes from row to row of it
#define TMP    R16

#define ROWS1(OP, o) OP(o, 0, R8, V24, V25)
#define ROWS2(OP, o) ROWS1(OP, o); OP(o, 1, R9, V26, V27)
#define ROWS3(OP, o) ROWS2(OP, o); OP(o, 2, R10, V28, V29)
#define ROWS4(OP, o) ROWS3(OP, o); OP(o, 3, R11, V30, V31)

// ENTER reads the tile and branches to the loop for its height; the loop for four rows
// follows.
#define ENTER \
	MOVD t+0(FP), TILE                  \
	MOVD blockTile_rows(TILE), R17      \
	MOVD blockTile_b(TILE), B           \
	MOVD blockTile_blocks(TILE), BLOCKS \
	MOVD blockTile_c(TILE), OUT         \
	MOVD blockTile_cRow(TILE), OUTROW   \
	MOVD blockTile_a(TILE), R8          \
	MOVD blockTile_aRow(TILE), TMP      \
	ADD  TMP, R8, R9                    \
	ADD  TMP, R9, R10                   \
	ADD  TMP, R10, R11                  \
	CMP  $1, R17                        \
	BEQ  height1                        \
	CMP  $2, R17                        \
	BEQ  height2                        \
	CMP  $3, R17                        \
	BEQ  height3

// WRITE adds what is to be added to the sums and stores them in y.
#define WRITE(store, ROWS) \
	MOVD blockTile_y(TILE), OUT           \
	MOVD blockTile_yRow(TILE), OUTROW     \
	MOVD blockTile_add(TILE), OTHER       \
	MOVD blockTile_addRow(TILE), OTHERROW \
	CBZ  OTHER, store                     \
	ROWS(PLUS, 0)                         \
store:                                    \
	ROWS(STORE, 0)                        \
	RET

// HEIGHT is a kernel for one height. B is at the scales of the columns when BLOCK
// begins, and at those of the next block when it ends.
#define HEIGHT(enter, loop, out, store, ROWS, BLOCK) \
enter:                     \
	ROWS(START, 0)         \
	CBZ  BLOCKS, out       \
loop:                      \
	BLOCK(ROWS)            \
	SUBS $1, BLOCKS        \
	BNE  loop              \
out:                       \
	WRITE(store, ROWS)

// HEIGHT_SUPER is HEIGHT for a superblock: integer sums over its blocks, which FINISH
// converts to float32. FINISH finds B at the pairs, if there are any, and a at its
// trailer.
#define HEIGHT_SUPER(enter, loop, store, ROWS, BLOCK, FINISH) \
enter:                     \
	ROWS(ZERO, 0)          \
loop:                      \
	BLOCK(ROWS)            \
	SUBS $1, BLOCKS        \
	BNE  loop              \
	FINISH(ROWS)           \
	WRITE(store, ROWS)

#define HEIGHTS(BLOCK) \
	ENTER                                              \
	HEIGHT(height4, loop4, out4, store4, ROWS4, BLOCK) \
	HEIGHT(height3, loop3, out3, store3, ROWS3, BLOCK) \
	HEIGHT(height2, loop2, out2, store2, ROWS2, BLOCK) \
	HEIGHT(height1, loop1, out1, store1, ROWS1, BLOCK)

#define HEIGHTS_SUPER(BLOCK, FINISH) \
	ENTER                                                      \
	HEIGHT_SUPER(height4, loop4, store4, ROWS4, BLOCK, FINISH) \
	HEIGHT_SUPER(height3, loop3, store3, ROWS3, BLOCK, FINISH) \
	HEIGHT_SUPER(height2, loop2, store2, ROWS2, BLOCK, FINISH) \
	HEIGHT_SUPER(height1, loop1, store1, ROWS1, BLOCK, FINISH)

#define START(o, r, row, F0, F1) \
	VLD1 (OUT), [F0.S4, F1.S4] \
	ADD  OUTROW, OUT, OUT

#define STORE(o, r, row, F0, F1) \
	VST1 [F0.S4, F1.S4], (OUT) \
	ADD  OUTROW, OUT, OUT

#define PLUS(o, r, row, F0, F1) \
	VLD1 (OTHER), [V0.S4, V1.S4]    \
	ADD  OTHERROW, OTHER, OTHER     \
	FADD(24+2*(r), 24+2*(r), 0)     \
	FADD(25+2*(r), 25+2*(r), 1)

#define SKIP_HEADER(o, r, row, F0, F1) ADD $8, row
#define CLEAR_DOT(o, r, row, F0, F1) CLEAR2(r)
#define CLEAR_NEON(o, r, row, F0, F1) CLEAR4(r)
#define ROW_DOT(o, r, row, F0, F1) LD1P(8+(r), 8+(r)); DOT_LOW(r, 8+(r), 12); DOT_HIGH(r, 8+(r), 12)
#define ROW_NEON(o, r, row, F0, F1) PRODUCTS_NEON(r)
#define JOIN(o, r, row, F0, F1) JOIN_SUMS(r)

// ADD_SCALED converts sums s and s+1 to float32 and adds them, times the row's scale in
// V20 and those of the columns in vectors c and c+1, to f and f+1.
#define ADD_SCALED(s, c, f) \
	SCVTF(s, s)           \
	SCVTF(s+1, s+1)       \
	FMUL(21, 20, c)       \
	FMUL(22, 20, c+1)     \
	FMLA(f, s, 21)        \
	FMLA(f+1, s+1, 22)

// SCALE adds the sums of a block of 32. The header of a's block is read after its
// numbers: it begins 40 bytes before the pointer.
#define SCALE(o, r, row, F0, F1) \
	SUB   $36, row, TMP      \
	VLD1R (TMP), [V20.S4]    \
	ADD_SCALED(2*(r), 18, 24+2*(r))

// OFFSET adds the row's sum times the offsets of the columns, in V18 and V19.
#define OFFSET(o, r, row, F0, F1) \
	SUB   $40, row, TMP         \
	VLD1R (TMP), [V20.S4]       \
	FMLA(24+2*(r), 18, 20)      \
	FMLA(25+2*(r), 19, 20)

// LOAD_COLUMNS reads a number for each column, back bytes before B, into V18 and V19.
#define LOAD_COLUMNS(back) \
	SUB  $(back), B, TMP         \
	VLD1 (TMP), [V18.S4, V19.S4]

// DOT16 and NEON16 are 16 inputs.
#define DOT16(ROWS) \
	VLD1.P 64(B), [V12.B16, V13.B16, V14.B16, V15.B16] \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	ROWS(ROW_DOT, 0)

#define NEON8(ROWS) \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	ROWS(ROW_NEON, 0)

#define NEON16(ROWS) \
	NEON8(ROWS) \
	NEON8(ROWS)

// SUMS… are the sums of the products of 16 or 32 inputs, which begin header bytes after
// B.
#define SUMS16_DOT(ROWS, header) \
	ADD  $header, B    \
	ROWS(CLEAR_DOT, 0) \
	DOT16(ROWS)

#define SUMS32_DOT(ROWS, header) \
	SUMS16_DOT(ROWS, header) \
	DOT16(ROWS)

#define SUMS16_NEON(ROWS, header) \
	ADD  $header, B     \
	ROWS(CLEAR_NEON, 0) \
	NEON16(ROWS)        \
	ROWS(JOIN, 0)

#define SUMS32_NEON(ROWS, header) \
	ADD  $header, B     \
	ROWS(CLEAR_NEON, 0) \
	NEON16(ROWS)        \
	NEON16(ROWS)        \
	ROWS(JOIN, 0)

#define BLOCK32(ROWS, SUMS) \
	ROWS(SKIP_HEADER, 0) \
	SUMS(ROWS, 32)       \
	LOAD_COLUMNS(288)    \
	ROWS(SCALE, 0)

#define BLOCK32_OFFSETS(ROWS, SUMS) \
	ROWS(SKIP_HEADER, 0) \
	SUMS(ROWS, 64)       \
	LOAD_COLUMNS(320)    \
	ROWS(SCALE, 0)       \
	LOAD_COLUMNS(288)    \
	ROWS(OFFSET, 0)

#define BLOCK32_DOT(ROWS) BLOCK32(ROWS, SUMS32_DOT)
#define BLOCK32_NEON(ROWS) BLOCK32(ROWS, SUMS32_NEON)
#define BLOCK32_OFFSETS_DOT(ROWS) BLOCK32_OFFSETS(ROWS, SUMS32_DOT)
#define BLOCK32_OFFSETS_NEON(ROWS) BLOCK32_OFFSETS(ROWS, SUMS32_NEON)

// Superblocks. V24 to V31 are integers until their end.

#define ZERO(o, r, row, F0, F1) CLEAR2(12+(r))

// FACTOR adds the sums of a block, times the factors of the columns.
#define FACTOR(o, r, row, F0, F1) \
	MLA(24+2*(r), 2*(r), 18) \
	MLA(25+2*(r), 2*(r)+1, 19)

// PAIR adds the products of two sums of blocks of the row, at o from its trailer, and
// the pairs of the columns, in V12 and V13.
#define PAIR(o, r, row, F0, F1) \
	ADD   $o, row, TMP        \
	VLD1R (TMP), [V20.S4]     \
	SMULLH(21, 12, 20)        \
	SMULLH2(22, 12, 20)       \
	SMULLH(16, 13, 20)        \
	SMULLH2(17, 13, 20)       \
	ADDP(21, 21, 22)          \
	ADDP(16, 16, 17)          \
	ADDI(2*(r), 2*(r), 21)    \
	ADDI(2*(r)+1, 2*(r)+1, 16)

// FINISH16 turns the row's integers into float32 numbers: c plus their product with both
// scales. FINISH32 also adds the sums of PAIR, times the row's scale and the offsets of
// the columns, in V14 and V15.
#define FINISH16(o, r, row, F0, F1) \
	VLD1R (row), [V20.S4]         \
	VLD1  (OUT), [V12.S4, V13.S4] \
	ADD   OUTROW, OUT, OUT        \
	ADD_SCALED(24+2*(r), 18, 12)  \
	VMOV  V12.B16, F0.B16         \
	VMOV  V13.B16, F1.B16

#define FINISH32(o, r, row, F0, F1) \
	FINISH16(o, r, row, F0, F1) \
	ADD_SCALED(2*(r), 14, 24+2*(r))

#define SUPER16(ROWS, SUMS) \
	SUMS(ROWS, 32)    \
	LOAD_COLUMNS(160) \
	ROWS(FACTOR, 0)

#define SUPER32(ROWS, SUMS) \
	SUMS(ROWS, 32)    \
	LOAD_COLUMNS(288) \
	ROWS(FACTOR, 0)

#define SUPER16_DOT(ROWS) SUPER16(ROWS, SUMS16_DOT)
#define SUPER16_NEON(ROWS) SUPER16(ROWS, SUMS16_NEON)
#define SUPER32_DOT(ROWS) SUPER32(ROWS, SUMS32_DOT)
#define SUPER32_NEON(ROWS) SUPER32(ROWS, SUMS32_NEON)

#define END16(ROWS) \
	VLD1 (B), [V18.S4, V19.S4] \
	ROWS(FINISH16, 0)

#define PAIRS(ROWS, o) \
	VLD1.P 32(B), [V12.H8, V13.H8] \
	ROWS(PAIR, o)

#define END32(ROWS) \
	ROWS(CLEAR_DOT, 0)             \
	PAIRS(ROWS, 32)                \
	PAIRS(ROWS, 36)                \
	PAIRS(ROWS, 40)                \
	PAIRS(ROWS, 44)                \
	VLD1.P 32(B), [V18.S4, V19.S4] \
	VLD1   (B), [V14.S4, V15.S4]   \
	ROWS(FINISH32, 0)

// func blocks32DotProd(t *blockTile)
TEXT ·blocks32DotProd(SB), NOSPLIT, $0-8
	HEIGHTS(BLOCK32_DOT)

// func blocks32OffsetsDotProd(t *blockTile)
TEXT ·blocks32OffsetsDotProd(SB), NOSPLIT, $0-8
	HEIGHTS(BLOCK32_OFFSETS_DOT)

// func blocks32NEON(t *blockTile)
TEXT ·blocks32NEON(SB), NOSPLIT, $0-8
	HEIGHTS(BLOCK32_NEON)

// func blocks32OffsetsNEON(t *blockTile)
TEXT ·blocks32OffsetsNEON(SB), NOSPLIT, $0-8
	HEIGHTS(BLOCK32_OFFSETS_NEON)

// func super16DotProd(t *blockTile)
TEXT ·super16DotProd(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER(SUPER16_DOT, END16)

// func super32OffsetsDotProd(t *blockTile)
TEXT ·super32OffsetsDotProd(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER(SUPER32_DOT, END32)

// func super16NEON(t *blockTile)
TEXT ·super16NEON(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER(SUPER16_NEON, END16)

// func super32OffsetsNEON(t *blockTile)
TEXT ·super32OffsetsNEON(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER(SUPER32_NEON, END32)
