//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of blockTile, 4 rows × 8 columns. The sums of the blocks
// before this one are in V24 to V31, two vectors of each row; those of this
// block's products in V0 and above, see the loops of intTile.

// The instructions that the assembler does not know: d, n and m are the numbers of
// vector registers.
#define SCVTF(n, d)      WORD $(0x4e21d800 | (n)<<5 | (d))                                         // d.4S = float32(n.4S)
#define FMUL(m, n, d)    WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))                               // d.4S = n.4S · m.4S
#define FADD(m, n, d)    WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))                               // d.4S = n.4S + m.4S
#define SDOT(i, m, n, d) WORD $(0x4f80e000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))  // d.4S += n.16B · m.4B[i], by fours
#define SMMLA(m, n, d)   WORD $(0x4e80a400 | (m)<<16 | (n)<<5 | (d))                               // d (2×2) += n (2×8) · m (2×8)ᵀ
#define SMULL(m, n, d)   WORD $(0x0e20c000 | (m)<<16 | (n)<<5 | (d))                               // d.8H = n.8B · m.8B
#define SMULL2(m, n, d)  WORD $(0x4e20c000 | (m)<<16 | (n)<<5 | (d))                               // the same of the upper halves
#define SMLAL(m, n, d)   WORD $(0x0e208000 | (m)<<16 | (n)<<5 | (d))                               // d.8H += n.8B · m.8B
#define SMLAL2(m, n, d)  WORD $(0x4e208000 | (m)<<16 | (n)<<5 | (d))                               // the same of the upper halves
#define SMULLH(m, n, d)  WORD $(0x0e60c000 | (m)<<16 | (n)<<5 | (d))                               // d.4S = n.4H · m.4H
#define SMULLH2(m, n, d) WORD $(0x4e60c000 | (m)<<16 | (n)<<5 | (d))                               // the same of the upper halves
#define MLA(m, n, d)     WORD $(0x4ea09400 | (m)<<16 | (n)<<5 | (d))                               // d.4S += n.4S · m.4S
#define SADALP(n, d)     WORD $(0x4e606800 | (n)<<5 | (d))                                         // d.4S += pairs of n.8H

#define TILE   R0  // the blockTile
#define B      R1  // b, this block, then within it
#define BLOCKS R2  // blocks left
#define OUT    R3  // c, then y
#define OUTROW R4  // bytes from row to row of it
#define OTHER  R5  // what is added, or nil
#define OTHERROW R6 // bytes from row to row of it
#define TMP    R16
// R8 to R11 are the rows of a.

#define LOAD_TILE \
	MOVD blockTile_b(TILE), B           \
	MOVD blockTile_blocks(TILE), BLOCKS \
	MOVD blockTile_c(TILE), OUT           \
	MOVD blockTile_cRow(TILE), OUTROW     \
	MOVD blockTile_a(TILE), R8          \
	MOVD blockTile_aRow(TILE), TMP      \
	ADD  TMP, R8, R9                    \
	ADD  TMP, R9, R10                   \
	ADD  TMP, R10, R11

#define LOAD_OUT \
	MOVD blockTile_y(TILE), OUT              \
	MOVD blockTile_yRow(TILE), OUTROW        \
	MOVD blockTile_add(TILE), OTHER        \
	MOVD blockTile_addRow(TILE), OTHERROW

#define START(F0, F1) \
	VLD1 (OUT), [F0.S4, F1.S4] \
	ADD  OUTROW, OUT, OUT

#define STORE(F0, F1) \
	VST1 [F0.S4, F1.S4], (OUT) \
	ADD  OUTROW, OUT, OUT

#define PLUS(f0, f1) \
	VLD1 (OTHER), [V0.S4, V1.S4] \
	ADD  OTHERROW, OTHER, OTHER  \
	FADD(0, f0, f0)              \
	FADD(1, f1, f1)

// HEIGHT is a whole kernel of one height. B is at the scales of the columns when
// BLOCK begins, and at those of the next block when it ends.
#define HEIGHT(enter, loop, out, store, STARTS, BLOCK, ADDS, STORES) \
enter:                     \
	STARTS                 \
	CBZ  BLOCKS, out       \
