//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "rows_amd64.h"

// The micro-kernels of intTile are outer products: for each group of inputs the kernel
// holds one row of the panel b in vectors, broadcasts the group of a for each row of the
// tile, and adds the sums of their products to the row's accumulators. Sums of integers
// are exact in any order.
//
// Each height has its own loop: see rows_amd64.h. The code after the loop is shared by
// all heights: it runs from the last row to the first and is entered at the height.

#define TILE   DI  // the intTile
#define A0     AX  // a, row 0; rows 1 and 2 are addressed from it
#define A3     BX  // a, row 3; rows 4 and 5
#define A6     CX  // a, row 6; rows 7 and 8
#define A9     DX  // a, row 9; rows 10 and 11
#define AROW   R8  // bytes from a row of a to the next
#define B      SI  // b, this group
#define DEPTH  R9  // inputs left
#define STARTS R10 // in the loop: initial values of the sums
#define SCALES R10 // after it: one per row
#define Y      R11 // y, the last row, then the one before it
#define YROW   R12 // bytes from row to row of it
#define NEXT   R14 // in the loop: what follows b in memory, to prefetch
#define PASSES R13 // in the loop: 2 during the pass over the high bytes of wide inputs
#define ADD    R13 // what is added, the last row, then the one before it
#define ADDROW BX  // bytes from row to row of it
#define ZEROS  R9  // one per row
#define SUMS   R8  // of the columns' weights
#define COLUMNS AX // scales of the columns
#define BIAS   CX  // biases of the columns
#define TMP    DX

// LOAD_TILE reads what the loop needs. The first pass is over the wide inputs, if there
// are any.
#define LOAD_TILE(plain, enter) \
	MOVQ t+0(FP), TILE               \
	MOVQ intTile_rows(TILE), R15     \
	MOVQ intTile_a(TILE), A0         \
	MOVQ intTile_aRow(TILE), AROW    \
	LEAQ (AROW)(AROW*2), TMP         \
	LEAQ (A0)(TMP*1), A3             \
	LEAQ (A3)(TMP*1), A6             \
	LEAQ (A6)(TMP*1), A9             \
	MOVQ intTile_y(TILE), Y          \
	MOVQ intTile_yRow(TILE), YROW    \
	MOVQ intTile_next(TILE), NEXT    \
	MOVQ intTile_wide(TILE), DEPTH   \
	MOVQ $2, PASSES                  \
	MOVQ intTile_bWide(TILE), B      \
	MOVQ intTile_wideStart(TILE), STARTS \
	TESTQ DEPTH, DEPTH               \
	JNZ  enter                       \
plain:                               \
	DECQ PASSES                      \
	MOVQ intTile_b(TILE), B          \
	LEAQ noStarts<>(SB), STARTS      \
	MOVQ intTile_depth(TILE), DEPTH  \
enter:

// NEXT_PASS starts the pass over the bytes of all inputs, after SHIFTS has multiplied the
// sums over the high bytes of the wide ones by 256.
#define NEXT_PASS(loop, done, SHIFTS) \
	DECQ PASSES                     \
	JZ   done                       \
	SHIFTS                          \
	MOVQ intTile_b(TILE), B         \
	MOVQ intTile_depth(TILE), DEPTH \
	JMP  loop                       \
done:

// noStarts is 16 zeros.
DATA noStarts<>+120(SB)/8, $0
GLOBL noStarts<>(SB), RODATA|NOPTR, $128

// LOAD_OUT reads what is needed after the loop, with ZF if nothing is added.
#define LOAD_OUT \
	MOVQ  intTile_rows(TILE), TMP         \
	DECQ  TMP                             \
	MOVQ  intTile_addRow(TILE), ADDROW    \
	MOVQ  ADDROW, ADD                     \
	IMULQ TMP, ADD                        \
	MOVQ  intTile_yRow(TILE), YROW        \
	IMULQ YROW, TMP                       \
	MOVQ  intTile_y(TILE), Y              \
	ADDQ  TMP, Y                          \
	MOVQ  intTile_scales(TILE), SCALES    \
	MOVQ  intTile_zeros(TILE), ZEROS      \
	MOVQ  intTile_sums(TILE), SUMS        \
	MOVQ  intTile_colScales(TILE), COLUMNS \
	MOVQ  intTile_bias(TILE), BIAS        \
	MOVQ  intTile_add(TILE), TMP          \
	ADDQ  TMP, ADD                        \
	TESTQ TMP, TMP

