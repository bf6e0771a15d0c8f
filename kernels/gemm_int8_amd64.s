//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of intTile. All are outer products: for each group of inputs
// the kernel holds one row of the panel b in vectors, broadcasts the group of a
// for each row of the tile, and adds the sums of their products to the row's
// accumulators. Sums of integers are exact, whatever their order.
//
// Every height has a loop of its own: the macros named …1 to …12 each do what
// the one before does, and one row more. What follows the loop is one piece of
// code for all heights, from the last row to the first, entered in its midst.

#define TILE   DI  // the intTile
#define A0     AX  // a, row 0; rows 1 and 2 are reached from it
#define A3     BX  // a, row 3; rows 4 and 5
#define A6     CX  // a, row 6; rows 7 and 8
#define A9     DX  // a, row 9; rows 10 and 11
#define AROW   R8  // bytes from a row of a to the next
#define B      SI  // b, this group
#define DEPTH  R9  // inputs left
#define STARTS R10 // in the loop: where sums begin
#define SCALES R10 // after it: one per row
#define Y      R11 // y, the last row, then the one before it
#define YROW   R12 // bytes from row to row of it
#define NEXT   R14 // in the loop: what follows b in memory
#define PASSES R13 // in the loop: 2 while it is about the high bytes of wide inputs
#define ADD    R13 // what is added, the last row, then the one before it
#define ADDROW BX  // bytes from row to row of it
#define ZEROS  R9  // one per row
#define SUMS   R8  // of the columns' weights
#define COLUMNS AX // scales of the columns
#define BIAS   CX  // biases of the columns
#define TMP    DX

// LOAD_TILE reads what the loop needs: it goes over the wide inputs first, if there
// are any.
#define LOAD_TILE(plain, enter) \
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

// NEXT_PASS begins the loop anew for the bytes of all inputs, after what those of
// the wide ones gave was multiplied by 256.
#define NEXT_PASS(loop, done, SHIFTS) \
	DECQ PASSES                     \
	JZ   done                       \
	SHIFTS                          \
	MOVQ intTile_b(TILE), B         \
	MOVQ intTile_depth(TILE), DEPTH \
	JMP  loop                       \
done:

DATA noStarts<>+0(SB)/8, $0
DATA noStarts<>+8(SB)/8, $0
DATA noStarts<>+16(SB)/8, $0
DATA noStarts<>+24(SB)/8, $0
DATA noStarts<>+32(SB)/8, $0
DATA noStarts<>+40(SB)/8, $0
DATA noStarts<>+48(SB)/8, $0
DATA noStarts<>+56(SB)/8, $0
DATA noStarts<>+64(SB)/8, $0
DATA noStarts<>+72(SB)/8, $0
DATA noStarts<>+80(SB)/8, $0
DATA noStarts<>+88(SB)/8, $0
DATA noStarts<>+96(SB)/8, $0
DATA noStarts<>+104(SB)/8, $0
DATA noStarts<>+112(SB)/8, $0
DATA noStarts<>+120(SB)/8, $0
GLOBL noStarts<>(SB), RODATA|NOPTR, $128

// LOAD_OUT reads what comes after the loop. ZF says that nothing is added.
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

// 512-bit vectors, 12 rows × 32 columns:
//
//	Z0 to Z23    sums, two of each row
//	Z24, Z25     a group of b; after the loop, free
//	Z26          in the loop, a group of a
//	Z26, Z27     after the loop, sums of the columns' weights
//	Z28, Z29     scales of the columns
//	Z30, Z31     biases

#define BEGIN_Z0 VMOVDQU64 (STARTS), Z0; VMOVDQU64 64(STARTS), Z1; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z1 VMOVDQA64 Z0, Z2; VMOVDQA64 Z1, Z3; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z2 VMOVDQA64 Z0, Z4; VMOVDQA64 Z1, Z5; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z3 VMOVDQA64 Z0, Z6; VMOVDQA64 Z1, Z7; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z4 VMOVDQA64 Z0, Z8; VMOVDQA64 Z1, Z9; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z5 VMOVDQA64 Z0, Z10; VMOVDQA64 Z1, Z11; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z6 VMOVDQA64 Z0, Z12; VMOVDQA64 Z1, Z13; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z7 VMOVDQA64 Z0, Z14; VMOVDQA64 Z1, Z15; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z8 VMOVDQA64 Z0, Z16; VMOVDQA64 Z1, Z17; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z9 VMOVDQA64 Z0, Z18; VMOVDQA64 Z1, Z19; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z10 VMOVDQA64 Z0, Z20; VMOVDQA64 Z1, Z21; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y
#define BEGIN_Z11 VMOVDQA64 Z0, Z22; VMOVDQA64 Z1, Z23; PREFETCHT0 (Y); PREFETCHT0 64(Y); ADDQ YROW, Y

