//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "rows_amd64.h"

// The micro-kernels of floatTile are outer products: for each input l the kernel holds
// one row of the panel b in vectors, broadcasts one number of a for each row of the tile,
// and adds their products to the row's accumulators. An accumulator takes its products
// in the order of l, each with one rounding, for any height of the tile.
//
// Each height has its own loop: see rows_amd64.h.

#define TILE     DI  // the floatTile
#define A0       AX  // a, row 0; rows 1 and 2 are addressed from it
#define A3       BX  // a, row 3; rows 4 and 5
#define A6       CX  // a, row 6; rows 7 and 8
#define A9       DX  // a, row 9; rows 10 and 11
#define AROW     R8  // bytes from a row of a to the next
#define ACOL     R9  // bytes from an input of a to the next
#define B        SI  // b, this input
#define BROW     R10 // bytes from an input of b to the next
#define K        R11 // inputs left
#define P        R12 // c, then y
#define PROW     R13 // bytes from row to row of it
#define ADD      AX  // after the loop: what is added to the sums, or nil
#define ADDROW   BX  // bytes from row to row of it
#define BPANEL   R15 // wide kernels: bytes from a panel to the next
#define AHEAD    R14 // memory to prefetch, this input
#define AHEADROW R15 // bytes from input to input of it

// LOAD_TILE reads the tile's fields; P is c.
#define LOAD_TILE \
	MOVQ t+0(FP), TILE               \
	MOVQ floatTile_a(TILE), A0       \
	MOVQ floatTile_aRow(TILE), AROW  \
	MOVQ floatTile_aCol(TILE), ACOL  \
	LEAQ (AROW)(AROW*2), K           \
	LEAQ (A0)(K*1), A3               \
	LEAQ (A3)(K*1), A6               \
	LEAQ (A6)(K*1), A9               \
	MOVQ floatTile_b(TILE), B        \
	MOVQ floatTile_bRow(TILE), BROW  \
	MOVQ floatTile_k(TILE), K        \
	MOVQ floatTile_c(TILE), P        \
	MOVQ floatTile_cRow(TILE), PROW

#define FETCH_AHEAD \
	PREFETCHT1 (AHEAD)         \
	ADDQ       AHEADROW, AHEAD

// LOAD_AHEAD reads where to prefetch, or b. AHEAD_ROW follows when the number of rows is
// no longer needed.
#define LOAD_AHEAD \
	MOVQ    floatTile_ahead(TILE), AHEAD \
	TESTQ   AHEAD, AHEAD                 \
	CMOVQEQ B, AHEAD

#define AHEAD_ROW MOVQ floatTile_aheadRow(TILE), AHEADROW

#define NEXT_INPUT \
	ADDQ ACOL, A0 \
	ADDQ ACOL, A3 \
	ADDQ ACOL, A6 \
	ADDQ ACOL, A9 \
	ADDQ BROW, B

// LOAD_OUT sets P to y and ADD to what is added, with ZF if that is nil.
#define LOAD_OUT \
	MOVQ  floatTile_y(TILE), P           \
	MOVQ  floatTile_yRow(TILE), PROW     \
	MOVQ  floatTile_addRow(TILE), ADDROW \
	MOVQ  floatTile_add(TILE), ADD       \
	TESTQ ADD, ADD

// HEIGHT is a kernel for one height: sums from c, the loop over the inputs, the addition,
// the output to y.
#define HEIGHT(enter, loop, out, store, START, STEP, PLUS, STORE) \
enter:                       \
	START                    \
	TESTQ K, K               \
	JZ    out                \
	PCALIGN $32              \
loop:                        \
	STEP                     \
	NEXT_INPUT               \
	DECQ  K                  \
	JNZ   loop               \
out:                         \
	LOAD_OUT                 \
	JZ    store              \
	PLUS                     \
store:                       \
	STORE                    \
	VZEROUPPER               \
	RET

#define NEXT_ROW ADDQ PROW, P
#define NEXT_ADDED ADDQ ADDROW, ADD