// BRANCH_UP5 branches to the loops for 1 to 5 rows.
#define BRANCH_UP5 \
	CMPQ R15, $1 \
	JEQ  height1 \
	CMPQ R15, $2 \
	JEQ  height2 \
	CMPQ R15, $3 \
	JEQ  height3 \
	CMPQ R15, $4 \
	JEQ  height4 \
	CMPQ R15, $5 \
	JEQ  height5

// 512-bit vectors, 12 rows × 32 columns:
//
//	Z0 to Z23    sums, two for each row
//	Z24, Z25     a group of b; after the loop, free
//	Z26          in the loop, a group of a
//	Z26, Z27     after the loop, sums of the columns' weights
//	Z28, Z29     scales of the columns
//	Z30, Z31     biases

// BEGIN_Z1 to BEGIN_Z12 set the sums of that many rows to their initial values.
#define FETCH_Y_Z PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define COPY_Z(S0, S1) VMOVDQA64 Z0, S0; VMOVDQA64 Z1, S1; FETCH_Y_Z
#define BEGIN_Z1 VMOVDQU64 (STARTS), Z0; VMOVDQU64 64(STARTS), Z1; FETCH_Y_Z
#define BEGIN_Z2 BEGIN_Z1; COPY_Z(Z2, Z3)
#define BEGIN_Z3 BEGIN_Z2; COPY_Z(Z4, Z5)
#define BEGIN_Z4 BEGIN_Z3; COPY_Z(Z6, Z7)
#define BEGIN_Z5 BEGIN_Z4; COPY_Z(Z8, Z9)
#define BEGIN_Z6 BEGIN_Z5; COPY_Z(Z10, Z11)
#define BEGIN_Z7 BEGIN_Z6; COPY_Z(Z12, Z13)
#define BEGIN_Z8 BEGIN_Z7; COPY_Z(Z14, Z15)
#define BEGIN_Z9 BEGIN_Z8; COPY_Z(Z16, Z17)
#define BEGIN_Z10 BEGIN_Z9; COPY_Z(Z18, Z19)
#define BEGIN_Z11 BEGIN_Z10; COPY_Z(Z20, Z21)
#define BEGIN_Z12 BEGIN_Z11; COPY_Z(Z22, Z23)

#define ROW_Z(o, S0, S1, T, U, AT) VPBROADCASTD (o)AT, Z26; VPDPBUSD Z24, Z26, S0; VPDPBUSD Z25, Z26, S1
#define SHIFT_Z(o, S0, S1, T, U, AT) VPSLLD $8, S0, S0; VPSLLD $8, S1, S1

// With a single row, the kernel waits for weights from memory: FETCH_Z prefetches those
// of the next page.
#define FETCH_Z(o) PREFETCHT0 (4096+32*o)(B); PREFETCHT0 (4160+32*o)(B)
#define NO_FETCH(o)

// FOUR_Z is four groups, 16 inputs.
#define GROUP_Z(ROWS, FETCH, o) \
	VMOVDQU64 (32*o)(B), Z24     \
	VMOVDQU64 (32*o+64)(B), Z25  \
	ROWS(ROW_Z, o, NOTHING)      \
	FETCH(o)

#define FOUR_Z(ROWS, FETCH) \
	GROUP_Z(ROWS, FETCH, 0)  \
	GROUP_Z(ROWS, FETCH, 4)  \
	GROUP_Z(ROWS, FETCH, 8)  \
	GROUP_Z(ROWS, FETCH, 12) \
	PREFETCHT1 (NEXT)        \
	ADDQ $64, NEXT           \
	ADDQ $512, B             \
	ADDQ $16, A0             \
	ADDQ $16, A3             \
	ADDQ $16, A6             \
	ADDQ $16, A9             \
	SUBQ $16, DEPTH