#define ROW_Z0(o) VPBROADCASTD o(A0), Z26; VPDPBUSD Z24, Z26, Z0; VPDPBUSD Z25, Z26, Z1
#define ROW_Z1(o) VPBROADCASTD o(A0)(AROW*1), Z26; VPDPBUSD Z24, Z26, Z2; VPDPBUSD Z25, Z26, Z3
#define ROW_Z2(o) VPBROADCASTD o(A0)(AROW*2), Z26; VPDPBUSD Z24, Z26, Z4; VPDPBUSD Z25, Z26, Z5
#define ROW_Z3(o) VPBROADCASTD o(A3), Z26; VPDPBUSD Z24, Z26, Z6; VPDPBUSD Z25, Z26, Z7
#define ROW_Z4(o) VPBROADCASTD o(A3)(AROW*1), Z26; VPDPBUSD Z24, Z26, Z8; VPDPBUSD Z25, Z26, Z9
#define ROW_Z5(o) VPBROADCASTD o(A3)(AROW*2), Z26; VPDPBUSD Z24, Z26, Z10; VPDPBUSD Z25, Z26, Z11
#define ROW_Z6(o) VPBROADCASTD o(A6), Z26; VPDPBUSD Z24, Z26, Z12; VPDPBUSD Z25, Z26, Z13
#define ROW_Z7(o) VPBROADCASTD o(A6)(AROW*1), Z26; VPDPBUSD Z24, Z26, Z14; VPDPBUSD Z25, Z26, Z15
#define ROW_Z8(o) VPBROADCASTD o(A6)(AROW*2), Z26; VPDPBUSD Z24, Z26, Z16; VPDPBUSD Z25, Z26, Z17
#define ROW_Z9(o) VPBROADCASTD o(A9), Z26; VPDPBUSD Z24, Z26, Z18; VPDPBUSD Z25, Z26, Z19
#define ROW_Z10(o) VPBROADCASTD o(A9)(AROW*1), Z26; VPDPBUSD Z24, Z26, Z20; VPDPBUSD Z25, Z26, Z21
#define ROW_Z11(o) VPBROADCASTD o(A9)(AROW*2), Z26; VPDPBUSD Z24, Z26, Z22; VPDPBUSD Z25, Z26, Z23

#define BEGINS_Z1 BEGIN_Z0
#define BEGINS_Z2 BEGINS_Z1 ; BEGIN_Z1
#define BEGINS_Z3 BEGINS_Z2 ; BEGIN_Z2
#define BEGINS_Z4 BEGINS_Z3 ; BEGIN_Z3
#define BEGINS_Z5 BEGINS_Z4 ; BEGIN_Z4
#define BEGINS_Z6 BEGINS_Z5 ; BEGIN_Z5
#define BEGINS_Z7 BEGINS_Z6 ; BEGIN_Z6
#define BEGINS_Z8 BEGINS_Z7 ; BEGIN_Z7
#define BEGINS_Z9 BEGINS_Z8 ; BEGIN_Z8
#define BEGINS_Z10 BEGINS_Z9 ; BEGIN_Z9
#define BEGINS_Z11 BEGINS_Z10 ; BEGIN_Z10
#define BEGINS_Z12 BEGINS_Z11 ; BEGIN_Z11

