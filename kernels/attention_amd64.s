//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of attention: see productPortable for what they compute. A tile
// of up to 12 rows by 32 columns (AVX2: 6 by 16) stays in registers while it is
// summed. There is one loop for each height. A step that every row goes through is a
// macro of one row, which EACH_… apply to as many as their names say.

#define TILE   DI  // the attentionTile
#define A0     AX  // a, row 0, this input; rows 1 and 2 are reached from it
#define A3     BX  // a, row 3; rows 4 and 5
#define A6     CX  // a, row 6; rows 7 and 8
#define A9     DX  // a, row 9; rows 10 and 11
#define AROW   R8  // bytes from a row of a to the next
#define B      SI  // b, this input
#define K      R9  // inputs left; after the loop, a factor
#define P      R10 // in y
#define YROW   R11 // bytes from a row of y to the next
#define Y      R12 // y, this panel
#define PANEL  R13 // b, this panel
#define LEFT   R15 // columns left
#define FACTOR K

#define FACTORSTEP $softmaxState__size

// LOAD_TILE reads what is the same for all panels.
#define LOAD_TILE \
	MOVQ t+0(FP), TILE                \
	MOVQ attentionTile_aRow(TILE), AROW \
	MOVQ attentionTile_b(TILE), PANEL \
	MOVQ attentionTile_y(TILE), Y     \
	MOVQ attentionTile_yRow(TILE), YROW \
	MOVQ attentionTile_cols(TILE), LEFT

// LOAD_PANEL goes to the beginning of a panel.
#define LOAD_PANEL \
	MOVQ attentionTile_a(TILE), A0 \
	LEAQ (AROW)(AROW*2), K         \
	LEAQ (A0)(K*1), A3             \
	LEAQ (A3)(K*1), A6             \
	LEAQ (A6)(K*1), A9             \
	MOVQ PANEL, B                  \
	MOVQ Y, P

// HEIGHT is a kernel for one height: for each panel of COLS columns the sums, from
// 0 or from what y has; the loop over the inputs; the factors afterwards; the way to
// y, where the last panel may be narrower.
#define HEIGHT(COLS, EACH, ADVANCE, enter, zero, loop, one, out, store, narrow, next, MASKS, ZERO, BEFORE, STEP, TWO, AFTER, STORE, NARROW) \
enter: \
	LOAD_PANEL \
	EACH(ZERO, NOTHING) \
	MOVQ attentionTile_before(TILE), FACTOR \
	TESTQ FACTOR, FACTOR \
	JEQ  zero \
	MASKS \
	EACH(BEFORE, NEXT_FACTOR_AND_ROW) \
zero: \
	MOVQ attentionTile_k(TILE), K \
	SUBQ $2, K \
	JLT  one \
	PCALIGN $32 \
loop: \
	TWO(EACH, ADVANCE) \
	SUBQ $2, K \
	JGE  loop \
one: \
	INCQ K \
	JNE  out \
	STEP(EACH, ADVANCE) \
out: \
	MOVQ Y, P \
	MOVQ attentionTile_after(TILE), FACTOR \
	TESTQ FACTOR, FACTOR \
	JEQ  store \
	EACH(AFTER, NEXT_FACTOR) \
store: \
	CMPQ LEFT, $COLS \
	JLT  narrow \
	EACH(STORE, NEXT_ROW) \
	JMP  next \
narrow: \
	MASKS \
	EACH(NARROW, NEXT_ROW) \
next: \
	ADDQ $(4*COLS), Y \
	ADDQ attentionTile_bPanel(TILE), PANEL \
	SUBQ $COLS, LEFT \
	JGT  enter \
	VZEROUPPER \
	RET

// What comes between rows.
#define NOTHING
#define NEXT_ROW ADDQ YROW, P
#define NEXT_FACTOR ADDQ FACTORSTEP, FACTOR
#define NEXT_FACTOR_AND_ROW ADDQ FACTORSTEP, FACTOR; ADDQ YROW, P

// ADVANCE… go on by some bytes in as many rows.
#define ADVANCE1(bytes) ADDQ $bytes, A0
#define ADVANCE4(bytes) ADVANCE1(bytes); ADDQ $bytes, A3
#define ADVANCE7(bytes) ADVANCE4(bytes); ADDQ $bytes, A6
#define ADVANCE10(bytes) ADVANCE7(bytes); ADDQ $bytes, A9

// ---- AVX-512 ----