loop:                      \
	BLOCK                  \
	SUBS $1, BLOCKS        \
	BNE  loop              \
out:                       \
	LOAD_OUT               \
	CBZ  OTHER, store      \
	ADDS                   \
store:                     \
	STORES                 \
	RET

// HEIGHT_SUPER is HEIGHT for a superblock: integers, with 0 at first, are added up
// over its blocks and made float32 once. FINISH finds B at the pairs, if there are
// such, and a at its trailer.
#define HEIGHT_SUPER(enter, loop, store, ZEROS, BLOCK, FINISH, ADDS, STORES) \
enter:                     \
	ZEROS                  \
loop:                      \
	BLOCK                  \
	SUBS $1, BLOCKS        \
	BNE  loop              \
	FINISH                 \
	LOAD_OUT               \
	CBZ  OTHER, store      \
	ADDS                   \
store:                     \
	STORES                 \
	RET

// The header of a block of a is read after its numbers: it is at back bytes
// before the row's pointer. SCALE turns sums s0 and s1 to float32 and adds them,
// times the product of both scales, to f0 and f1. The scales of the columns are
// in V18 and V19.
#define SCALE(row, back, s0, s1, S0, S1, F0, F1) \
	SUB   $(back-4), row, TMP    \
	VLD1R (TMP), [V20.S4]        \
	SCVTF(s0, s0)                \
	SCVTF(s1, s1)                \
	FMUL(18, 20, 21)             \
	FMUL(19, 20, 22)             \
	VFMLA V21.S4, S0.S4, F0.S4   \
	VFMLA V22.S4, S1.S4, F1.S4

// OFFSET adds the row's sum times the offsets of the columns, in V18 and V19.
#define OFFSET(row, back, F0, F1) \
	SUB   $back, row, TMP        \
	VLD1R (TMP), [V20.S4]        \
	VFMLA V20.S4, V18.S4, F0.S4  \
	VFMLA V20.S4, V19.S4, F1.S4

#define START_0 START(V24, V25)
#define STORE_0 STORE(V24, V25)
#define PLUS_0 PLUS(24, 25)
#define SKIP_0 ADD $8, R8
#define SCALE32_0 SCALE(R8, 40, 0, 1, V0, V1, V24, V25)
#define OFFSET_0 OFFSET(R8, 40, V24, V25)
#define CLEAR_DOT_0 VEOR V0.B16, V0.B16, V0.B16; VEOR V1.B16, V1.B16, V1.B16
#define DOT_0 VLD1.P 16(R8), [V8.B16]; SDOT(0, 8, 12, 0); SDOT(0, 8, 13, 1); SDOT(1, 8, 14, 0); SDOT(1, 8, 15, 1); SDOT(2, 8, 16, 0); SDOT(2, 8, 17, 1); SDOT(3, 8, 18, 0); SDOT(3, 8, 19, 1)
#define CLEAR_NEON_0 VEOR V0.B16, V0.B16, V0.B16; VEOR V1.B16, V1.B16, V1.B16; VEOR V2.B16, V2.B16, V2.B16; VEOR V3.B16, V3.B16, V3.B16
#define ROW_NEON_0 VLD1R.P 4(R8), [V20.S4]; VLD1R.P 4(R8), [V21.S4]; PRODUCTS_NEON(0, 1, 2, 3)
#define JOIN_NEON_0 VADDP V1.S4, V0.S4, V0.S4; VADDP V3.S4, V2.S4, V1.S4