#define ROWS_Z1(o) ROW_Z0(o)
#define ROWS_Z2(o) ROWS_Z1(o) ; ROW_Z1(o)
#define ROWS_Z3(o) ROWS_Z2(o) ; ROW_Z2(o)
#define ROWS_Z4(o) ROWS_Z3(o) ; ROW_Z3(o)
#define ROWS_Z5(o) ROWS_Z4(o) ; ROW_Z4(o)
#define ROWS_Z6(o) ROWS_Z5(o) ; ROW_Z5(o)
#define ROWS_Z7(o) ROWS_Z6(o) ; ROW_Z6(o)
#define ROWS_Z8(o) ROWS_Z7(o) ; ROW_Z7(o)
#define ROWS_Z9(o) ROWS_Z8(o) ; ROW_Z8(o)
#define ROWS_Z10(o) ROWS_Z9(o) ; ROW_Z9(o)
#define ROWS_Z11(o) ROWS_Z10(o) ; ROW_Z10(o)
#define ROWS_Z12(o) ROWS_Z11(o) ; ROW_Z11(o)

// Of a single row, the time goes by with waiting for weights from memory: those of
// the next page are asked for in time.
#define FETCH_Z(o) PREFETCHT0 (4096+32*o)(B); PREFETCHT0 (4160+32*o)(B)
#define ROWS_FETCH_Z1(o) ROWS_Z1(o); FETCH_Z(o)
#define ROWS_FETCH_Z2(o) ROWS_Z2(o); FETCH_Z(o)

#define SHIFT_Z0 VPSLLD $8, Z0, Z0; VPSLLD $8, Z1, Z1
#define SHIFT_Z1 VPSLLD $8, Z2, Z2; VPSLLD $8, Z3, Z3
#define SHIFT_Z2 VPSLLD $8, Z4, Z4; VPSLLD $8, Z5, Z5
#define SHIFT_Z3 VPSLLD $8, Z6, Z6; VPSLLD $8, Z7, Z7
#define SHIFT_Z4 VPSLLD $8, Z8, Z8; VPSLLD $8, Z9, Z9
#define SHIFT_Z5 VPSLLD $8, Z10, Z10; VPSLLD $8, Z11, Z11
#define SHIFT_Z6 VPSLLD $8, Z12, Z12; VPSLLD $8, Z13, Z13
#define SHIFT_Z7 VPSLLD $8, Z14, Z14; VPSLLD $8, Z15, Z15
#define SHIFT_Z8 VPSLLD $8, Z16, Z16; VPSLLD $8, Z17, Z17
#define SHIFT_Z9 VPSLLD $8, Z18, Z18; VPSLLD $8, Z19, Z19
#define SHIFT_Z10 VPSLLD $8, Z20, Z20; VPSLLD $8, Z21, Z21
#define SHIFT_Z11 VPSLLD $8, Z22, Z22; VPSLLD $8, Z23, Z23

#define SHIFTS_Z1 SHIFT_Z0
#define SHIFTS_Z2 SHIFTS_Z1 ; SHIFT_Z1
#define SHIFTS_Z3 SHIFTS_Z2 ; SHIFT_Z2
#define SHIFTS_Z4 SHIFTS_Z3 ; SHIFT_Z3
#define SHIFTS_Z5 SHIFTS_Z4 ; SHIFT_Z4
#define SHIFTS_Z6 SHIFTS_Z5 ; SHIFT_Z5
#define SHIFTS_Z7 SHIFTS_Z6 ; SHIFT_Z6
#define SHIFTS_Z8 SHIFTS_Z7 ; SHIFT_Z7
#define SHIFTS_Z9 SHIFTS_Z8 ; SHIFT_Z8
#define SHIFTS_Z10 SHIFTS_Z9 ; SHIFT_Z9
#define SHIFTS_Z11 SHIFTS_Z10 ; SHIFT_Z10
#define SHIFTS_Z12 SHIFTS_Z11 ; SHIFT_Z11

// FOUR_Z is four groups, 16 inputs.
#define FOUR_Z(ROWS) \
	VMOVDQU64 (B), Z24     \
	VMOVDQU64 64(B), Z25   \
	ROWS(0)                \
	VMOVDQU64 128(B), Z24  \
	VMOVDQU64 192(B), Z25  \
	ROWS(4)                \
	VMOVDQU64 256(B), Z24  \
	VMOVDQU64 320(B), Z25  \
	ROWS(8)                \
	VMOVDQU64 384(B), Z24  \
	VMOVDQU64 448(B), Z25  \
	ROWS(12)               \
	PREFETCHT1 (NEXT)      \
	ADDQ $64, NEXT         \
	ADDQ $512, B           \
	ADDQ $16, A0           \
	ADDQ $16, A3           \
	ADDQ $16, A6           \
	ADDQ $16, A9           \
	SUBQ $16, DEPTH

