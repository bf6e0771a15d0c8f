//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "rows_amd64.h"

// The micro-kernels of attention; productPortable defines what they compute. The sums of a
// tile of up to 12 rows by 32 columns (AVX2: 6 by 16) stay in registers. Each height has its
// own loop: see rows_amd64.h.

#define TILE   DI  // the attentionTile
#define A0     AX  // a, row 0, this input; rows 1 and 2 are addressed from it
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

// LOAD_TILE reads the fields that apply to all panels.
#define LOAD_TILE \
	MOVQ t+0(FP), TILE                \
	MOVQ attentionTile_aRow(TILE), AROW \
	MOVQ attentionTile_b(TILE), PANEL \
	MOVQ attentionTile_y(TILE), Y     \
	MOVQ attentionTile_yRow(TILE), YROW \
	MOVQ attentionTile_cols(TILE), LEFT

// LOAD_PANEL sets the pointers to the start of a panel.
#define LOAD_PANEL \
	MOVQ attentionTile_a(TILE), A0 \
	LEAQ (AROW)(AROW*2), K         \
	LEAQ (A0)(K*1), A3             \
	LEAQ (A3)(K*1), A6             \
	LEAQ (A6)(K*1), A9             \
	MOVQ PANEL, B                  \
	MOVQ Y, P

// HEIGHT is a kernel for one height. For each panel of COLS columns it starts the sums at 0
// or at y, loops over the inputs, multiplies by the factors and writes y. The last panel may
// be narrower.
#define HEIGHT(COLS, ROWS, ADVANCE, enter, zero, loop, one, out, store, narrow, next, MASKS, ZERO, BEFORE, STEP, TWO, AFTER, STORE, NARROW) \
enter: \
	LOAD_PANEL \
	ROWS(ZERO, 0, NOTHING) \
	MOVQ attentionTile_before(TILE), FACTOR \
	TESTQ FACTOR, FACTOR \
	JEQ  zero \
	MASKS \
	ROWS(BEFORE, 0, NEXT_FACTOR_AND_ROW) \
zero: \
	MOVQ attentionTile_k(TILE), K \
	SUBQ $2, K \
	JLT  one \
	PCALIGN $32 \
loop: \
	TWO(ROWS, ADVANCE) \
	SUBQ $2, K \
	JGE  loop \
one: \
	INCQ K \
	JNE  out \
	STEP(ROWS, ADVANCE) \
out: \
	MOVQ Y, P \
	MOVQ attentionTile_after(TILE), FACTOR \
	TESTQ FACTOR, FACTOR \
	JEQ  store \
	ROWS(AFTER, 0, NEXT_FACTOR) \
store: \
	CMPQ LEFT, $COLS \
	JLT  narrow \
	ROWS(STORE, 0, NEXT_ROW) \
	JMP  next \
narrow: \
	MASKS \
	ROWS(NARROW, 0, NEXT_ROW) \
next: \
	ADDQ $(4*COLS), Y \
	ADDQ attentionTile_bPanel(TILE), PANEL \
	SUBQ $COLS, LEFT \
	JGT  enter \
	VZEROUPPER \
	RET

// Steps between rows.
#define NEXT_ROW ADDQ YROW, P
#define NEXT_FACTOR ADDQ FACTORSTEP, FACTOR
#define NEXT_FACTOR_AND_ROW ADDQ FACTORSTEP, FACTOR; ADDQ YROW, P

// ADVANCE… advance the pointers of up to 3, 6, 9 or 12 rows.
#define ADVANCE1(bytes) ADDQ $bytes, A0
#define ADVANCE4(bytes) ADVANCE1(bytes); ADDQ $bytes, A3
#define ADVANCE7(bytes) ADVANCE4(bytes); ADDQ $bytes, A6
#define ADVANCE10(bytes) ADVANCE7(bytes); ADDQ $bytes, A9

// ---- AVX-512 ----

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

#define ZERO_Z(o, S0, S1, T, U, AT) VPXORD S0, S0, S0; VPXORD S1, S1, S1
#define BEFORE_Z(o, S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Z30; VMULPS.Z (P), Z30, K1, S0; VMULPS.Z 64(P), Z30, K2, S1
#define MORE_Z(o, S0, S1, T, U, AT) VBROADCASTSS 4 AT, U; VFMADD231PS Z24, U, S0; VFMADD231PS Z25, U, S1
#define AFTER_Z(o, S0, S1, T, U, AT) VBROADCASTSS (FACTOR), Z30; VMULPS Z30, S0, S0; VMULPS Z30, S1, S1
#define NARROW_Z(o, S0, S1, T, U, AT) VMOVUPS S0, K1, (P); VMOVUPS S1, K2, 64(P)

// STEP_Z adds the products of one input, TWO_Z of two.
#define STEP_Z(ROWS, ADVANCE) \
	VMOVUPS (B), Z28; VMOVUPS 64(B), Z29 \
	ROWS(FMA_Z, 0, NOTHING) \
	ADVANCE(4) \
	SUBQ $-128, B

#define TWO_Z(ROWS, ADVANCE) \
	VMOVUPS (B), Z28; VMOVUPS 64(B), Z29 \
	ROWS(FMA_Z, 0, NOTHING) \
	VMOVUPS 128(B), Z24; VMOVUPS 192(B), Z25 \
	ROWS(MORE_Z, 0, NOTHING) \
	ADVANCE(8) \
	ADDQ $256, B