#define START_1 START(V26, V27)
#define STORE_1 STORE(V26, V27)
#define PLUS_1 PLUS(26, 27)
#define SKIP_1 ADD $8, R9
#define SCALE32_1 SCALE(R9, 40, 2, 3, V2, V3, V26, V27)
#define OFFSET_1 OFFSET(R9, 40, V26, V27)
#define CLEAR_DOT_1 VEOR V2.B16, V2.B16, V2.B16; VEOR V3.B16, V3.B16, V3.B16
#define DOT_1 VLD1.P 16(R9), [V9.B16]; SDOT(0, 9, 12, 2); SDOT(0, 9, 13, 3); SDOT(1, 9, 14, 2); SDOT(1, 9, 15, 3); SDOT(2, 9, 16, 2); SDOT(2, 9, 17, 3); SDOT(3, 9, 18, 2); SDOT(3, 9, 19, 3)
#define CLEAR_NEON_1 VEOR V4.B16, V4.B16, V4.B16; VEOR V5.B16, V5.B16, V5.B16; VEOR V6.B16, V6.B16, V6.B16; VEOR V7.B16, V7.B16, V7.B16
#define ROW_NEON_1 VLD1R.P 4(R9), [V20.S4]; VLD1R.P 4(R9), [V21.S4]; PRODUCTS_NEON(4, 5, 6, 7)
#define JOIN_NEON_1 VADDP V5.S4, V4.S4, V2.S4; VADDP V7.S4, V6.S4, V3.S4

#define START_2 START(V28, V29)
#define STORE_2 STORE(V28, V29)
#define PLUS_2 PLUS(28, 29)
#define SKIP_2 ADD $8, R10
#define SCALE32_2 SCALE(R10, 40, 4, 5, V4, V5, V28, V29)
#define OFFSET_2 OFFSET(R10, 40, V28, V29)
#define CLEAR_DOT_2 VEOR V4.B16, V4.B16, V4.B16; VEOR V5.B16, V5.B16, V5.B16
#define DOT_2 VLD1.P 16(R10), [V10.B16]; SDOT(0, 10, 12, 4); SDOT(0, 10, 13, 5); SDOT(1, 10, 14, 4); SDOT(1, 10, 15, 5); SDOT(2, 10, 16, 4); SDOT(2, 10, 17, 5); SDOT(3, 10, 18, 4); SDOT(3, 10, 19, 5)
#define CLEAR_NEON_2 VEOR V8.B16, V8.B16, V8.B16; VEOR V9.B16, V9.B16, V9.B16; VEOR V10.B16, V10.B16, V10.B16; VEOR V11.B16, V11.B16, V11.B16
#define ROW_NEON_2 VLD1R.P 4(R10), [V20.S4]; VLD1R.P 4(R10), [V21.S4]; PRODUCTS_NEON(8, 9, 10, 11)
#define JOIN_NEON_2 VADDP V9.S4, V8.S4, V4.S4; VADDP V11.S4, V10.S4, V5.S4

#define START_3 START(V30, V31)
#define STORE_3 STORE(V30, V31)
#define PLUS_3 PLUS(30, 31)
#define SKIP_3 ADD $8, R11
#define SCALE32_3 SCALE(R11, 40, 6, 7, V6, V7, V30, V31)
#define OFFSET_3 OFFSET(R11, 40, V30, V31)
#define CLEAR_DOT_3 VEOR V6.B16, V6.B16, V6.B16; VEOR V7.B16, V7.B16, V7.B16
#define DOT_3 VLD1.P 16(R11), [V11.B16]; SDOT(0, 11, 12, 6); SDOT(0, 11, 13, 7); SDOT(1, 11, 14, 6); SDOT(1, 11, 15, 7); SDOT(2, 11, 16, 6); SDOT(2, 11, 17, 7); SDOT(3, 11, 18, 6); SDOT(3, 11, 19, 7)
#define CLEAR_NEON_3 VEOR V12.B16, V12.B16, V12.B16; VEOR V13.B16, V13.B16, V13.B16; VEOR V14.B16, V14.B16, V14.B16; VEOR V15.B16, V15.B16, V15.B16
#define ROW_NEON_3 VLD1R.P 4(R11), [V20.S4]; VLD1R.P 4(R11), [V21.S4]; PRODUCTS_NEON(12, 13, 14, 15)
#define JOIN_NEON_3 VADDP V13.S4, V12.S4, V6.S4; VADDP V15.S4, V14.S4, V7.S4

#define START1 START_0
#define START2 START1; START_1
#define START3 START2; START_2
#define START4 START3; START_3

#define STORE1 STORE_0
#define STORE2 STORE1; STORE_1
#define STORE3 STORE2; STORE_2
#define STORE4 STORE3; STORE_3