// HEIGHT_Z is the sums of one height.
#define HEIGHT_Z(enter, loop, done, out, outAdd, BEGINS, ROWS, SHIFTS) \
enter:            \
	BEGINS        \
	PCALIGN $32   \
loop:             \
	FOUR_Z(ROWS)  \
	JNZ  loop     \
	NEXT_PASS(loop, done, SHIFTS) \
	LOAD_OUT      \
	LOAD_COLUMNS_Z \
	JZ   out      \
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

#define STORE_Z(S0, S1) \
	VMOVUPS S0, (Y)      \
	VMOVUPS S1, 64(Y)    \
	SUBQ    YROW, Y

#define PLUS_Z(S0, S1) \
	VADDPS (ADD), S0, S0   \
	VADDPS 64(ADD), S1, S1 \
	SUBQ   ADDROW, ADD

#define LOAD_COLUMNS_Z \
	VMOVDQU64 (SUMS), Z26    \
	VMOVDQU64 64(SUMS), Z27  \
	VMOVUPS (COLUMNS), Z28   \
	VMOVUPS 64(COLUMNS), Z29 \
	VMOVUPS (BIAS), Z30      \
	VMOVUPS 64(BIAS), Z31

// func tileAVX512VNNI(t *intTile)
TEXT ·tileAVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), TILE
	MOVQ intTile_rows(TILE), R15
	LOAD_TILE(plain, enter)
	CMPQ R15, $1
	JEQ  height1
	CMPQ R15, $2
	JEQ  height2
	CMPQ R15, $3
	JEQ  height3
	CMPQ R15, $4
	JEQ  height4
	CMPQ R15, $5
	JEQ  height5
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
	HEIGHT_Z(height12, loop12, done12, out12, add12, BEGINS_Z12, ROWS_Z12, SHIFTS_Z12)
	HEIGHT_Z(height11, loop11, done11, out11, add11, BEGINS_Z11, ROWS_Z11, SHIFTS_Z11)
	HEIGHT_Z(height10, loop10, done10, out10, add10, BEGINS_Z10, ROWS_Z10, SHIFTS_Z10)
	HEIGHT_Z(height9, loop9, done9, out9, add9, BEGINS_Z9, ROWS_Z9, SHIFTS_Z9)
	HEIGHT_Z(height8, loop8, done8, out8, add8, BEGINS_Z8, ROWS_Z8, SHIFTS_Z8)
	HEIGHT_Z(height7, loop7, done7, out7, add7, BEGINS_Z7, ROWS_Z7, SHIFTS_Z7)
	HEIGHT_Z(height6, loop6, done6, out6, add6, BEGINS_Z6, ROWS_Z6, SHIFTS_Z6)
	HEIGHT_Z(height5, loop5, done5, out5, add5, BEGINS_Z5, ROWS_Z5, SHIFTS_Z5)
	HEIGHT_Z(height4, loop4, done4, out4, add4, BEGINS_Z4, ROWS_Z4, SHIFTS_Z4)
	HEIGHT_Z(height3, loop3, done3, out3, add3, BEGINS_Z3, ROWS_Z3, SHIFTS_Z3)
	HEIGHT_Z(height2, loop2, done2, out2, add2, BEGINS_Z2, ROWS_Z2, SHIFTS_Z2)

height1:
	BEGINS_Z1
	MOVQ intTile_b(TILE), CX
	CMPQ CX, intTile_bWide(TILE)
	JEQ  wide1
	PCALIGN $32

loop1:
	FOUR_Z(ROWS_FETCH_Z1)
	JNZ  loop1
	NEXT_PASS(loop1, done1, SHIFTS_Z1)
	LOAD_OUT
	LOAD_COLUMNS_Z
	JZ  out1
	JMP add1

	// Both bytes at once, that the weights of a single row come from memory once.
wide1:
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	MOVQ   DEPTH, AROW
	PCALIGN $32

both1:
	FOUR_Z(ROWS_FETCH_Z2)
	JNZ    both1
	SHIFTS_Z1
	VPADDD Z2, Z0, Z0
	VPADDD Z3, Z1, Z1
	JMP    done1

