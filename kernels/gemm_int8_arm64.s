//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of intTile, 8 columns wide. Sums of integers are exact,
// whatever their order.
//
// Every height has a loop of its own: the macros named …1 to …8 each do what
// the one before does, and one row more.

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
#define MLA(m, n, d)     WORD $(0x4ea09400 | (m)<<16 | (n)<<5 | (d))                               // d.4S += n.4S · m.4S
#define SADALP(n, d)     WORD $(0x4e606800 | (n)<<5 | (d))                                         // d.4S += pairs of n.8H

#define TILE   R0  // the intTile
#define B      R1  // b, this group
#define DEPTH  R2  // inputs left
#define SCALES R3  // after the loop: one per row
#define Y      R4  // y, this row
#define YROW   R5  // bytes from row to row of it
#define OTHER  R6  // what is added, this row
#define ADDROW R7  // bytes from row to row of it
#define TMP    R16
#define PASSES R19 // 2 while it is about the high bytes of wide inputs
#define ZEROS  R20 // after the loop: one per row
// R8 to R15 are the rows of a, or pairs of them.

// LOAD_TILE reads what the loop needs: it goes over the wide inputs first, if there
// are any.
#define LOAD_TILE(plain, enter) \
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

// LOAD_OUT reads what comes after the loop: the sums of the columns' weights to V22
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
	MOVD intTile_add(TILE), OTHER        \
	MOVD intTile_addRow(TILE), ADDROW

// VALUE is float32(float32(sum + zero·column sum)·float32(scale·column scale)) +
// bias of the row whose sums are in vectors s0 and s1.
#define VALUE(s0, s1) \
	VLD1R.P 4(ZEROS), [V31.S4] \
	MLA(31, 22, s0)           \
	MLA(31, 23, s1)           \
	SCVTF(s0, s0)             \
	SCVTF(s1, s1)             \
	VLD1R.P 4(SCALES), [V28.S4] \
	FMUL(24, 28, 29)          \
	FMUL(25, 28, 30)          \
	FMUL(29, s0, s0)          \
	FMUL(30, s1, s1)          \
	FADD(26, s0, s0)          \
	FADD(27, s1, s1)

// PLUS adds what is at OTHER to vectors s0 and s1.
#define PLUS(s0, s1) \
	VLD1 (OTHER), [V28.S4, V29.S4] \
	ADD  ADDROW, OTHER, OTHER    \
	FADD(28, s0, s0)             \
	FADD(29, s1, s1)

// STORE writes two vectors to y.
#define STORE(S0, S1) \
	VST1 [S0.S4, S1.S4], (Y) \
	ADD  YROW, Y, Y

// HEIGHT is a whole kernel of one height. What the bytes of the wide inputs give in
// the loop is multiplied by 256 before it goes over those of all inputs.
#define HEIGHT(enter, loop, done, store, BEGIN, STEP, SHIFTS, VALUES, ADDS, STORES) \
enter:                 \
	BEGIN              \
loop:                  \
	STEP               \
	SUBS $16, DEPTH    \
	BNE  loop          \
	SUBS $1, PASSES    \
	BEQ  done          \
	SHIFTS             \
	MOVD intTile_b(TILE), B         \
	MOVD intTile_depth(TILE), DEPTH \
	JMP  loop          \
done:                  \
	LOAD_OUT           \
	VALUES             \
	CBZ  OTHER, store    \
	ADDS               \
store:                 \
	STORES             \
	RET

// SDOT, 8 rows: the sums of row r are in V(2r) and V(2r+1), 16 inputs of it in
// V(16+r), those of the columns in V24 to V31.

#define BEGIN_0 VEOR V0.B16, V0.B16, V0.B16; VEOR V1.B16, V1.B16, V1.B16
#define LOAD_0 VLD1.P 16(R8), [V16.B16]
#define DOTL_0 SDOT(0, 16, 24, 0); SDOT(0, 16, 25, 1); SDOT(1, 16, 26, 0); SDOT(1, 16, 27, 1)
#define DOTH_0 SDOT(2, 16, 28, 0); SDOT(2, 16, 29, 1); SDOT(3, 16, 30, 0); SDOT(3, 16, 31, 1)
#define VALUE_0 VALUE(0, 1)
#define PLUS_0 PLUS(0, 1)
#define STORE_0 STORE(V0, V1)