#define PLUS1 PLUS_0
#define PLUS2 PLUS1; PLUS_1
#define PLUS3 PLUS2; PLUS_2
#define PLUS4 PLUS3; PLUS_3

#define SKIP1 SKIP_0
#define SKIP2 SKIP1; SKIP_1
#define SKIP3 SKIP2; SKIP_2
#define SKIP4 SKIP3; SKIP_3

#define SCALE32X1 SCALE32_0
#define SCALE32X2 SCALE32X1; SCALE32_1
#define SCALE32X3 SCALE32X2; SCALE32_2
#define SCALE32X4 SCALE32X3; SCALE32_3

#define OFFSET1 OFFSET_0
#define OFFSET2 OFFSET1; OFFSET_1
#define OFFSET3 OFFSET2; OFFSET_2
#define OFFSET4 OFFSET3; OFFSET_3

#define CLEAR_DOT1 CLEAR_DOT_0
#define CLEAR_DOT2 CLEAR_DOT1; CLEAR_DOT_1
#define CLEAR_DOT3 CLEAR_DOT2; CLEAR_DOT_2
#define CLEAR_DOT4 CLEAR_DOT3; CLEAR_DOT_3

#define DOT1 DOT_0
#define DOT2 DOT1; DOT_1
#define DOT3 DOT2; DOT_2
#define DOT4 DOT3; DOT_3

#define CLEAR_NEON1 CLEAR_NEON_0
#define CLEAR_NEON2 CLEAR_NEON1; CLEAR_NEON_1
#define CLEAR_NEON3 CLEAR_NEON2; CLEAR_NEON_2
#define CLEAR_NEON4 CLEAR_NEON3; CLEAR_NEON_3

#define ROW_NEON1 ROW_NEON_0
#define ROW_NEON2 ROW_NEON1; ROW_NEON_1
#define ROW_NEON3 ROW_NEON2; ROW_NEON_2
#define ROW_NEON4 ROW_NEON3; ROW_NEON_3

#define JOIN_NEON1 JOIN_NEON_0
#define JOIN_NEON2 JOIN_NEON1; JOIN_NEON_1
#define JOIN_NEON3 JOIN_NEON2; JOIN_NEON_2
#define JOIN_NEON4 JOIN_NEON3; JOIN_NEON_3

// LOAD_SCALES reads the scales of the columns, which are back bytes before B,
// LOAD_OFFSETS the offsets that follow them.
#define LOAD_SCALES(back) \
	SUB  $back, B, TMP           \
	VLD1 (TMP), [V18.S4, V19.S4]

#define LOAD_OFFSETS(back) \
	SUB  $(back-32), B, TMP      \
	VLD1 (TMP), [V18.S4, V19.S4]

// STEP_DOT is 16 inputs: those of the columns are in V12 to V19, those of the
// rows in V8 to V11.
#define STEP_DOT(DOTS) \
	VLD1.P 64(B), [V12.B16, V13.B16, V14.B16, V15.B16] \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	DOTS

#define PRODUCTS_NEON(s0, s1, s2, s3) \
	SMULL(20, 16, 22)  \
	SMULL2(20, 16, 23) \
	SMLAL(21, 18, 22)  \
	SMLAL2(21, 18, 23) \
	SADALP(22, s0)     \
	SADALP(23, s1)     \
	SMULL(20, 17, 22)  \
	SMULL2(20, 17, 23) \
	SMLAL(21, 19, 22)  \
	SMLAL2(21, 19, 23) \
	SADALP(22, s2)     \
	SADALP(23, s3)

#define STEP_NEON(ROWS) \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	ROWS \
	VLD1.P 64(B), [V16.B16, V17.B16, V18.B16, V19.B16] \
	ROWS

#define BLOCK32_DOT(SKIPS, CLEARS, DOTS, SCALES) \
	SKIPS            \
	ADD $32, B       \
	CLEARS           \
	STEP_DOT(DOTS)   \
	STEP_DOT(DOTS)   \
	LOAD_SCALES(288) \
	SCALES