// HEIGHT_Z computes the sums for one height.
#define HEIGHT_Z(enter, loop, done, out, outAdd, BEGIN, ROWS) \
enter:                      \
	BEGIN                   \
	PCALIGN $32             \
loop:                       \
	FOUR_Z(ROWS, NO_FETCH)  \
	JNZ  loop               \
	NEXT_PASS(loop, done, ROWS(SHIFT_Z, 0, NOTHING)) \
	LOAD_OUT                \
	LOAD_COLUMNS_Z          \
	JZ   out                \
	JMP  outAdd

// VALUE_Z is v = float32(float32(sum + zero·column sum)·float32(scale·column
// scale)) + bias, for the row whose zero and scale are at o.
#define VALUE_Z(o, S0, S1) \
	VPBROADCASTD o(ZEROS), Z24   \
	VPMULLD      Z26, Z24, Z25   \
	VPMULLD      Z27, Z24, Z24   \
	VPADDD       Z25, S0, S0     \
	VPADDD       Z24, S1, S1     \
	VBROADCASTSS o(SCALES), Z24  \
	VMULPS       Z28, Z24, Z25   \
	VMULPS       Z29, Z24, Z24   \
	VCVTDQ2PS    S0, S0          \
	VCVTDQ2PS    S1, S1          \
	VMULPS       Z25, S0, S0     \
	VMULPS       Z24, S1, S1     \
	VADDPS       Z30, S0, S0     \
	VADDPS       Z31, S1, S1

#define STORE_SUMS_Z(S0, S1) \
	VMOVUPS S0, (Y)      \
	VMOVUPS S1, 64(Y)    \
	SUBQ    YROW, Y

#define PLUS_Z(S0, S1) \
	VADDPS (ADD), S0, S0   \
	VADDPS 64(ADD), S1, S1 \
	SUBQ   ADDROW, ADD

#define FINISH_Z(o, S0, S1) VALUE_Z(o, S0, S1); STORE_SUMS_Z(S0, S1)
#define FINISH_ADD_Z(o, S0, S1) VALUE_Z(o, S0, S1); PLUS_Z(S0, S1); STORE_SUMS_Z(S0, S1)

// OUT_Z finishes the rows from the last to the first.
#define OUT_Z(FINISH, out12, out11, out10, out9, out8, out7, out6, out5, out4, out3, out2, out1) \
out12: \
	FINISH(44, Z22, Z23) \
out11: \
	FINISH(40, Z20, Z21) \
out10: \
	FINISH(36, Z18, Z19) \
out9: \
	FINISH(32, Z16, Z17) \
out8: \
	FINISH(28, Z14, Z15) \
out7: \
	FINISH(24, Z12, Z13) \
out6: \
	FINISH(20, Z10, Z11) \
out5: \
	FINISH(16, Z8, Z9) \
out4: \
	FINISH(12, Z6, Z7) \
out3: \
	FINISH(8, Z4, Z5) \
out2: \
	FINISH(4, Z2, Z3) \
out1: \
	FINISH(0, Z0, Z1) \
	VZEROUPPER \
	RET

#define LOAD_COLUMNS_Z \
	VMOVDQU64 (SUMS), Z26    \
	VMOVDQU64 64(SUMS), Z27  \
	VMOVUPS (COLUMNS), Z28   \
	VMOVUPS 64(COLUMNS), Z29 \
	VMOVUPS (BIAS), Z30      \
	VMOVUPS 64(BIAS), Z31