#define BEGIN_1 VEOR V2.B16, V2.B16, V2.B16; VEOR V3.B16, V3.B16, V3.B16
#define LOAD_1 VLD1.P 16(R9), [V17.B16]
#define DOTL_1 SDOT(0, 17, 24, 2); SDOT(0, 17, 25, 3); SDOT(1, 17, 26, 2); SDOT(1, 17, 27, 3)
#define DOTH_1 SDOT(2, 17, 28, 2); SDOT(2, 17, 29, 3); SDOT(3, 17, 30, 2); SDOT(3, 17, 31, 3)
#define VALUE_1 VALUE(2, 3)
#define PLUS_1 PLUS(2, 3)
#define STORE_1 STORE(V2, V3)

#define BEGIN_2 VEOR V4.B16, V4.B16, V4.B16; VEOR V5.B16, V5.B16, V5.B16
#define LOAD_2 VLD1.P 16(R10), [V18.B16]
#define DOTL_2 SDOT(0, 18, 24, 4); SDOT(0, 18, 25, 5); SDOT(1, 18, 26, 4); SDOT(1, 18, 27, 5)
#define DOTH_2 SDOT(2, 18, 28, 4); SDOT(2, 18, 29, 5); SDOT(3, 18, 30, 4); SDOT(3, 18, 31, 5)
#define VALUE_2 VALUE(4, 5)
#define PLUS_2 PLUS(4, 5)
#define STORE_2 STORE(V4, V5)

#define BEGIN_3 VEOR V6.B16, V6.B16, V6.B16; VEOR V7.B16, V7.B16, V7.B16
#define LOAD_3 VLD1.P 16(R11), [V19.B16]
#define DOTL_3 SDOT(0, 19, 24, 6); SDOT(0, 19, 25, 7); SDOT(1, 19, 26, 6); SDOT(1, 19, 27, 7)
#define DOTH_3 SDOT(2, 19, 28, 6); SDOT(2, 19, 29, 7); SDOT(3, 19, 30, 6); SDOT(3, 19, 31, 7)
#define VALUE_3 VALUE(6, 7)
#define PLUS_3 PLUS(6, 7)
#define STORE_3 STORE(V6, V7)

#define BEGIN_4 VEOR V8.B16, V8.B16, V8.B16; VEOR V9.B16, V9.B16, V9.B16
#define LOAD_4 VLD1.P 16(R12), [V20.B16]
#define DOTL_4 SDOT(0, 20, 24, 8); SDOT(0, 20, 25, 9); SDOT(1, 20, 26, 8); SDOT(1, 20, 27, 9)
#define DOTH_4 SDOT(2, 20, 28, 8); SDOT(2, 20, 29, 9); SDOT(3, 20, 30, 8); SDOT(3, 20, 31, 9)
#define VALUE_4 VALUE(8, 9)
#define PLUS_4 PLUS(8, 9)
#define STORE_4 STORE(V8, V9)

#define BEGIN_5 VEOR V10.B16, V10.B16, V10.B16; VEOR V11.B16, V11.B16, V11.B16
#define LOAD_5 VLD1.P 16(R13), [V21.B16]
#define DOTL_5 SDOT(0, 21, 24, 10); SDOT(0, 21, 25, 11); SDOT(1, 21, 26, 10); SDOT(1, 21, 27, 11)
#define DOTH_5 SDOT(2, 21, 28, 10); SDOT(2, 21, 29, 11); SDOT(3, 21, 30, 10); SDOT(3, 21, 31, 11)
#define VALUE_5 VALUE(10, 11)
#define PLUS_5 PLUS(10, 11)
#define STORE_5 STORE(V10, V11)

#define BEGIN_6 VEOR V12.B16, V12.B16, V12.B16; VEOR V13.B16, V13.B16, V13.B16
#define LOAD_6 VLD1.P 16(R14), [V22.B16]
#define DOTL_6 SDOT(0, 22, 24, 12); SDOT(0, 22, 25, 13); SDOT(1, 22, 26, 12); SDOT(1, 22, 27, 13)
#define DOTH_6 SDOT(2, 22, 28, 12); SDOT(2, 22, 29, 13); SDOT(3, 22, 30, 12); SDOT(3, 22, 31, 13)
#define VALUE_6 VALUE(12, 13)
#define PLUS_6 PLUS(12, 13)
#define STORE_6 STORE(V12, V13)