out12:
	VALUE_Z(44, Z22, Z23)
	STORE_Z(Z22, Z23)
out11:
	VALUE_Z(40, Z20, Z21)
	STORE_Z(Z20, Z21)
out10:
	VALUE_Z(36, Z18, Z19)
	STORE_Z(Z18, Z19)
out9:
	VALUE_Z(32, Z16, Z17)
	STORE_Z(Z16, Z17)
out8:
	VALUE_Z(28, Z14, Z15)
	STORE_Z(Z14, Z15)
out7:
	VALUE_Z(24, Z12, Z13)
	STORE_Z(Z12, Z13)
out6:
	VALUE_Z(20, Z10, Z11)
	STORE_Z(Z10, Z11)
out5:
	VALUE_Z(16, Z8, Z9)
	STORE_Z(Z8, Z9)
out4:
	VALUE_Z(12, Z6, Z7)
	STORE_Z(Z6, Z7)
out3:
	VALUE_Z(8, Z4, Z5)
	STORE_Z(Z4, Z5)
out2:
	VALUE_Z(4, Z2, Z3)
	STORE_Z(Z2, Z3)
out1:
	VALUE_Z(0, Z0, Z1)
	STORE_Z(Z0, Z1)
	VZEROUPPER
	RET

add12:
	VALUE_Z(44, Z22, Z23)
	PLUS_Z(Z22, Z23)
	STORE_Z(Z22, Z23)
add11:
	VALUE_Z(40, Z20, Z21)
	PLUS_Z(Z20, Z21)
	STORE_Z(Z20, Z21)
add10:
	VALUE_Z(36, Z18, Z19)
	PLUS_Z(Z18, Z19)
	STORE_Z(Z18, Z19)
add9:
	VALUE_Z(32, Z16, Z17)
	PLUS_Z(Z16, Z17)
	STORE_Z(Z16, Z17)
add8:
	VALUE_Z(28, Z14, Z15)
	PLUS_Z(Z14, Z15)
	STORE_Z(Z14, Z15)
add7:
	VALUE_Z(24, Z12, Z13)
	PLUS_Z(Z12, Z13)
	STORE_Z(Z12, Z13)
add6:
	VALUE_Z(20, Z10, Z11)
	PLUS_Z(Z10, Z11)
	STORE_Z(Z10, Z11)
add5:
	VALUE_Z(16, Z8, Z9)
	PLUS_Z(Z8, Z9)
	STORE_Z(Z8, Z9)
add4:
	VALUE_Z(12, Z6, Z7)
	PLUS_Z(Z6, Z7)
	STORE_Z(Z6, Z7)
add3:
	VALUE_Z(8, Z4, Z5)
	PLUS_Z(Z4, Z5)
	STORE_Z(Z4, Z5)
add2:
	VALUE_Z(4, Z2, Z3)
	PLUS_Z(Z2, Z3)
	STORE_Z(Z2, Z3)
add1:
	VALUE_Z(0, Z0, Z1)
	PLUS_Z(Z0, Z1)
	STORE_Z(Z0, Z1)
	VZEROUPPER
	RET

// 256-bit vectors, 6 rows × 16 columns:
//
//	Y0 to Y11    sums, two of each row
//	Y12, Y13     a group of b; after the loop, scales
//	Y14          a group of a
//	Y15          free

#define BEGIN_Y0 VMOVDQU (STARTS), Y0; VMOVDQU 32(STARTS), Y1; PREFETCHT0 (Y); ADDQ YROW, Y
#define BEGIN_Y1 VMOVDQA Y0, Y2; VMOVDQA Y1, Y3; PREFETCHT0 (Y); ADDQ YROW, Y
#define BEGIN_Y2 VMOVDQA Y0, Y4; VMOVDQA Y1, Y5; PREFETCHT0 (Y); ADDQ YROW, Y
#define BEGIN_Y3 VMOVDQA Y0, Y6; VMOVDQA Y1, Y7; PREFETCHT0 (Y); ADDQ YROW, Y
#define BEGIN_Y4 VMOVDQA Y0, Y8; VMOVDQA Y1, Y9; PREFETCHT0 (Y); ADDQ YROW, Y
#define BEGIN_Y5 VMOVDQA Y0, Y10; VMOVDQA Y1, Y11; PREFETCHT0 (Y); ADDQ YROW, Y