// func tileAVX512VNNI(t *intTile)
TEXT ·tileAVX512VNNI(SB), NOSPLIT, $0-8
	LOAD_TILE(plain, enter)
	BRANCH_UP5
	CMPQ R15, $6
	JEQ  height6
	CMPQ R15, $7
	JEQ  height7
	CMPQ R15, $8
	JEQ  height8
	CMPQ R15, $9
	JEQ  height9
	CMPQ R15, $10
	JEQ  height10
	CMPQ R15, $11
	JEQ  height11
	HEIGHT_Z(height12, loop12, done12, out12, add12, BEGIN_Z12, ROWS_Z12)
	HEIGHT_Z(height11, loop11, done11, out11, add11, BEGIN_Z11, ROWS_Z11)
	HEIGHT_Z(height10, loop10, done10, out10, add10, BEGIN_Z10, ROWS_Z10)
	HEIGHT_Z(height9, loop9, done9, out9, add9, BEGIN_Z9, ROWS_Z9)
	HEIGHT_Z(height8, loop8, done8, out8, add8, BEGIN_Z8, ROWS_Z8)
	HEIGHT_Z(height7, loop7, done7, out7, add7, BEGIN_Z7, ROWS_Z7)
	HEIGHT_Z(height6, loop6, done6, out6, add6, BEGIN_Z6, ROWS_Z6)
	HEIGHT_Z(height5, loop5, done5, out5, add5, BEGIN_Z5, ROWS_Z5)
	HEIGHT_Z(height4, loop4, done4, out4, add4, BEGIN_Z4, ROWS_Z4)
	HEIGHT_Z(height3, loop3, done3, out3, add3, BEGIN_Z3, ROWS_Z3)
	HEIGHT_Z(height2, loop2, done2, out2, add2, BEGIN_Z2, ROWS_Z2)

height1:
	BEGIN_Z1
	MOVQ intTile_b(TILE), CX
	CMPQ CX, intTile_bWide(TILE)
	JEQ  wide1
	PCALIGN $32

loop1:
	FOUR_Z(ROWS_Z1, FETCH_Z)
	JNZ  loop1
	NEXT_PASS(loop1, done1, ROWS_Z1(SHIFT_Z, 0, NOTHING))
	LOAD_OUT
	LOAD_COLUMNS_Z
	JZ  out1
	JMP add1

	// Both bytes at once: the weights are then read from memory only once.
wide1:
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	MOVQ   DEPTH, AROW
	PCALIGN $32

both1:
	FOUR_Z(ROWS_Z2, FETCH_Z)
	JNZ    both1
	ROWS_Z1(SHIFT_Z, 0, NOTHING)
	VPADDD Z2, Z0, Z0
	VPADDD Z3, Z1, Z1
	JMP    done1

	OUT_Z(FINISH_Z, out12, out11, out10, out9, out8, out7, out6, out5, out4, out3, out2, out1)
	OUT_Z(FINISH_ADD_Z, add12, add11, add10, add9, add8, add7, add6, add5, add4, add3, add2, add1)

// 256-bit vectors, 6 rows × 16 columns:
//
//	Y0 to Y11    sums, two for each row
//	Y12, Y13     a group of b; after the loop, scales
//	Y14          a group of a
//	Y15          free

#define FETCH_Y_Y PREFETCHT0 (Y); ADDQ YROW, Y
#define COPY_Y(S0, S1) VMOVDQA Y0, S0; VMOVDQA Y1, S1; FETCH_Y_Y
#define BEGIN_Y1 VMOVDQU (STARTS), Y0; VMOVDQU 32(STARTS), Y1; FETCH_Y_Y
#define BEGIN_Y2 BEGIN_Y1; COPY_Y(Y2, Y3)
#define BEGIN_Y3 BEGIN_Y2; COPY_Y(Y4, Y5)
#define BEGIN_Y4 BEGIN_Y3; COPY_Y(Y6, Y7)
#define BEGIN_Y5 BEGIN_Y4; COPY_Y(Y8, Y9)
#define BEGIN_Y6 BEGIN_Y5; COPY_Y(Y10, Y11)