#define BEGIN_7 VEOR V14.B16, V14.B16, V14.B16; VEOR V15.B16, V15.B16, V15.B16
#define LOAD_7 VLD1.P 16(R15), [V23.B16]
#define DOTL_7 SDOT(0, 23, 24, 14); SDOT(0, 23, 25, 15); SDOT(1, 23, 26, 14); SDOT(1, 23, 27, 15)
#define DOTH_7 SDOT(2, 23, 28, 14); SDOT(2, 23, 29, 15); SDOT(3, 23, 30, 14); SDOT(3, 23, 31, 15)
#define VALUE_7 VALUE(14, 15)
#define PLUS_7 PLUS(14, 15)
#define STORE_7 STORE(V14, V15)

#define BEGIN1 BEGIN_0
#define BEGIN2 BEGIN1; BEGIN_1
#define BEGIN3 BEGIN2; BEGIN_2
#define BEGIN4 BEGIN3; BEGIN_3
#define BEGIN5 BEGIN4; BEGIN_4
#define BEGIN6 BEGIN5; BEGIN_5
#define BEGIN7 BEGIN6; BEGIN_6
#define BEGIN8 BEGIN7; BEGIN_7

#define LOAD1 LOAD_0
#define LOAD2 LOAD1; LOAD_1
#define LOAD3 LOAD2; LOAD_2
#define LOAD4 LOAD3; LOAD_3
#define LOAD5 LOAD4; LOAD_4
#define LOAD6 LOAD5; LOAD_5
#define LOAD7 LOAD6; LOAD_6
#define LOAD8 LOAD7; LOAD_7

#define DOTL1 DOTL_0
#define DOTL2 DOTL1; DOTL_1
#define DOTL3 DOTL2; DOTL_2
#define DOTL4 DOTL3; DOTL_3
#define DOTL5 DOTL4; DOTL_4
#define DOTL6 DOTL5; DOTL_5
#define DOTL7 DOTL6; DOTL_6
#define DOTL8 DOTL7; DOTL_7

#define DOTH1 DOTH_0
#define DOTH2 DOTH1; DOTH_1
#define DOTH3 DOTH2; DOTH_2
#define DOTH4 DOTH3; DOTH_3
#define DOTH5 DOTH4; DOTH_4
#define DOTH6 DOTH5; DOTH_5
#define DOTH7 DOTH6; DOTH_6
#define DOTH8 DOTH7; DOTH_7

#define VALUE1 VALUE_0
#define VALUE2 VALUE1; VALUE_1
#define VALUE3 VALUE2; VALUE_2
#define VALUE4 VALUE3; VALUE_3
#define VALUE5 VALUE4; VALUE_4
#define VALUE6 VALUE5; VALUE_5
#define VALUE7 VALUE6; VALUE_6
#define VALUE8 VALUE7; VALUE_7

#define PLUS1 PLUS_0
#define PLUS2 PLUS1; PLUS_1
#define PLUS3 PLUS2; PLUS_2
#define PLUS4 PLUS3; PLUS_3
#define PLUS5 PLUS4; PLUS_4
#define PLUS6 PLUS5; PLUS_5
#define PLUS7 PLUS6; PLUS_6
#define PLUS8 PLUS7; PLUS_7

#define STORE1 STORE_0
#define STORE2 STORE1; STORE_1
#define STORE3 STORE2; STORE_2
#define STORE4 STORE3; STORE_3
#define STORE5 STORE4; STORE_4
#define STORE6 STORE5; STORE_5
#define STORE7 STORE6; STORE_6
#define STORE8 STORE7; STORE_7

#define SHIFT_0 VSHL $8, V0.S4, V0.S4; VSHL $8, V1.S4, V1.S4
#define SHIFT_1 VSHL $8, V2.S4, V2.S4; VSHL $8, V3.S4, V3.S4
#define SHIFT_2 VSHL $8, V4.S4, V4.S4; VSHL $8, V5.S4, V5.S4
#define SHIFT_3 VSHL $8, V6.S4, V6.S4; VSHL $8, V7.S4, V7.S4
#define SHIFT_4 VSHL $8, V8.S4, V8.S4; VSHL $8, V9.S4, V9.S4
#define SHIFT_5 VSHL $8, V10.S4, V10.S4; VSHL $8, V11.S4, V11.S4
#define SHIFT_6 VSHL $8, V12.S4, V12.S4; VSHL $8, V13.S4, V13.S4
#define SHIFT_7 VSHL $8, V14.S4, V14.S4; VSHL $8, V15.S4, V15.S4