// Ways to load a vector of weights.
#define LOAD_F32(AT, V) VMOVUPS AT, V
#define LOAD_F16(AT, V) VCVTPH2PS AT, V
#define LOAD_BF16(AT, V) VPMOVZXWD AT, V; VPSLLD $16, V, V

// The wide kernels compute 1 to 3 rows of two panels, the second floatTile.bPanel bytes
// after the first: with one panel there are too few sums to hide the latency of a
// multiply-add. A step gets the bytes of a vector, registers B0 for weights and T for the
// row's number of a at AT, and the row's sums.

#define WIDE_START(bytes, B0, T, AT, S0, S1, S2, S3) VMOVUPS (P), S0; VMOVUPS (bytes)(P), S1; VMOVUPS (2*bytes)(P), S2; VMOVUPS (3*bytes)(P), S3
#define WIDE_PLUS(bytes, B0, T, AT, S0, S1, S2, S3) VADDPS (ADD), S0, S0; VADDPS (bytes)(ADD), S1, S1; VADDPS (2*bytes)(ADD), S2, S2; VADDPS (3*bytes)(ADD), S3, S3
#define WIDE_STORE(bytes, B0, T, AT, S0, S1, S2, S3) VMOVUPS S0, (P); VMOVUPS S1, (bytes)(P); VMOVUPS S2, (2*bytes)(P); VMOVUPS S3, (3*bytes)(P)
#define LOAD_A(bytes, B0, T, AT, S0, S1, S2, S3) VBROADCASTSS AT, T
#define FMA0(bytes, B0, T, AT, S0, S1, S2, S3) VFMADD231PS B0, T, S0
#define FMA1(bytes, B0, T, AT, S0, S1, S2, S3) VFMADD231PS B0, T, S1
#define FMA2(bytes, B0, T, AT, S0, S1, S2, S3) VFMADD231PS B0, T, S2
#define FMA3(bytes, B0, T, AT, S0, S1, S2, S3) VFMADD231PS B0, T, S3

#define WIDE_STEP(ROWS, B0, LOAD, second) \
	ROWS(LOAD_A, NOTHING)             \
	LOAD((B), B0)                     \
	ROWS(FMA0, NOTHING)               \
	LOAD(second(B), B0)               \
	ROWS(FMA1, NOTHING)               \
	LOAD((B)(BPANEL*1), B0)           \
	ROWS(FMA2, NOTHING)               \
	LOAD(second(B)(BPANEL*1), B0)     \
	ROWS(FMA3, NOTHING)

#define HEIGHT_WIDE(enter, loop, out, store, ROWS, B0, LOAD, second) \
	HEIGHT(enter, loop, out, store, ROWS(WIDE_START, NEXT_ROW), WIDE_STEP(ROWS, B0, LOAD, second), ROWS(WIDE_PLUS, NEXT_ADDED), ROWS(WIDE_STORE, NEXT_ROW))

// KERNEL_WIDE is a wide kernel for all heights and one way to load weights; second is the
// offset of the second vector of a row.
#define KERNEL_WIDE(ROWS1, ROWS2, ROWS3, B0, LOAD, second) \
	LOAD_TILE                              \
	MOVQ    floatTile_bPanel(TILE), BPANEL \
	MOVQ    floatTile_rows(TILE), R14      \
	CMPQ    R14, $3                        \
	JEQ     rows3                          \
	CMPQ    R14, $2                        \
	JEQ     rows2                          \
	HEIGHT_WIDE(rows1, loop1, out1, store1, ROWS1, B0, LOAD, second) \
	HEIGHT_WIDE(rows2, loop2, out2, store2, ROWS2, B0, LOAD, second) \
	HEIGHT_WIDE(rows3, loop3, out3, store3, ROWS3, B0, LOAD, second)

// AVX-512: 12 rows by 32 columns. Z28 and Z29 are the row of b, Z30 and Z31 numbers of a;
// wide, Z28 is weights, Z29 to Z31 are numbers of a.