// A row is in S0 and S1; T and U are for its number of a, which is at AT, of this input
// and of the next.
#define EACH_Z1(OP, NEXT) OP(Z0, Z1, Z30, Z26, (A0))
#define EACH_Z2(OP, NEXT) EACH_Z1(OP, NEXT); NEXT; OP(Z2, Z3, Z31, Z27, (A0)(AROW*1))
#define EACH_Z3(OP, NEXT) EACH_Z2(OP, NEXT); NEXT; OP(Z4, Z5, Z30, Z26, (A0)(AROW*2))
#define EACH_Z4(OP, NEXT) EACH_Z3(OP, NEXT); NEXT; OP(Z6, Z7, Z31, Z27, (A3))
#define EACH_Z5(OP, NEXT) EACH_Z4(OP, NEXT); NEXT; OP(Z8, Z9, Z30, Z26, (A3)(AROW*1))
#define EACH_Z6(OP, NEXT) EACH_Z5(OP, NEXT); NEXT; OP(Z10, Z11, Z31, Z27, (A3)(AROW*2))
#define EACH_Z7(OP, NEXT) EACH_Z6(OP, NEXT); NEXT; OP(Z12, Z13, Z30, Z26, (A6))
#define EACH_Z8(OP, NEXT) EACH_Z7(OP, NEXT); NEXT; OP(Z14, Z15, Z31, Z27, (A6)(AROW*1))
#define EACH_Z9(OP, NEXT) EACH_Z8(OP, NEXT); NEXT; OP(Z16, Z17, Z30, Z26, (A6)(AROW*2))
#define EACH_Z10(OP, NEXT) EACH_Z9(OP, NEXT); NEXT; OP(Z18, Z19, Z31, Z27, (A9))
#define EACH_Z11(OP, NEXT) EACH_Z10(OP, NEXT); NEXT; OP(Z20, Z21, Z30, Z26, (A9)(AROW*1))
#define EACH_Z12(OP, NEXT) EACH_Z11(OP, NEXT); NEXT; OP(Z22, Z23, Z31, Z27, (A9)(AROW*2))

// K1 and K2 are the columns of the panel's two vectors.
#define MASKS_Z \
	MOVQ $32, B         \
	CMPQ LEFT, B        \
	CMOVQLT LEFT, B     \
	MOVQ $-1, A0        \
	BZHIQ B, A0, A0     \
	KMOVW A0, K1        \
	SHRQ $16, A0        \
	KMOVW A0, K2        \
	MOVQ attentionTile_a(TILE), A0 \
	MOVQ PANEL, B

#define ZERO_Z(S0, S1, T, U, AT) VPXORD S0, S0, S0; VPXORD S1, S1, S1
#define BEFORE_Z(S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Z30; VMULPS.Z (P), Z30, K1, S0; VMULPS.Z 64(P), Z30, K2, S1
#define ROW_Z(S0, S1, T, U, AT) VBROADCASTSS AT, T; VFMADD231PS Z28, T, S0; VFMADD231PS Z29, T, S1
#define MORE_Z(S0, S1, T, U, AT) VBROADCASTSS 4 AT, U; VFMADD231PS Z24, U, S0; VFMADD231PS Z25, U, S1
#define AFTER_Z(S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Z30; VMULPS Z30, S0, S0; VMULPS Z30, S1, S1
#define STORE_Z(S0, S1, T, U, AT) VMOVUPS S0, (P); VMOVUPS S1, 64(P)
#define NARROW_Z(S0, S1, T, U, AT) VMOVUPS S0, K1, (P); VMOVUPS S1, K2, 64(P)

// STEP_Z takes one input, TWO_Z two.
#define STEP_Z(EACH, ADVANCE) \
	VMOVUPS (B), Z28; VMOVUPS 64(B), Z29 \
	EACH(ROW_Z, NOTHING) \
	ADVANCE(4) \
	SUBQ $-128, B

#define TWO_Z(EACH, ADVANCE) \
	VMOVUPS (B), Z28; VMOVUPS 64(B), Z29 \
	EACH(ROW_Z, NOTHING) \
	VMOVUPS 128(B), Z24; VMOVUPS 192(B), Z25 \
	EACH(MORE_Z, NOTHING) \
	ADVANCE(8) \
	ADDQ $256, B