#define SHIFT1 SHIFT_0
#define SHIFT2 SHIFT1; SHIFT_1
#define SHIFT3 SHIFT2; SHIFT_2
#define SHIFT4 SHIFT3; SHIFT_3
#define SHIFT5 SHIFT4; SHIFT_4
#define SHIFT6 SHIFT5; SHIFT_5
#define SHIFT7 SHIFT6; SHIFT_6
#define SHIFT8 SHIFT7; SHIFT_7

// SHIFT4_R1 to SHIFT4_R4 are for the kernels below, whose rows or pairs of rows
// have four vectors each.
#define SHIFT4_0 VSHL $8, V0.S4, V0.S4; VSHL $8, V1.S4, V1.S4; VSHL $8, V2.S4, V2.S4; VSHL $8, V3.S4, V3.S4
#define SHIFT4_1 VSHL $8, V4.S4, V4.S4; VSHL $8, V5.S4, V5.S4; VSHL $8, V6.S4, V6.S4; VSHL $8, V7.S4, V7.S4
#define SHIFT4_2 VSHL $8, V8.S4, V8.S4; VSHL $8, V9.S4, V9.S4; VSHL $8, V10.S4, V10.S4; VSHL $8, V11.S4, V11.S4
#define SHIFT4_3 VSHL $8, V12.S4, V12.S4; VSHL $8, V13.S4, V13.S4; VSHL $8, V14.S4, V14.S4; VSHL $8, V15.S4, V15.S4

#define SHIFT4_R1 SHIFT4_0
#define SHIFT4_R2 SHIFT4_R1; SHIFT4_1
#define SHIFT4_R3 SHIFT4_R2; SHIFT4_2
#define SHIFT4_R4 SHIFT4_R3; SHIFT4_3

#define STEP_DOT(LOADS, LOW, HIGH) \
	VLD1.P 64(B), [V24.B16, V25.B16, V26.B16, V27.B16] \
	VLD1.P 64(B), [V28.B16, V29.B16, V30.B16, V31.B16] \
	LOADS \
	LOW   \
	HIGH