#define START_Z(o, S0, S1, T, U, AT) VMOVUPS (P), S0; VMOVUPS 64(P), S1
#define PLUS_Z(o, S0, S1, T, U, AT) VADDPS (ADD), S0, S0; VADDPS 64(ADD), S1, S1

#define STEP_Z(ROWS, LOAD, second) \
	LOAD((B), Z28)           \
	LOAD(second(B), Z29)     \
	ROWS(FMA_Z, 0, NOTHING)  \
	FETCH_AHEAD

#define HEIGHT_Z(enter, loop, out, store, ROWS, LOAD, second) \
	HEIGHT(enter, loop, out, store, AHEAD_ROW; ROWS(START_Z, 0, NEXT_ROW), STEP_Z(ROWS, LOAD, second), ROWS(PLUS_Z, 0, NEXT_ADDED), ROWS(STORE_Z, 0, NEXT_ROW))

#define KERNEL_Z(LOAD, second) \
	LOAD_TILE                       \
	MOVQ floatTile_rows(TILE), R15  \
	LOAD_AHEAD                      \
	BRANCH12(R15)                   \
	HEIGHT_Z(rows1, loop1, out1, store1, ROWS_Z1, LOAD, second) \
	HEIGHT_Z(rows2, loop2, out2, store2, ROWS_Z2, LOAD, second) \
	HEIGHT_Z(rows3, loop3, out3, store3, ROWS_Z3, LOAD, second) \
	HEIGHT_Z(rows4, loop4, out4, store4, ROWS_Z4, LOAD, second) \
	HEIGHT_Z(rows5, loop5, out5, store5, ROWS_Z5, LOAD, second) \
	HEIGHT_Z(rows6, loop6, out6, store6, ROWS_Z6, LOAD, second) \
	HEIGHT_Z(rows7, loop7, out7, store7, ROWS_Z7, LOAD, second) \
	HEIGHT_Z(rows8, loop8, out8, store8, ROWS_Z8, LOAD, second) \
	HEIGHT_Z(rows9, loop9, out9, store9, ROWS_Z9, LOAD, second) \
	HEIGHT_Z(rows10, loop10, out10, store10, ROWS_Z10, LOAD, second) \
	HEIGHT_Z(rows11, loop11, out11, store11, ROWS_Z11, LOAD, second) \
	HEIGHT_Z(rows12, loop12, out12, store12, ROWS_Z12, LOAD, second)

#define WIDE_Z1(OP, NEXT) OP(64, Z28, Z29, (A0), Z0, Z1, Z2, Z3)
#define WIDE_Z2(OP, NEXT) WIDE_Z1(OP, NEXT); NEXT; OP(64, Z28, Z30, (A0)(AROW*1), Z4, Z5, Z6, Z7)
#define WIDE_Z3(OP, NEXT) WIDE_Z2(OP, NEXT); NEXT; OP(64, Z28, Z31, (A0)(AROW*2), Z8, Z9, Z10, Z11)

#define KERNEL_WIDE_Z(LOAD, second) KERNEL_WIDE(WIDE_Z1, WIDE_Z2, WIDE_Z3, Z28, LOAD, second)

// func tileAVX512F32(t *floatTile)
TEXT ·tileAVX512F32(SB), NOSPLIT, $0-8
	KERNEL_Z(LOAD_F32, 64)