#define BEGINS_Y1 BEGIN_Y0
#define BEGINS_Y2 BEGINS_Y1 ; BEGIN_Y1
#define BEGINS_Y3 BEGINS_Y2 ; BEGIN_Y2
#define BEGINS_Y4 BEGINS_Y3 ; BEGIN_Y3
#define BEGINS_Y5 BEGINS_Y4 ; BEGIN_Y4
#define BEGINS_Y6 BEGINS_Y5 ; BEGIN_Y5

// VEX_VPDPBUSD is VPDPBUSD src, Y14, dst in its VEX form, which the assembler does
// not know: dst += u8(Y14)·s8(src), by fours.
#define VEX_VPDPBUSD(prefix, src, modrm) \
	BYTE $0xc4; BYTE $prefix; BYTE $src; BYTE $0x50; BYTE $modrm

// In the lines below: VPDPBUSD Y12, Y14, then VPDPBUSD Y13, Y14.
#define ROW_VNNI0(o) VPBROADCASTD o(A0), Y14; VEX_VPDPBUSD(0xc2, 0x0d, 0xc4); VEX_VPDPBUSD(0xc2, 0x0d, 0xcd)
#define ROW_VNNI1(o) VPBROADCASTD o(A0)(AROW*1), Y14; VEX_VPDPBUSD(0xc2, 0x0d, 0xd4); VEX_VPDPBUSD(0xc2, 0x0d, 0xdd)
#define ROW_VNNI2(o) VPBROADCASTD o(A0)(AROW*2), Y14; VEX_VPDPBUSD(0xc2, 0x0d, 0xe4); VEX_VPDPBUSD(0xc2, 0x0d, 0xed)
#define ROW_VNNI3(o) VPBROADCASTD o(A3), Y14; VEX_VPDPBUSD(0xc2, 0x0d, 0xf4); VEX_VPDPBUSD(0xc2, 0x0d, 0xfd)
#define ROW_VNNI4(o) VPBROADCASTD o(A3)(AROW*1), Y14; VEX_VPDPBUSD(0x42, 0x0d, 0xc4); VEX_VPDPBUSD(0x42, 0x0d, 0xcd)
#define ROW_VNNI5(o) VPBROADCASTD o(A3)(AROW*2), Y14; VEX_VPDPBUSD(0x42, 0x0d, 0xd4); VEX_VPDPBUSD(0x42, 0x0d, 0xdd)

#define ROWS_VNNI1(o) ROW_VNNI0(o)
#define ROWS_VNNI2(o) ROWS_VNNI1(o) ; ROW_VNNI1(o)
#define ROWS_VNNI3(o) ROWS_VNNI2(o) ; ROW_VNNI2(o)
#define ROWS_VNNI4(o) ROWS_VNNI3(o) ; ROW_VNNI3(o)
#define ROWS_VNNI5(o) ROWS_VNNI4(o) ; ROW_VNNI4(o)
#define ROWS_VNNI6(o) ROWS_VNNI5(o) ; ROW_VNNI5(o)

#define ROW_AVX20(o) VPBROADCASTD o(A0), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y0, Y0; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y1, Y1
#define ROW_AVX21(o) VPBROADCASTD o(A0)(AROW*1), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y2, Y2; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y3, Y3
#define ROW_AVX22(o) VPBROADCASTD o(A0)(AROW*2), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y4, Y4; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y5, Y5
#define ROW_AVX23(o) VPBROADCASTD o(A3), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y6, Y6; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y7, Y7
#define ROW_AVX24(o) VPBROADCASTD o(A3)(AROW*1), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y8, Y8; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y9, Y9
#define ROW_AVX25(o) VPBROADCASTD o(A3)(AROW*2), Y14; VPMADDWD Y12, Y14, Y15; VPADDD Y15, Y10, Y10; VPMADDWD Y13, Y14, Y14; VPADDD Y14, Y11, Y11

#define ROWS_AVX21(o) ROW_AVX20(o)
#define ROWS_AVX22(o) ROWS_AVX21(o) ; ROW_AVX21(o)
#define ROWS_AVX23(o) ROWS_AVX22(o) ; ROW_AVX22(o)
#define ROWS_AVX24(o) ROWS_AVX23(o) ; ROW_AVX23(o)
#define ROWS_AVX25(o) ROWS_AVX24(o) ; ROW_AVX24(o)
#define ROWS_AVX26(o) ROWS_AVX25(o) ; ROW_AVX25(o)