// ROW_VNNI has VPDPBUSD Y12, Y14, S0 and VPDPBUSD Y13, Y14, S1 in their VEX form, which
// the assembler does not know: S0 += u8(Y14)·s8(Y12), by fours.
#define ROW_VNNI(o, S0, S1, T, AT, vex, reg) \
	VPBROADCASTD (o)AT, Y14 \
	BYTE $0xc4; BYTE $vex; BYTE $0x0d; BYTE $0x50; BYTE $(0xc4+reg) \
	BYTE $0xc4; BYTE $vex; BYTE $0x0d; BYTE $0x50; BYTE $(0xcd+reg)

#define ROW_AVX2(o, S0, S1, T, AT, vex, reg) \
	VPBROADCASTD (o)AT, Y14 \
	VPMADDWD Y12, Y14, Y15  \
	VPADDD   Y15, S0, S0    \
	VPMADDWD Y13, Y14, Y14  \
	VPADDD   Y14, S1, S1

#define SHIFT_Y(o, S0, S1, T, AT, vex, reg) VPSLLD $8, S0, S0; VPSLLD $8, S1, S1

// FOUR_Y is four groups of inputs, INPUTS in all, of a panel that is multiplied as it
// is stored; AHEAD bytes more of the next one are prefetched.
#define GROUP_Y(ROWS, ROW, o) \
	VMOVDQU (16*o)(B), Y12    \
	VMOVDQU (16*o+32)(B), Y13 \
	ROWS(ROW, o, NOTHING)

#define FOUR_Y(ROWS, ROW, INPUTS, AHEAD) \
	GROUP_Y(ROWS, ROW, 0)  \
	GROUP_Y(ROWS, ROW, 4)  \
	GROUP_Y(ROWS, ROW, 8)  \
	GROUP_Y(ROWS, ROW, 12) \
	PREFETCHT1 (NEXT)      \
	ADDQ $AHEAD, NEXT      \
	ADDQ $256, B           \
	ADDQ $16, A0           \
	ADDQ $16, A3           \
	SUBQ $INPUTS, DEPTH

// FOUR_VNNI is four groups of four inputs.
#define FOUR_VNNI(ROWS) FOUR_Y(ROWS, ROW_VNNI, 16, 64)

// FOUR_AVX2 is four groups of two inputs, which are 16-bit in a. FOUR_WIDENED is
// FOUR_AVX2 where b is 16-bit too.
#define GROUP_AVX2(ROWS, o) \
	VPMOVSXBW (8*o)(B), Y12    \
	VPMOVSXBW (8*o+16)(B), Y13 \
	ROWS(ROW_AVX2, o, NOTHING)

#define FOUR_AVX2(ROWS) \
	GROUP_AVX2(ROWS, 0)   \
	GROUP_AVX2(ROWS, 4)   \
	GROUP_AVX2(ROWS, 8)   \
	GROUP_AVX2(ROWS, 12)  \
	ADDQ $128, B          \
	ADDQ $16, A0          \
	ADDQ $16, A3          \
	SUBQ $8, DEPTH

#define FOUR_WIDENED(ROWS) FOUR_Y(ROWS, ROW_AVX2, 8, 32)

// HEIGHT_Y computes the sums for one height.
#define HEIGHT_Y(enter, loop, done, out, outAdd, BEGIN, FOUR, ROWS) \
enter:          \
	BEGIN       \
	PCALIGN $32 \
loop:           \
	FOUR(ROWS)  \
	JNZ  loop   \
	NEXT_PASS(loop, done, ROWS(SHIFT_Y, 0, NOTHING)) \
	LOAD_OUT    \
	JZ   out    \
	JMP  outAdd

// VALUE_Y is VALUE_Z for 16 columns.
#define VALUE_Y(o, S0, S1) \
	VPBROADCASTD o(ZEROS), Y14       \
	VPMULLD      (SUMS), Y14, Y12    \
	VPMULLD      32(SUMS), Y14, Y13  \
	VPADDD       Y12, S0, S0         \
	VPADDD       Y13, S1, S1         \
	WIDE_VALUE_Y(o, S0, S1)