// func tileDotProd(t *intTile)
TEXT ·tileDotProd(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD intTile_rows(TILE), R17
	LOAD_TILE(plain, enter)
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	CMP $4, R17
	BEQ height4
	CMP $5, R17
	BEQ height5
	CMP $6, R17
	BEQ height6
	CMP $7, R17
	BEQ height7
	HEIGHT(height8, loop8, done8, store8, BEGIN8, STEP_DOT(LOAD8, DOTL8, DOTH8), SHIFT8, VALUE8, PLUS8, STORE8)
	HEIGHT(height7, loop7, done7, store7, BEGIN7, STEP_DOT(LOAD7, DOTL7, DOTH7), SHIFT7, VALUE7, PLUS7, STORE7)
	HEIGHT(height6, loop6, done6, store6, BEGIN6, STEP_DOT(LOAD6, DOTL6, DOTH6), SHIFT6, VALUE6, PLUS6, STORE6)
	HEIGHT(height5, loop5, done5, store5, BEGIN5, STEP_DOT(LOAD5, DOTL5, DOTH5), SHIFT5, VALUE5, PLUS5, STORE5)
	HEIGHT(height4, loop4, done4, store4, BEGIN4, STEP_DOT(LOAD4, DOTL4, DOTH4), SHIFT4, VALUE4, PLUS4, STORE4)
	HEIGHT(height3, loop3, done3, store3, BEGIN3, STEP_DOT(LOAD3, DOTL3, DOTH3), SHIFT3, VALUE3, PLUS3, STORE3)
	HEIGHT(height2, loop2, done2, store2, BEGIN2, STEP_DOT(LOAD2, DOTL2, DOTH2), SHIFT2, VALUE2, PLUS2, STORE2)
	HEIGHT(height1, loop1, done1, store1, BEGIN1, STEP_DOT(LOAD1, DOTL1, DOTH1), SHIFT1, VALUE1, PLUS1, STORE1)

// SMMLA, 4 pairs of rows: the sums of pair r and the columns 2c and 2c+1 are in
// V(4r+c), 8 inputs of it in V(16+r), those of the columns in V24 to V27, and
// the next 8 in V20 to V23 and V28 to V31.

#define CLEAR_MM_0 VEOR V0.B16, V0.B16, V0.B16; VEOR V1.B16, V1.B16, V1.B16; VEOR V2.B16, V2.B16, V2.B16; VEOR V3.B16, V3.B16, V3.B16
#define LOAD_MM_0 VLD1.P 16(R8), [V16.B16]
#define LOADH_MM_0 VLD1.P 16(R8), [V20.B16]
#define MUL_MM_0 SMMLA(24, 16, 0); SMMLA(25, 16, 1); SMMLA(26, 16, 2); SMMLA(27, 16, 3)
#define MULH_MM_0 SMMLA(28, 20, 0); SMMLA(29, 20, 1); SMMLA(30, 20, 2); SMMLA(31, 20, 3)
// the rows of the pair apart: V0 and V1, V2 and V3
#define APART_MM_0 VZIP2 V1.D2, V0.D2, V28.D2; VZIP1 V1.D2, V0.D2, V0.D2; VZIP2 V3.D2, V2.D2, V29.D2; VZIP1 V3.D2, V2.D2, V1.D2; VMOV V28.B16, V2.B16; VMOV V29.B16, V3.B16

#define CLEAR_MM_1 VEOR V4.B16, V4.B16, V4.B16; VEOR V5.B16, V5.B16, V5.B16; VEOR V6.B16, V6.B16, V6.B16; VEOR V7.B16, V7.B16, V7.B16
#define LOAD_MM_1 VLD1.P 16(R9), [V17.B16]
#define LOADH_MM_1 VLD1.P 16(R9), [V21.B16]
#define MUL_MM_1 SMMLA(24, 17, 4); SMMLA(25, 17, 5); SMMLA(26, 17, 6); SMMLA(27, 17, 7)
#define MULH_MM_1 SMMLA(28, 21, 4); SMMLA(29, 21, 5); SMMLA(30, 21, 6); SMMLA(31, 21, 7)
// the rows of the pair apart: V4 and V5, V6 and V7
#define APART_MM_1 VZIP2 V5.D2, V4.D2, V28.D2; VZIP1 V5.D2, V4.D2, V4.D2; VZIP2 V7.D2, V6.D2, V29.D2; VZIP1 V7.D2, V6.D2, V5.D2; VMOV V28.B16, V6.B16; VMOV V29.B16, V7.B16

#define CLEAR_MM_2 VEOR V8.B16, V8.B16, V8.B16; VEOR V9.B16, V9.B16, V9.B16; VEOR V10.B16, V10.B16, V10.B16; VEOR V11.B16, V11.B16, V11.B16
#define LOAD_MM_2 VLD1.P 16(R10), [V18.B16]
#define LOADH_MM_2 VLD1.P 16(R10), [V22.B16]
#define MUL_MM_2 SMMLA(24, 18, 8); SMMLA(25, 18, 9); SMMLA(26, 18, 10); SMMLA(27, 18, 11)
#define MULH_MM_2 SMMLA(28, 22, 8); SMMLA(29, 22, 9); SMMLA(30, 22, 10); SMMLA(31, 22, 11)
// the rows of the pair apart: V8 and V9, V10 and V11
#define APART_MM_2 VZIP2 V9.D2, V8.D2, V28.D2; VZIP1 V9.D2, V8.D2, V8.D2; VZIP2 V11.D2, V10.D2, V29.D2; VZIP1 V11.D2, V10.D2, V9.D2; VMOV V28.B16, V10.B16; VMOV V29.B16, V11.B16

#define CLEAR_MM_3 VEOR V12.B16, V12.B16, V12.B16; VEOR V13.B16, V13.B16, V13.B16; VEOR V14.B16, V14.B16, V14.B16; VEOR V15.B16, V15.B16, V15.B16
#define LOAD_MM_3 VLD1.P 16(R11), [V19.B16]
#define LOADH_MM_3 VLD1.P 16(R11), [V23.B16]
#define MUL_MM_3 SMMLA(24, 19, 12); SMMLA(25, 19, 13); SMMLA(26, 19, 14); SMMLA(27, 19, 15)
#define MULH_MM_3 SMMLA(28, 23, 12); SMMLA(29, 23, 13); SMMLA(30, 23, 14); SMMLA(31, 23, 15)
// the rows of the pair apart: V12 and V13, V14 and V15
#define APART_MM_3 VZIP2 V13.D2, V12.D2, V28.D2; VZIP1 V13.D2, V12.D2, V12.D2; VZIP2 V15.D2, V14.D2, V29.D2; VZIP1 V15.D2, V14.D2, V13.D2; VMOV V28.B16, V14.B16; VMOV V29.B16, V15.B16

#define CLEAR_MM1 CLEAR_MM_0
#define CLEAR_MM2 CLEAR_MM1; CLEAR_MM_1
#define CLEAR_MM3 CLEAR_MM2; CLEAR_MM_2
#define CLEAR_MM4 CLEAR_MM3; CLEAR_MM_3

#define LOAD_MM1 LOAD_MM_0
#define LOAD_MM2 LOAD_MM1; LOAD_MM_1
#define LOAD_MM3 LOAD_MM2; LOAD_MM_2
#define LOAD_MM4 LOAD_MM3; LOAD_MM_3

#define LOADH_MM1 LOADH_MM_0
#define LOADH_MM2 LOADH_MM1; LOADH_MM_1
#define LOADH_MM3 LOADH_MM2; LOADH_MM_2
#define LOADH_MM4 LOADH_MM3; LOADH_MM_3

#define MUL_MM1 MUL_MM_0
#define MUL_MM2 MUL_MM1; MUL_MM_1
#define MUL_MM3 MUL_MM2; MUL_MM_2
#define MUL_MM4 MUL_MM3; MUL_MM_3

#define MULH_MM1 MULH_MM_0
#define MULH_MM2 MULH_MM1; MULH_MM_1
#define MULH_MM3 MULH_MM2; MULH_MM_2
#define MULH_MM4 MULH_MM3; MULH_MM_3

#define APART_MM1 APART_MM_0
#define APART_MM2 APART_MM1; APART_MM_1
#define APART_MM3 APART_MM2; APART_MM_2
#define APART_MM4 APART_MM3; APART_MM_3

#define STEP_MM(LOADS, LOADSH, MULS, MULSH) \
	VLD1.P 64(B), [V24.B16, V25.B16, V26.B16, V27.B16] \
	VLD1.P 64(B), [V28.B16, V29.B16, V30.B16, V31.B16] \
	LOADS  \
	LOADSH \
	MULS   \
	MULSH

// func tileI8MM(t *intTile)
TEXT ·tileI8MM(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD intTile_rows(TILE), R17
	LOAD_TILE(plain, enter)
	MOVD R10, R9
	MOVD R12, R10
	MOVD R14, R11
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	CMP $4, R17
	BEQ height4
	CMP $5, R17
	BEQ height5
	CMP $6, R17
	BEQ height6
	CMP $7, R17
	BEQ height7
	HEIGHT(height8, loop8, done8, store8, CLEAR_MM4, STEP_MM(LOAD_MM4, LOADH_MM4, MUL_MM4, MULH_MM4), SHIFT4_R4, APART_MM4; VALUE8, PLUS8, STORE8)
	HEIGHT(height7, loop7, done7, store7, CLEAR_MM4, STEP_MM(LOAD_MM4, LOADH_MM4, MUL_MM4, MULH_MM4), SHIFT4_R4, APART_MM4; VALUE7, PLUS7, STORE7)
	HEIGHT(height6, loop6, done6, store6, CLEAR_MM3, STEP_MM(LOAD_MM3, LOADH_MM3, MUL_MM3, MULH_MM3), SHIFT4_R3, APART_MM3; VALUE6, PLUS6, STORE6)
	HEIGHT(height5, loop5, done5, store5, CLEAR_MM3, STEP_MM(LOAD_MM3, LOADH_MM3, MUL_MM3, MULH_MM3), SHIFT4_R3, APART_MM3; VALUE5, PLUS5, STORE5)
	HEIGHT(height4, loop4, done4, store4, CLEAR_MM2, STEP_MM(LOAD_MM2, LOADH_MM2, MUL_MM2, MULH_MM2), SHIFT4_R2, APART_MM2; VALUE4, PLUS4, STORE4)
	HEIGHT(height3, loop3, done3, store3, CLEAR_MM2, STEP_MM(LOAD_MM2, LOADH_MM2, MUL_MM2, MULH_MM2), SHIFT4_R2, APART_MM2; VALUE3, PLUS3, STORE3)
	HEIGHT(height2, loop2, done2, store2, CLEAR_MM1, STEP_MM(LOAD_MM1, LOADH_MM1, MUL_MM1, MULH_MM1), SHIFT4_R1, APART_MM1; VALUE2, PLUS2, STORE2)
	HEIGHT(height1, loop1, done1, store1, CLEAR_MM1, STEP_MM(LOAD_MM1, LOADH_MM1, MUL_MM1, MULH_MM1), SHIFT4_R1, APART_MM1; VALUE1, PLUS1, STORE1)

// Without either, 4 rows: the sums of row r are in V(4r) to V(4r+3), two of each
// column, until they are added up at the end. V16 to V19 are 8 inputs of the
// columns, V20 and V21 those of a row, V22 and V23 their products.
//
// Two products fit in 16 bits, because weights are above -128.

#define CLEAR_NEON_0 VEOR V0.B16, V0.B16, V0.B16; VEOR V1.B16, V1.B16, V1.B16; VEOR V2.B16, V2.B16, V2.B16; VEOR V3.B16, V3.B16, V3.B16
#define ROW_NEON_0 VLD1R.P 4(R8), [V20.S4]; VLD1R.P 4(R8), [V21.S4]; PRODUCTS_NEON(0, 1, 2, 3)
#define JOIN_NEON_0 VADDP V1.S4, V0.S4, V0.S4; VADDP V3.S4, V2.S4, V1.S4

#define CLEAR_NEON_1 VEOR V4.B16, V4.B16, V4.B16; VEOR V5.B16, V5.B16, V5.B16; VEOR V6.B16, V6.B16, V6.B16; VEOR V7.B16, V7.B16, V7.B16
#define ROW_NEON_1 VLD1R.P 4(R9), [V20.S4]; VLD1R.P 4(R9), [V21.S4]; PRODUCTS_NEON(4, 5, 6, 7)
#define JOIN_NEON_1 VADDP V5.S4, V4.S4, V2.S4; VADDP V7.S4, V6.S4, V3.S4

#define CLEAR_NEON_2 VEOR V8.B16, V8.B16, V8.B16; VEOR V9.B16, V9.B16, V9.B16; VEOR V10.B16, V10.B16, V10.B16; VEOR V11.B16, V11.B16, V11.B16
#define ROW_NEON_2 VLD1R.P 4(R10), [V20.S4]; VLD1R.P 4(R10), [V21.S4]; PRODUCTS_NEON(8, 9, 10, 11)
#define JOIN_NEON_2 VADDP V9.S4, V8.S4, V4.S4; VADDP V11.S4, V10.S4, V5.S4

#define CLEAR_NEON_3 VEOR V12.B16, V12.B16, V12.B16; VEOR V13.B16, V13.B16, V13.B16; VEOR V14.B16, V14.B16, V14.B16; VEOR V15.B16, V15.B16, V15.B16
#define ROW_NEON_3 VLD1R.P 4(R11), [V20.S4]; VLD1R.P 4(R11), [V21.S4]; PRODUCTS_NEON(12, 13, 14, 15)
#define JOIN_NEON_3 VADDP V13.S4, V12.S4, V6.S4; VADDP V15.S4, V14.S4, V7.S4

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

// func tileNEON(t *intTile)
TEXT ·tileNEON(SB), NOSPLIT, $0-8
	MOVD t+0(FP), TILE
	MOVD intTile_rows(TILE), R17
	LOAD_TILE(plain, enter)
	CMP $1, R17
	BEQ height1
	CMP $2, R17
	BEQ height2
	CMP $3, R17
	BEQ height3
	HEIGHT(height4, loop4, done4, store4, CLEAR_NEON4, STEP_NEON(ROW_NEON4), SHIFT4_R4, JOIN_NEON4; VALUE4, PLUS4, STORE4)
	HEIGHT(height3, loop3, done3, store3, CLEAR_NEON3, STEP_NEON(ROW_NEON3), SHIFT4_R3, JOIN_NEON3; VALUE3, PLUS3, STORE3)
	HEIGHT(height2, loop2, done2, store2, CLEAR_NEON2, STEP_NEON(ROW_NEON2), SHIFT4_R2, JOIN_NEON2; VALUE2, PLUS2, STORE2)
	HEIGHT(height1, loop1, done1, store1, CLEAR_NEON1, STEP_NEON(ROW_NEON1), SHIFT4_R1, JOIN_NEON1; VALUE1, PLUS1, STORE1)