// func tileWideAVX512F32(t *floatTile)
TEXT ·tileWideAVX512F32(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Z(LOAD_F32, 64)

// func tileAVX512F16(t *floatTile)
TEXT ·tileAVX512F16(SB), NOSPLIT, $0-8
	KERNEL_Z(LOAD_F16, 32)

// func tileWideAVX512F16(t *floatTile)
TEXT ·tileWideAVX512F16(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Z(LOAD_F16, 32)

// func tileAVX512BF16(t *floatTile)
TEXT ·tileAVX512BF16(SB), NOSPLIT, $0-8
	KERNEL_Z(LOAD_BF16, 32)

// func tileWideAVX512BF16(t *floatTile)
TEXT ·tileWideAVX512BF16(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Z(LOAD_BF16, 32)

// AVX2 and FMA: 6 rows by 16 columns. Y12 and Y13 are the row of b, Y14 and Y15 numbers
// of a; wide, Y12 is weights, Y13 to Y15 are numbers of a.

#define START_Y(o, S0, S1, T, AT, vex, reg) VMOVUPS (P), S0; VMOVUPS 32(P), S1
#define PLUS_Y(o, S0, S1, T, AT, vex, reg) VADDPS (ADD), S0, S0; VADDPS 32(ADD), S1, S1

#define STEP_Y(ROWS, LOAD, second) \
	LOAD((B), Y12)           \
	LOAD(second(B), Y13)     \
	ROWS(FMA_Y, 0, NOTHING)  \
	FETCH_AHEAD

#define HEIGHT_Y(enter, loop, out, store, ROWS, LOAD, second) \
	HEIGHT(enter, loop, out, store, AHEAD_ROW; ROWS(START_Y, 0, NEXT_ROW), STEP_Y(ROWS, LOAD, second), ROWS(PLUS_Y, 0, NEXT_ADDED), ROWS(STORE_Y, 0, NEXT_ROW))

#define KERNEL_Y(LOAD, second) \
	LOAD_TILE                       \
	MOVQ floatTile_rows(TILE), R15  \
	LOAD_AHEAD                      \
	BRANCH6(R15)                    \
	HEIGHT_Y(rows1, loop1, out1, store1, ROWS_Y1, LOAD, second) \
	HEIGHT_Y(rows2, loop2, out2, store2, ROWS_Y2, LOAD, second) \
	HEIGHT_Y(rows3, loop3, out3, store3, ROWS_Y3, LOAD, second) \
	HEIGHT_Y(rows4, loop4, out4, store4, ROWS_Y4, LOAD, second) \
	HEIGHT_Y(rows5, loop5, out5, store5, ROWS_Y5, LOAD, second) \
	HEIGHT_Y(rows6, loop6, out6, store6, ROWS_Y6, LOAD, second)

#define WIDE_Y1(OP, NEXT) OP(32, Y12, Y13, (A0), Y0, Y1, Y2, Y3)
#define WIDE_Y2(OP, NEXT) WIDE_Y1(OP, NEXT); NEXT; OP(32, Y12, Y14, (A0)(AROW*1), Y4, Y5, Y6, Y7)
#define WIDE_Y3(OP, NEXT) WIDE_Y2(OP, NEXT); NEXT; OP(32, Y12, Y15, (A0)(AROW*2), Y8, Y9, Y10, Y11)

#define KERNEL_WIDE_Y(LOAD, second) KERNEL_WIDE(WIDE_Y1, WIDE_Y2, WIDE_Y3, Y12, LOAD, second)

// func tileAVX2F32(t *floatTile)
TEXT ·tileAVX2F32(SB), NOSPLIT, $0-8
	KERNEL_Y(LOAD_F32, 32)

// func tileWideAVX2F32(t *floatTile)
TEXT ·tileWideAVX2F32(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Y(LOAD_F32, 32)

// func tileAVX2F16(t *floatTile)
TEXT ·tileAVX2F16(SB), NOSPLIT, $0-8
	KERNEL_Y(LOAD_F16, 16)

// func tileWideAVX2F16(t *floatTile)
TEXT ·tileWideAVX2F16(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Y(LOAD_F16, 16)

// func tileAVX2BF16(t *floatTile)
TEXT ·tileAVX2BF16(SB), NOSPLIT, $0-8
	KERNEL_Y(LOAD_BF16, 16)

// func tileWideAVX2BF16(t *floatTile)
TEXT ·tileWideAVX2BF16(SB), NOSPLIT, $0-8
	KERNEL_WIDE_Y(LOAD_BF16, 16)