// WIDE_VALUE_Y is VALUE_Y where all zeros are 0.
#define WIDE_VALUE_Y(o, S0, S1) \
	VCVTDQ2PS    S0, S0            \
	VCVTDQ2PS    S1, S1            \
	VBROADCASTSS o(SCALES), Y14    \
	VMULPS       (COLUMNS), Y14, Y12   \
	VMULPS       32(COLUMNS), Y14, Y13 \
	VMULPS       Y12, S0, S0       \
	VMULPS       Y13, S1, S1       \
	VADDPS       (BIAS), S0, S0    \
	VADDPS       32(BIAS), S1, S1

#define STORE_SUMS_Y(S0, S1) \
	VMOVUPS S0, (Y)      \
	VMOVUPS S1, 32(Y)    \
	SUBQ    YROW, Y

#define PLUS_Y(S0, S1) \
	VADDPS (ADD), S0, S0   \
	VADDPS 32(ADD), S1, S1 \
	SUBQ   ADDROW, ADD

// OUT_Y finishes the rows from the last to the first; VALUE converts the sums of a row.
#define FINISH_Y(VALUE, o, S0, S1) VALUE(o, S0, S1); STORE_SUMS_Y(S0, S1)
#define FINISH_ADD_Y(VALUE, o, S0, S1) VALUE(o, S0, S1); PLUS_Y(S0, S1); STORE_SUMS_Y(S0, S1)

#define OUT_Y(FINISH, VALUE, out6, out5, out4, out3, out2, out1) \
out6: \
	FINISH(VALUE, 20, Y10, Y11) \
out5: \
	FINISH(VALUE, 16, Y8, Y9) \
out4: \
	FINISH(VALUE, 12, Y6, Y7) \
out3: \
	FINISH(VALUE, 8, Y4, Y5) \
out2: \
	FINISH(VALUE, 4, Y2, Y3) \
out1: \
	FINISH(VALUE, 0, Y0, Y1) \
	VZEROUPPER \
	RET

// TILE_Y is a kernel for up to six rows by 16 columns. FOUR adds the products of four
// groups.
#define TILE_Y(FOUR, VALUE) \
	LOAD_TILE(plain, enter) \
	BRANCH_UP5 \
	HEIGHT_Y(height6, loop6, done6, out6, add6, BEGIN_Y6, FOUR, ROWS_Y6) \
	HEIGHT_Y(height5, loop5, done5, out5, add5, BEGIN_Y5, FOUR, ROWS_Y5) \
	HEIGHT_Y(height4, loop4, done4, out4, add4, BEGIN_Y4, FOUR, ROWS_Y4) \
	HEIGHT_Y(height3, loop3, done3, out3, add3, BEGIN_Y3, FOUR, ROWS_Y3) \
	HEIGHT_Y(height2, loop2, done2, out2, add2, BEGIN_Y2, FOUR, ROWS_Y2) \
	HEIGHT_Y(height1, loop1, done1, out1, add1, BEGIN_Y1, FOUR, ROWS_Y1) \
	OUT_Y(FINISH_Y, VALUE, out6, out5, out4, out3, out2, out1) \
	OUT_Y(FINISH_ADD_Y, VALUE, add6, add5, add4, add3, add2, add1)

// func tileAVXVNNI(t *intTile)
TEXT ·tileAVXVNNI(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_VNNI, VALUE_Y)

// func tileAVX2(t *intTile)
TEXT ·tileAVX2(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_AVX2, WIDE_VALUE_Y)

// func tileAVX2Widened(t *intTile)
TEXT ·tileAVX2Widened(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_WIDENED, WIDE_VALUE_Y)

// func widenBytesAVX2(dst *int16, src *int8, n int)
TEXT ·widenBytesAVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VPMOVSXBW (SI), Y0
	VPMOVSXBW 16(SI), Y1
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y1, 32(DI)
	ADDQ      $32, SI
	ADDQ      $64, DI
	SUBQ      $32, CX
	JNZ       loop
	VZEROUPPER
	RET