#define BLOCK32_OFFSETS_DOT(SKIPS, CLEARS, DOTS, SCALES, OFFSETS) \
	SKIPS             \
	ADD $64, B        \
	CLEARS            \
	STEP_DOT(DOTS)    \
	STEP_DOT(DOTS)    \
	LOAD_SCALES(320)  \
	SCALES            \
	LOAD_OFFSETS(320) \
	OFFSETS

#define BLOCK32_NEON(SKIPS, CLEARS, ROWS, JOINS, SCALES) \
	SKIPS            \
	ADD $32, B       \
	CLEARS           \
	STEP_NEON(ROWS)  \
	STEP_NEON(ROWS)  \
	JOINS            \
	LOAD_SCALES(288) \
	SCALES

#define BLOCK32_OFFSETS_NEON(SKIPS, CLEARS, ROWS, JOINS, SCALES, OFFSETS) \
	SKIPS             \
	ADD $64, B        \
	CLEARS            \
	STEP_NEON(ROWS)   \
	STEP_NEON(ROWS)   \
	JOINS             \
	LOAD_SCALES(320)  \
	SCALES            \
	LOAD_OFFSETS(320) \
	OFFSETS

// Superblocks. PAIR adds the products of two sums of blocks of the row, at o from
// its trailer, and the pairs of the columns, in V12 and V13.
#define PAIR(o, row, S0, S1) \
	ADD   $o, row, TMP           \
	VLD1R (TMP), [V20.S4]        \
	SMULLH(20, 12, 21)           \
	SMULLH2(20, 12, 22)          \
	SMULLH(20, 13, 16)           \
	SMULLH2(20, 13, 17)          \
	VADDP V22.S4, V21.S4, V21.S4 \
	VADDP V17.S4, V16.S4, V16.S4 \
	VADD  V21.S4, S0.S4, S0.S4   \
	VADD  V16.S4, S1.S4, S1.S4

// FINISH16 turns sums f0 and f1 to float32 and adds them, times the product of both
// scales, to c. The scales of the columns are in V18 and V19.
#define FINISH16(row, f0, f1, F0, F1) \
	VLD1R (row), [V20.S4]        \
	VLD1  (OUT), [V12.S4, V13.S4] \
	ADD   OUTROW, OUT, OUT       \
	SCVTF(f0, f0)                \
	SCVTF(f1, f1)                \
	FMUL(18, 20, 21)             \
	FMUL(19, 20, 22)             \
	VFMLA V21.S4, F0.S4, V12.S4  \
	VFMLA V22.S4, F1.S4, V13.S4  \
	VMOV  V12.B16, F0.B16        \
	VMOV  V13.B16, F1.B16

// FINISH32 then adds s0 and s1, times the row's scale and the columns' offsets, in
// V14 and V15.
#define FINISH32(row, f0, f1, F0, F1, s0, s1, S0, S1) \
	FINISH16(row, f0, f1, F0, F1) \
	SCVTF(s0, s0)                \
	SCVTF(s1, s1)                \
	FMUL(14, 20, 21)             \
	FMUL(15, 20, 22)             \
	VFMLA V21.S4, S0.S4, F0.S4   \
	VFMLA V22.S4, S1.S4, F1.S4

#define ZERO_0 VEOR V24.B16, V24.B16, V24.B16; VEOR V25.B16, V25.B16, V25.B16
#define FACTOR_0 MLA(18, 0, 24); MLA(19, 1, 25)
#define PAIR_0(o) PAIR(o, R8, V0, V1)
#define FINISH16_0 FINISH16(R8, 24, 25, V24, V25)
#define FINISH32_0 FINISH32(R8, 24, 25, V24, V25, 0, 1, V0, V1)

#define ZERO_1 VEOR V26.B16, V26.B16, V26.B16; VEOR V27.B16, V27.B16, V27.B16
#define FACTOR_1 MLA(18, 2, 26); MLA(19, 3, 27)
#define PAIR_1(o) PAIR(o, R9, V2, V3)
#define FINISH16_1 FINISH16(R9, 26, 27, V26, V27)
#define FINISH32_1 FINISH32(R9, 26, 27, V26, V27, 2, 3, V2, V3)