#define HEIGHT_Z(ROWS, ADVANCE, enter, zero, loop, one, out, store, narrow, next) \
	HEIGHT(32, ROWS, ADVANCE, enter, zero, loop, one, out, store, narrow, next, MASKS_Z, ZERO_Z, BEFORE_Z, STEP_Z, TWO_Z, AFTER_Z, STORE_Z, NARROW_Z)

// func productAVX512(t *attentionTile)
TEXT ·productAVX512(SB), NOSPLIT, $0-8
	LOAD_TILE
	MOVQ attentionTile_rows(TILE), K
	BRANCH12(K)
	HEIGHT_Z(ROWS_Z1, ADVANCE1, rows1, zero1, loop1, one1, out1, store1, narrow1, next1)
	HEIGHT_Z(ROWS_Z2, ADVANCE1, rows2, zero2, loop2, one2, out2, store2, narrow2, next2)
	HEIGHT_Z(ROWS_Z3, ADVANCE1, rows3, zero3, loop3, one3, out3, store3, narrow3, next3)
	HEIGHT_Z(ROWS_Z4, ADVANCE4, rows4, zero4, loop4, one4, out4, store4, narrow4, next4)
	HEIGHT_Z(ROWS_Z5, ADVANCE4, rows5, zero5, loop5, one5, out5, store5, narrow5, next5)
	HEIGHT_Z(ROWS_Z6, ADVANCE4, rows6, zero6, loop6, one6, out6, store6, narrow6, next6)
	HEIGHT_Z(ROWS_Z7, ADVANCE7, rows7, zero7, loop7, one7, out7, store7, narrow7, next7)
	HEIGHT_Z(ROWS_Z8, ADVANCE7, rows8, zero8, loop8, one8, out8, store8, narrow8, next8)
	HEIGHT_Z(ROWS_Z9, ADVANCE7, rows9, zero9, loop9, one9, out9, store9, narrow9, next9)
	HEIGHT_Z(ROWS_Z10, ADVANCE10, rows10, zero10, loop10, one10, out10, store10, narrow10, next10)
	HEIGHT_Z(ROWS_Z11, ADVANCE10, rows11, zero11, loop11, one11, out11, store11, narrow11, next11)
	HEIGHT_Z(ROWS_Z12, ADVANCE10, rows12, zero12, loop12, one12, out12, store12, narrow12, next12)

// ---- AVX2 ----

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

#define ZERO_Y(o, S0, S1, T, AT, vex, reg) VXORPS S0, S0, S0; VXORPS S1, S1, S1
#define BEFORE_Y(o, S0, S1, T, AT, vex, reg) VBROADCASTSS (FACTOR), Y14; VMASKMOVPS (P), Y12, S0; VMULPS Y14, S0, S0; VMASKMOVPS 32(P), Y13, S1; VMULPS Y14, S1, S1
#define MORE_Y(o, S0, S1, T, AT, vex, reg) VBROADCASTSS 4 AT, T; VFMADD231PS Y12, T, S0; VFMADD231PS Y13, T, S1
#define AFTER_Y(o, S0, S1, T, AT, vex, reg) VBROADCASTSS (FACTOR), Y14; VMULPS Y14, S0, S0; VMULPS Y14, S1, S1
#define NARROW_Y(o, S0, S1, T, AT, vex, reg) VMASKMOVPS S0, Y12, (P); VMASKMOVPS S1, Y13, 32(P)

#define STEP_Y(ROWS, ADVANCE) \
	VMOVUPS (B), Y12; VMOVUPS 32(B), Y13 \
	ROWS(FMA_Y, 0, NOTHING) \
	ADVANCE(4) \
	ADDQ $64, B

#define TWO_Y(ROWS, ADVANCE) \
	VMOVUPS (B), Y12; VMOVUPS 32(B), Y13 \
	ROWS(FMA_Y, 0, NOTHING) \
	VMOVUPS 64(B), Y12; VMOVUPS 96(B), Y13 \
	ROWS(MORE_Y, 0, NOTHING) \
	ADVANCE(8) \
	SUBQ $-128, B

#define HEIGHT_Y(ROWS, ADVANCE, enter, zero, loop, one, out, store, narrow, next) \
	HEIGHT(16, ROWS, ADVANCE, enter, zero, loop, one, out, store, narrow, next, MASKS_Y, ZERO_Y, BEFORE_Y, STEP_Y, TWO_Y, AFTER_Y, STORE_Y, NARROW_Y)

// func productAVX2(t *attentionTile)
TEXT ·productAVX2(SB), NOSPLIT, $0-8
	LOAD_TILE
	MOVQ attentionTile_rows(TILE), K
	BRANCH6(K)
	HEIGHT_Y(ROWS_Y1, ADVANCE1, rows1, zero1, loop1, one1, out1, store1, narrow1, next1)
	HEIGHT_Y(ROWS_Y2, ADVANCE1, rows2, zero2, loop2, one2, out2, store2, narrow2, next2)
	HEIGHT_Y(ROWS_Y3, ADVANCE1, rows3, zero3, loop3, one3, out3, store3, narrow3, next3)
	HEIGHT_Y(ROWS_Y4, ADVANCE4, rows4, zero4, loop4, one4, out4, store4, narrow4, next4)
	HEIGHT_Y(ROWS_Y5, ADVANCE4, rows5, zero5, loop5, one5, out5, store5, narrow5, next5)
	HEIGHT_Y(ROWS_Y6, ADVANCE4, rows6, zero6, loop6, one6, out6, store6, narrow6, next6)

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