// func productAVX512(t *attentionTile)
TEXT ·productAVX512(SB), NOSPLIT, $0-8
	LOAD_TILE
	MOVQ attentionTile_rows(TILE), K
	CMPQ K, $12
	JEQ  rows12
	CMPQ K, $11
	JEQ  rows11
	CMPQ K, $10
	JEQ  rows10
	CMPQ K, $9
	JEQ  rows9
	CMPQ K, $8
	JEQ  rows8
	CMPQ K, $7
	JEQ  rows7
	CMPQ K, $6
	JEQ  rows6
	CMPQ K, $5
	JEQ  rows5
	CMPQ K, $4
	JEQ  rows4
	CMPQ K, $3
	JEQ  rows3
	CMPQ K, $2
	JEQ  rows2
	HEIGHT(32, EACH_Z1, ADVANCE1, rows1, zero1, loop1, one1, out1, store1, narrow1, next1, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z2, ADVANCE1, rows2, zero2, loop2, one2, out2, store2, narrow2, next2, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z3, ADVANCE1, rows3, zero3, loop3, one3, out3, store3, narrow3, next3, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z4, ADVANCE4, rows4, zero4, loop4, one4, out4, store4, narrow4, next4, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z5, ADVANCE4, rows5, zero5, loop5, one5, out5, store5, narrow5, next5, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z6, ADVANCE4, rows6, zero6, loop6, one6, out6, store6, narrow6, next6, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z7, ADVANCE7, rows7, zero7, loop7, one7, out7, store7, narrow7, next7, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z8, ADVANCE7, rows8, zero8, loop8, one8, out8, store8, narrow8, next8, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z9, ADVANCE7, rows9, zero9, loop9, one9, out9, store9, narrow9, next9, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z10, ADVANCE10, rows10, zero10, loop10, one10, out10, store10, narrow10, next10, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z11, ADVANCE10, rows11, zero11, loop11, one11, out11, store11, narrow11, next11, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)
	HEIGHT(32, EACH_Z12, ADVANCE10, rows12, zero12, loop12, one12, out12, store12, narrow12, next12, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)

// ---- AVX2 ----

#define EACH_Y1(OP, NEXT) OP(Y0, Y1, Y14, Y14, (A0))
#define EACH_Y2(OP, NEXT) EACH_Y1(OP, NEXT); NEXT; OP(Y2, Y3, Y15, Y15, (A0)(AROW*1))
#define EACH_Y3(OP, NEXT) EACH_Y2(OP, NEXT); NEXT; OP(Y4, Y5, Y14, Y14, (A0)(AROW*2))
#define EACH_Y4(OP, NEXT) EACH_Y3(OP, NEXT); NEXT; OP(Y6, Y7, Y15, Y15, (A3))
#define EACH_Y5(OP, NEXT) EACH_Y4(OP, NEXT); NEXT; OP(Y8, Y9, Y14, Y14, (A3)(AROW*1))
#define EACH_Y6(OP, NEXT) EACH_Y5(OP, NEXT); NEXT; OP(Y10, Y11, Y15, Y15, (A3)(AROW*2))

// Y12 and Y13 are the columns of the panel's two vectors.
#define MASKS_Y \
	MOVQ $16, B            \
	CMPQ LEFT, B           \
	CMOVQLT LEFT, B        \
	NEGQ B                 \
	LEAQ ·laneMasks+64(SB), A0 \
	VMOVUPS (A0)(B*4), Y12 \
	VMOVUPS 32(A0)(B*4), Y13 \
	MOVQ attentionTile_a(TILE), A0 \
	MOVQ PANEL, B

#define ZERO_Y(S0, S1, T, U, AT) VXORPS S0, S0, S0; VXORPS S1, S1, S1
#define BEFORE_Y(S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Y14; VMASKMOVPS (P), Y12, S0; VMULPS Y14, S0, S0; VMASKMOVPS 32(P), Y13, S1; VMULPS Y14, S1, S1
#define ROW_Y(S0, S1, T, U, AT) VBROADCASTSS AT, T; VFMADD231PS Y12, T, S0; VFMADD231PS Y13, T, S1
#define MORE_Y(S0, S1, T, U, AT) VBROADCASTSS 4 AT, U; VFMADD231PS Y12, U, S0; VFMADD231PS Y13, U, S1
#define AFTER_Y(S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Y14; VMULPS Y14, S0, S0; VMULPS Y14, S1, S1
#define STORE_Y(S0, S1, T, U, AT) VMOVUPS S0, (P); VMOVUPS S1, 32(P)
#define NARROW_Y(S0, S1, T, U, AT) VMASKMOVPS S0, Y12, (P); VMASKMOVPS S1, Y13, 32(P)

#define STEP_Y(EACH, ADVANCE) \
	VMOVUPS (B), Y12; VMOVUPS 32(B), Y13 \
	EACH(ROW_Y, NOTHING) \
	ADVANCE(4) \
	ADDQ $64, B

#define TWO_Y(EACH, ADVANCE) \
	VMOVUPS (B), Y12; VMOVUPS 32(B), Y13 \
	EACH(ROW_Y, NOTHING) \
	VMOVUPS 64(B), Y12; VMOVUPS 96(B), Y13 \
	EACH(MORE_Y, NOTHING) \
	ADVANCE(8) \
	SUBQ $-128, B