#define ZERO_2 VEOR V28.B16, V28.B16, V28.B16; VEOR V29.B16, V29.B16, V29.B16
#define FACTOR_2 MLA(18, 4, 28); MLA(19, 5, 29)
#define PAIR_2(o) PAIR(o, R10, V4, V5)
#define FINISH16_2 FINISH16(R10, 28, 29, V28, V29)
#define FINISH32_2 FINISH32(R10, 28, 29, V28, V29, 4, 5, V4, V5)

#define ZERO_3 VEOR V30.B16, V30.B16, V30.B16; VEOR V31.B16, V31.B16, V31.B16
#define FACTOR_3 MLA(18, 6, 30); MLA(19, 7, 31)
#define PAIR_3(o) PAIR(o, R11, V6, V7)
#define FINISH16_3 FINISH16(R11, 30, 31, V30, V31)
#define FINISH32_3 FINISH32(R11, 30, 31, V30, V31, 6, 7, V6, V7)

#define ZERO1 ZERO_0
#define ZERO2 ZERO1; ZERO_1
#define ZERO3 ZERO2; ZERO_2
#define ZERO4 ZERO3; ZERO_3

#define FACTOR1 FACTOR_0
#define FACTOR2 FACTOR1; FACTOR_1
#define FACTOR3 FACTOR2; FACTOR_2
#define FACTOR4 FACTOR3; FACTOR_3

#define PAIR1(o) PAIR_0(o)
#define PAIR2(o) PAIR1(o); PAIR_1(o)
#define PAIR3(o) PAIR2(o); PAIR_2(o)
#define PAIR4(o) PAIR3(o); PAIR_3(o)

#define FINISH16X1 FINISH16_0
#define FINISH16X2 FINISH16X1; FINISH16_1
#define FINISH16X3 FINISH16X2; FINISH16_2
#define FINISH16X4 FINISH16X3; FINISH16_3

#define FINISH32X1 FINISH32_0
#define FINISH32X2 FINISH32X1; FINISH32_1
#define FINISH32X3 FINISH32X2; FINISH32_2
#define FINISH32X4 FINISH32X3; FINISH32_3

#define SUPER16_DOT(CLEARS, DOTS, FACTORS) \
	ADD $32, B       \
	CLEARS           \
	STEP_DOT(DOTS)   \
	LOAD_SCALES(160) \
	FACTORS

#define SUPER32_DOT(CLEARS, DOTS, FACTORS) \
	ADD $32, B       \
	CLEARS           \
	STEP_DOT(DOTS)   \
	STEP_DOT(DOTS)   \
	LOAD_SCALES(288) \
	FACTORS

#define SUPER16_NEON(CLEARS, ROWS, JOINS, FACTORS) \
	ADD $32, B       \
	CLEARS           \
	STEP_NEON(ROWS)  \
	JOINS            \
	LOAD_SCALES(160) \
	FACTORS

#define SUPER32_NEON(CLEARS, ROWS, JOINS, FACTORS) \
	ADD $32, B       \
	CLEARS           \
	STEP_NEON(ROWS)  \
	STEP_NEON(ROWS)  \
	JOINS            \
	LOAD_SCALES(288) \
	FACTORS

#define END16(FINISH) \
	VLD1 (B), [V18.S4, V19.S4] \
	FINISH

#define END32(CLEARS, PAIRS, FINISH) \
	CLEARS                         \
	VLD1.P 32(B), [V12.H8, V13.H8] \
	PAIRS(32)                      \
	VLD1.P 32(B), [V12.H8, V13.H8] \
	PAIRS(36)                      \
	VLD1.P 32(B), [V12.H8, V13.H8] \
	PAIRS(40)                      \
	VLD1.P 32(B), [V12.H8, V13.H8] \
	PAIRS(44)                      \
	VLD1.P 32(B), [V18.S4, V19.S4] \
	VLD1   (B), [V14.S4, V15.S4]   \
	FINISH