#define SHIFT_Y0 VPSLLD $8, Y0, Y0; VPSLLD $8, Y1, Y1
#define SHIFT_Y1 VPSLLD $8, Y2, Y2; VPSLLD $8, Y3, Y3
#define SHIFT_Y2 VPSLLD $8, Y4, Y4; VPSLLD $8, Y5, Y5
#define SHIFT_Y3 VPSLLD $8, Y6, Y6; VPSLLD $8, Y7, Y7
#define SHIFT_Y4 VPSLLD $8, Y8, Y8; VPSLLD $8, Y9, Y9
#define SHIFT_Y5 VPSLLD $8, Y10, Y10; VPSLLD $8, Y11, Y11

#define SHIFTS_Y1 SHIFT_Y0
#define SHIFTS_Y2 SHIFTS_Y1 ; SHIFT_Y1
#define SHIFTS_Y3 SHIFTS_Y2 ; SHIFT_Y2
#define SHIFTS_Y4 SHIFTS_Y3 ; SHIFT_Y3
#define SHIFTS_Y5 SHIFTS_Y4 ; SHIFT_Y4
#define SHIFTS_Y6 SHIFTS_Y5 ; SHIFT_Y5

// FOUR_Y is four groups of inputs, INPUTS in all, of a panel that is multiplied as it
// stands; AHEAD bytes more of the next one are asked for.
#define FOUR_Y(ROWS, INPUTS, AHEAD) \
	VMOVDQU (B), Y12     \
	VMOVDQU 32(B), Y13   \
	ROWS(0)              \
	VMOVDQU 64(B), Y12   \
	VMOVDQU 96(B), Y13   \
	ROWS(4)              \
	VMOVDQU 128(B), Y12  \
	VMOVDQU 160(B), Y13  \
	ROWS(8)              \
	VMOVDQU 192(B), Y12  \
	VMOVDQU 224(B), Y13  \
	ROWS(12)             \
	PREFETCHT1 (NEXT)    \
	ADDQ $AHEAD, NEXT    \
	ADDQ $256, B         \
	ADDQ $16, A0         \
	ADDQ $16, A3         \
	SUBQ $INPUTS, DEPTH

// FOUR_VNNI is four groups of four inputs.
#define FOUR_VNNI(ROWS) FOUR_Y(ROWS, 16, 64)

// FOUR_AVX2 is four groups of two inputs, which take 16 bits in a.
#define FOUR_AVX2(ROWS) \
	VPMOVSXBW (B), Y12    \
	VPMOVSXBW 16(B), Y13  \
	ROWS(0)               \
	VPMOVSXBW 32(B), Y12  \
	VPMOVSXBW 48(B), Y13  \
	ROWS(4)               \
	VPMOVSXBW 64(B), Y12  \
	VPMOVSXBW 80(B), Y13  \
	ROWS(8)               \
	VPMOVSXBW 96(B), Y12  \
	VPMOVSXBW 112(B), Y13 \
	ROWS(12)              \
	ADDQ $128, B          \
	ADDQ $16, A0          \
	ADDQ $16, A3          \
	SUBQ $8, DEPTH

// FOUR_WIDENED is FOUR_AVX2 where b takes 16 bits as well.
#define FOUR_WIDENED(ROWS) FOUR_Y(ROWS, 8, 32)

// HEIGHT_Y is the sums of one height.
#define HEIGHT_Y(enter, loop, done, out, outAdd, BEGINS, FOUR, ROWS, SHIFTS) \
enter:          \
	BEGINS      \
	PCALIGN $32 \
loop:           \
	FOUR(ROWS)  \
	JNZ  loop   \
	NEXT_PASS(loop, done, SHIFTS) \
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

#define STORE_Y(S0, S1) \
	VMOVUPS S0, (Y)      \
	VMOVUPS S1, 32(Y)    \
	SUBQ    YROW, Y

#define PLUS_Y(S0, S1) \
	VADDPS (ADD), S0, S0   \
	VADDPS 32(ADD), S1, S1 \
	SUBQ   ADDROW, ADD