// func productAVX2(t *attentionTile)
TEXT ·productAVX2(SB), NOSPLIT, $0-8
	LOAD_TILE
	MOVQ attentionTile_rows(TILE), K
	CMPQ K, $6
	JEQ  rows6
	CMPQ K, $5
	JEQ  rows5
	CMPQ K, $4
	JEQ  rows4
	CMPQ K, $3
	JEQ  rows3
	CMPQ K, $2
	JEQ  rows2
	HEIGHT(16, EACH_Y1, ADVANCE1, rows1, zero1, loop1, one1, out1, store1, narrow1, next1, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)
	HEIGHT(16, EACH_Y2, ADVANCE1, rows2, zero2, loop2, one2, out2, store2, narrow2, next2, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)
	HEIGHT(16, EACH_Y3, ADVANCE1, rows3, zero3, loop3, one3, out3, store3, narrow3, next3, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)
	HEIGHT(16, EACH_Y4, ADVANCE4, rows4, zero4, loop4, one4, out4, store4, narrow4, next4, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)
	HEIGHT(16, EACH_Y5, ADVANCE4, rows5, zero5, loop5, one5, out5, store5, narrow5, next5, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)
	HEIGHT(16, EACH_Y6, ADVANCE4, rows6, zero6, loop6, one6, out6, store6, narrow6, next6, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)

// func copyPanelAVX512(dst, src *float32, stride uintptr, rows, width int)
TEXT ·copyPanelAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ rows+24(FP), R9
	MOVQ width+32(FP), CX
	MOVL $1, AX
	SHLXQ CX, AX, AX
	DECQ AX
	KMOVW AX, K1
	SHRQ $16, AX
	KMOVW AX, K2

row:
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	VMOVUPS Z0, (DI)
	VMOVUPS Z1, 64(DI)
	ADDQ R8, SI
	SUBQ $-128, DI
	DECQ R9
	JNE  row
	VZEROUPPER
	RET

// func copyPanelAVX2(dst, src *float32, stride uintptr, rows, width int)
TEXT ·copyPanelAVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ rows+24(FP), R9
	MOVQ width+32(FP), CX
	NEGQ CX
	LEAQ ·laneMasks+64(SB), AX
	VMOVUPS (AX)(CX*4), Y2
	VMOVUPS 32(AX)(CX*4), Y3

row:
	VMASKMOVPS (SI), Y2, Y0
	VMASKMOVPS 32(SI), Y3, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ R8, SI
	ADDQ $64, DI
	DECQ R9
	JNE  row
	VZEROUPPER
	RET

// func biasRowsAVX512(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)
TEXT ·biasRowsAVX512(SB), NOSPLIT, $0-48
	MOVQ  scores+0(FP), DI
	MOVQ  rows+8(FP), R11
	MOVQ  stride+16(FP), R8
	MOVQ  n+24(FP), R12
	VBROADCASTSS scale+32(FP), Z8
	MOVQ  bias+40(FP), SI
	MOVQ  R12, CX
	ANDQ  $15, CX
	MOVQ  $-1, AX
	SHLQ  CX, AX
	NOTQ  AX
	KMOVW AX, K1 // the columns after the last whole vector

row:
	MOVQ DI, BX
	MOVQ SI, DX
	MOVQ R12, CX
	SUBQ $16, CX
	JLT  tail

vector:
	VMULPS  (BX), Z8, Z0
	VADDPS  (DX), Z0, Z0
	VMOVUPS Z0, (BX)
	ADDQ    $64, BX
	ADDQ    $64, DX
	SUBQ    $16, CX
	JGE     vector

tail:
	CMPQ      CX, $-16
	JEQ       next
	VMULPS.Z  (BX), Z8, K1, Z0
	VADDPS.Z  (DX), Z0, K1, Z0
	VMOVUPS   Z0, K1, (BX)

next:
	ADDQ R8, DI
	SUBQ $4, SI
	DECQ R11
	JNZ  row
	VZEROUPPER
	RET

// func biasRowsAVX2(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)
TEXT ·biasRowsAVX2(SB), NOSPLIT, $0-48
	MOVQ scores+0(FP), DI
	MOVQ rows+8(FP), R11
	MOVQ stride+16(FP), R8
	MOVQ n+24(FP), R12
	VBROADCASTSS scale+32(FP), Y8
	MOVQ bias+40(FP), SI

row:
	MOVQ DI, BX
	MOVQ SI, DX
	MOVQ R12, CX
	SUBQ $8, CX
	JLT  tail

vector:
	VMULPS  (BX), Y8, Y0
	VADDPS  (DX), Y0, Y0
	VMOVUPS Y0, (BX)
	ADDQ    $32, BX
	ADDQ    $32, DX
	SUBQ    $8, CX
	JGE     vector

tail:
	ADDQ $8, CX
	JEQ  next

one:
	VMULSS (BX), X8, X0
	VADDSS (DX), X0, X0
	VMOVSS X0, (BX)
	ADDQ   $4, BX
	ADDQ   $4, DX
	DECQ   CX
	JNZ    one

next:
	ADDQ R8, DI
	SUBQ $4, SI
	DECQ R11
	JNZ  row
	VZEROUPPER
	RET