// func blocks32DotProd(t *blockTile)
TEXT ·blocks32DotProd(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT(height4, loop4, out4, store4, START4, BLOCK32_DOT(SKIP4, CLEAR_DOT4, DOT4, SCALE32X4), PLUS4, STORE4)
	HEIGHT(height3, loop3, out3, store3, START3, BLOCK32_DOT(SKIP3, CLEAR_DOT3, DOT3, SCALE32X3), PLUS3, STORE3)
	HEIGHT(height2, loop2, out2, store2, START2, BLOCK32_DOT(SKIP2, CLEAR_DOT2, DOT2, SCALE32X2), PLUS2, STORE2)
	HEIGHT(height1, loop1, out1, store1, START1, BLOCK32_DOT(SKIP1, CLEAR_DOT1, DOT1, SCALE32X1), PLUS1, STORE1)

// func blocks32OffsetsDotProd(t *blockTile)
TEXT ·blocks32OffsetsDotProd(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT(height4, loop4, out4, store4, START4, BLOCK32_OFFSETS_DOT(SKIP4, CLEAR_DOT4, DOT4, SCALE32X4, OFFSET4), PLUS4, STORE4)
	HEIGHT(height3, loop3, out3, store3, START3, BLOCK32_OFFSETS_DOT(SKIP3, CLEAR_DOT3, DOT3, SCALE32X3, OFFSET3), PLUS3, STORE3)
	HEIGHT(height2, loop2, out2, store2, START2, BLOCK32_OFFSETS_DOT(SKIP2, CLEAR_DOT2, DOT2, SCALE32X2, OFFSET2), PLUS2, STORE2)
	HEIGHT(height1, loop1, out1, store1, START1, BLOCK32_OFFSETS_DOT(SKIP1, CLEAR_DOT1, DOT1, SCALE32X1, OFFSET1), PLUS1, STORE1)

// func blocks32NEON(t *blockTile)
TEXT ·blocks32NEON(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT(height4, loop4, out4, store4, START4, BLOCK32_NEON(SKIP4, CLEAR_NEON4, ROW_NEON4, JOIN_NEON4, SCALE32X4), PLUS4, STORE4)
	HEIGHT(height3, loop3, out3, store3, START3, BLOCK32_NEON(SKIP3, CLEAR_NEON3, ROW_NEON3, JOIN_NEON3, SCALE32X3), PLUS3, STORE3)
	HEIGHT(height2, loop2, out2, store2, START2, BLOCK32_NEON(SKIP2, CLEAR_NEON2, ROW_NEON2, JOIN_NEON2, SCALE32X2), PLUS2, STORE2)
	HEIGHT(height1, loop1, out1, store1, START1, BLOCK32_NEON(SKIP1, CLEAR_NEON1, ROW_NEON1, JOIN_NEON1, SCALE32X1), PLUS1, STORE1)

// func blocks32OffsetsNEON(t *blockTile)
TEXT ·blocks32OffsetsNEON(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT(height4, loop4, out4, store4, START4, BLOCK32_OFFSETS_NEON(SKIP4, CLEAR_NEON4, ROW_NEON4, JOIN_NEON4, SCALE32X4, OFFSET4), PLUS4, STORE4)
	HEIGHT(height3, loop3, out3, store3, START3, BLOCK32_OFFSETS_NEON(SKIP3, CLEAR_NEON3, ROW_NEON3, JOIN_NEON3, SCALE32X3, OFFSET3), PLUS3, STORE3)
	HEIGHT(height2, loop2, out2, store2, START2, BLOCK32_OFFSETS_NEON(SKIP2, CLEAR_NEON2, ROW_NEON2, JOIN_NEON2, SCALE32X2, OFFSET2), PLUS2, STORE2)
	HEIGHT(height1, loop1, out1, store1, START1, BLOCK32_OFFSETS_NEON(SKIP1, CLEAR_NEON1, ROW_NEON1, JOIN_NEON1, SCALE32X1, OFFSET1), PLUS1, STORE1)

// func super16DotProd(t *blockTile)
TEXT ·super16DotProd(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT_SUPER(height4, loop4, store4, ZERO4, SUPER16_DOT(CLEAR_DOT4, DOT4, FACTOR4), END16(FINISH16X4), PLUS4, STORE4)
	HEIGHT_SUPER(height3, loop3, store3, ZERO3, SUPER16_DOT(CLEAR_DOT3, DOT3, FACTOR3), END16(FINISH16X3), PLUS3, STORE3)
	HEIGHT_SUPER(height2, loop2, store2, ZERO2, SUPER16_DOT(CLEAR_DOT2, DOT2, FACTOR2), END16(FINISH16X2), PLUS2, STORE2)
	HEIGHT_SUPER(height1, loop1, store1, ZERO1, SUPER16_DOT(CLEAR_DOT1, DOT1, FACTOR1), END16(FINISH16X1), PLUS1, STORE1)

// func super32OffsetsDotProd(t *blockTile)
TEXT ·super32OffsetsDotProd(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT_SUPER(height4, loop4, store4, ZERO4, SUPER32_DOT(CLEAR_DOT4, DOT4, FACTOR4), END32(CLEAR_DOT4, PAIR4, FINISH32X4), PLUS4, STORE4)
	HEIGHT_SUPER(height3, loop3, store3, ZERO3, SUPER32_DOT(CLEAR_DOT3, DOT3, FACTOR3), END32(CLEAR_DOT3, PAIR3, FINISH32X3), PLUS3, STORE3)
	HEIGHT_SUPER(height2, loop2, store2, ZERO2, SUPER32_DOT(CLEAR_DOT2, DOT2, FACTOR2), END32(CLEAR_DOT2, PAIR2, FINISH32X2), PLUS2, STORE2)
	HEIGHT_SUPER(height1, loop1, store1, ZERO1, SUPER32_DOT(CLEAR_DOT1, DOT1, FACTOR1), END32(CLEAR_DOT1, PAIR1, FINISH32X1), PLUS1, STORE1)

// func super16NEON(t *blockTile)
TEXT ·super16NEON(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT_SUPER(height4, loop4, store4, ZERO4, SUPER16_NEON(CLEAR_NEON4, ROW_NEON4, JOIN_NEON4, FACTOR4), END16(FINISH16X4), PLUS4, STORE4)
	HEIGHT_SUPER(height3, loop3, store3, ZERO3, SUPER16_NEON(CLEAR_NEON3, ROW_NEON3, JOIN_NEON3, FACTOR3), END16(FINISH16X3), PLUS3, STORE3)
	HEIGHT_SUPER(height2, loop2, store2, ZERO2, SUPER16_NEON(CLEAR_NEON2, ROW_NEON2, JOIN_NEON2, FACTOR2), END16(FINISH16X2), PLUS2, STORE2)
	HEIGHT_SUPER(height1, loop1, store1, ZERO1, SUPER16_NEON(CLEAR_NEON1, ROW_NEON1, JOIN_NEON1, FACTOR1), END16(FINISH16X1), PLUS1, STORE1)

// func super32OffsetsNEON(t *blockTile)
TEXT ·super32OffsetsNEON(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD blockTile_rows(TILE), R17
	LOAD_TILE
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT_SUPER(height4, loop4, store4, ZERO4, SUPER32_NEON(CLEAR_NEON4, ROW_NEON4, JOIN_NEON4, FACTOR4), END32(CLEAR_DOT4, PAIR4, FINISH32X4), PLUS4, STORE4)
	HEIGHT_SUPER(height3, loop3, store3, ZERO3, SUPER32_NEON(CLEAR_NEON3, ROW_NEON3, JOIN_NEON3, FACTOR3), END32(CLEAR_DOT3, PAIR3, FINISH32X3), PLUS3, STORE3)
	HEIGHT_SUPER(height2, loop2, store2, ZERO2, SUPER32_NEON(CLEAR_NEON2, ROW_NEON2, JOIN_NEON2, FACTOR2), END32(CLEAR_DOT2, PAIR2, FINISH32X2), PLUS2, STORE2)
	HEIGHT_SUPER(height1, loop1, store1, ZERO1, SUPER32_NEON(CLEAR_NEON1, ROW_NEON1, JOIN_NEON1, FACTOR1), END32(CLEAR_DOT1, PAIR1, FINISH32X1), PLUS1, STORE1)