// OUT_Y is what follows the loops: values, from the last row to the first.
#define OUT_Y(VALUE) \
out6: \
	VALUE(20, Y10, Y11) \
	STORE_Y(Y10, Y11) \
out5: \
	VALUE(16, Y8, Y9) \
	STORE_Y(Y8, Y9) \
out4: \
	VALUE(12, Y6, Y7) \
	STORE_Y(Y6, Y7) \
out3: \
	VALUE(8, Y4, Y5) \
	STORE_Y(Y4, Y5) \
out2: \
	VALUE(4, Y2, Y3) \
	STORE_Y(Y2, Y3) \
out1: \
	VALUE(0, Y0, Y1) \
	STORE_Y(Y0, Y1) \
	VZEROUPPER \
	RET \
add6: \
	VALUE(20, Y10, Y11) \
	PLUS_Y(Y10, Y11) \
	STORE_Y(Y10, Y11) \
add5: \
	VALUE(16, Y8, Y9) \
	PLUS_Y(Y8, Y9) \
	STORE_Y(Y8, Y9) \
add4: \
	VALUE(12, Y6, Y7) \
	PLUS_Y(Y6, Y7) \
	STORE_Y(Y6, Y7) \
add3: \
	VALUE(8, Y4, Y5) \
	PLUS_Y(Y4, Y5) \
	STORE_Y(Y4, Y5) \
add2: \
	VALUE(4, Y2, Y3) \
	PLUS_Y(Y2, Y3) \
	STORE_Y(Y2, Y3) \
add1: \
	VALUE(0, Y0, Y1) \
	PLUS_Y(Y0, Y1) \
	STORE_Y(Y0, Y1) \
	VZEROUPPER \
	RET

// TILE_Y is a kernel of up to six rows by 16 columns: FOUR takes four inputs of the rows
// of R6 to R1, and VALUE makes numbers of the sums.
#define TILE_Y(FOUR, R6, R5, R4, R3, R2, R1, VALUE) \
	MOVQ t+0(FP), TILE \
	MOVQ intTile_rows(TILE), R15 \
	LOAD_TILE(plain, enter) \
	CMPQ R15, $1 \
	JEQ  height1 \
	CMPQ R15, $2 \
	JEQ  height2 \
	CMPQ R15, $3 \
	JEQ  height3 \
	CMPQ R15, $4 \
	JEQ  height4 \
	CMPQ R15, $5 \
	JEQ  height5 \
	HEIGHT_Y(height6, loop6, done6, out6, add6, BEGINS_Y6, FOUR, R6, SHIFTS_Y6) \
	HEIGHT_Y(height5, loop5, done5, out5, add5, BEGINS_Y5, FOUR, R5, SHIFTS_Y5) \
	HEIGHT_Y(height4, loop4, done4, out4, add4, BEGINS_Y4, FOUR, R4, SHIFTS_Y4) \
	HEIGHT_Y(height3, loop3, done3, out3, add3, BEGINS_Y3, FOUR, R3, SHIFTS_Y3) \
	HEIGHT_Y(height2, loop2, done2, out2, add2, BEGINS_Y2, FOUR, R2, SHIFTS_Y2) \
	HEIGHT_Y(height1, loop1, done1, out1, add1, BEGINS_Y1, FOUR, R1, SHIFTS_Y1) \
	OUT_Y(VALUE)

// func tileAVXVNNI(t *intTile)
TEXT ·tileAVXVNNI(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_VNNI, ROWS_VNNI6, ROWS_VNNI5, ROWS_VNNI4, ROWS_VNNI3, ROWS_VNNI2, ROWS_VNNI1, VALUE_Y)

// func tileAVX2(t *intTile)
TEXT ·tileAVX2(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_AVX2, ROWS_AVX26, ROWS_AVX25, ROWS_AVX24, ROWS_AVX23, ROWS_AVX22, ROWS_AVX21, WIDE_VALUE_Y)

// func tileAVX2Widened(t *intTile)
TEXT ·tileAVX2Widened(SB), NOSPLIT, $0-8
	TILE_Y(FOUR_WIDENED, ROWS_AVX26, ROWS_AVX25, ROWS_AVX24, ROWS_AVX23, ROWS_AVX22, ROWS_AVX21, WIDE_VALUE_Y)

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
