//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of blockTile. Within a block they are outer products like those of
// intTile; after it, each sum is converted to float32 and added to another accumulator,
// times the product of the block's two scales.
//
// A step is a macro of one row, OP, which ROWS_…1 to ROWS_…6 apply to that many rows, with
// the registers of each. Each height has its own loop, which HEIGHTS_… generate.

#define TILE   DI  // the blockTile
#define A0     AX  // a, row 0; rows 1 and 2 are addressed from it
#define A3     BX  // a, row 3; rows 4 and 5
#define AROW   R8  // bytes from a row of a to the next
#define B      SI  // b, this block
#define BLOCKS R9  // blocks left
#define P      R10 // c, then y
#define PROW   R11 // bytes from row to row of it
#define ADD    R12 // before the loop: y, to prefetch; after it: what is added, or nil
#define ADDROW R13 // bytes from row to row of it

// ENTER reads the tile and branches to the loop for its height; the loop for six rows
// follows.
#define ENTER \
	MOVQ t+0(FP), TILE              \
	MOVQ blockTile_rows(TILE), DX   \
	MOVQ blockTile_a(TILE), A0      \
	MOVQ blockTile_aRow(TILE), AROW \
	LEAQ (AROW)(AROW*2), A3         \
	ADDQ A0, A3                     \
	MOVQ blockTile_b(TILE), B       \
	MOVQ blockTile_blocks(TILE), BLOCKS \
	MOVQ blockTile_c(TILE), P       \
	MOVQ blockTile_cRow(TILE), PROW \
	MOVQ blockTile_y(TILE), ADD     \
	MOVQ blockTile_yRow(TILE), ADDROW \
	CMPQ DX, $1                     \
	JEQ  height1                    \
	CMPQ DX, $2                     \
	JEQ  height2                    \
	CMPQ DX, $3                     \
	JEQ  height3                    \
	CMPQ DX, $4                     \
	JEQ  height4                    \
	CMPQ DX, $5                     \
	JEQ  height5

// WRITE adds what is to be added to the sums and stores them in y.
#define WRITE(store, ROWS, PLUS, STORE) \
	MOVQ  blockTile_y(TILE), P           \
	MOVQ  blockTile_yRow(TILE), PROW     \
	MOVQ  blockTile_addRow(TILE), ADDROW \
	MOVQ  blockTile_add(TILE), ADD       \
	TESTQ ADD, ADD                       \
	JZ    store                          \
	ROWS(PLUS, 0)                        \
store:                                   \
	ROWS(STORE, 0)                       \
	VZEROUPPER                           \
	RET

#define NEXT_BLOCK(loop, bytes, aBytes) \
	ADDQ  $bytes, B       \
	ADDQ  $aBytes, A0     \
	ADDQ  $aBytes, A3     \
	DECQ  BLOCKS          \
	JNZ   loop

// HEIGHT is a kernel for one height: sums from c, the loop over the blocks, the output to
// y. BLOCK takes ROWS.
#define HEIGHT(enter, loop, out, store, ROWS, bytes, aBytes, START, BLOCK, PLUS, STORE) \
enter:                    \
	ROWS(START, 0)        \
	TESTQ BLOCKS, BLOCKS  \
	JZ    out             \
	PCALIGN $32           \
loop:                     \
	BLOCK(ROWS)           \
	NEXT_BLOCK(loop, bytes, aBytes) \
out:                      \
	WRITE(store, ROWS, PLUS, STORE)

// HEIGHT_SUPER is HEIGHT for a superblock: integer sums over its blocks, which FINISH
// converts to float32.
#define HEIGHT_SUPER(enter, loop, store, ROWS, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
enter:                    \
	ROWS(ZERO, 0)         \
	PCALIGN $32           \
loop:                     \
	BLOCK(ROWS)           \
	NEXT_BLOCK(loop, bytes, aBytes) \
	FINISH(ROWS)          \
	WRITE(store, ROWS, PLUS, STORE)

// HEIGHTS is a kernel; the height of one row has BLOCK1.
#define HEIGHTS(ROWS6, ROWS5, ROWS4, ROWS3, ROWS2, ROWS1, bytes, aBytes, START, BLOCK, BLOCK1, PLUS, STORE) \
	ENTER \
	HEIGHT(height6, loop6, out6, store6, ROWS6, bytes, aBytes, START, BLOCK, PLUS, STORE) \
	HEIGHT(height5, loop5, out5, store5, ROWS5, bytes, aBytes, START, BLOCK, PLUS, STORE) \
	HEIGHT(height4, loop4, out4, store4, ROWS4, bytes, aBytes, START, BLOCK, PLUS, STORE) \
	HEIGHT(height3, loop3, out3, store3, ROWS3, bytes, aBytes, START, BLOCK, PLUS, STORE) \
	HEIGHT(height2, loop2, out2, store2, ROWS2, bytes, aBytes, START, BLOCK, PLUS, STORE) \
	HEIGHT(height1, loop1, out1, store1, ROWS1, bytes, aBytes, START, BLOCK1, PLUS, STORE)

#define HEIGHTS_SUPER(ROWS6, ROWS5, ROWS4, ROWS3, ROWS2, ROWS1, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	ENTER \
	HEIGHT_SUPER(height6, loop6, store6, ROWS6, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	HEIGHT_SUPER(height5, loop5, store5, ROWS5, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	HEIGHT_SUPER(height4, loop4, store4, ROWS4, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	HEIGHT_SUPER(height3, loop3, store3, ROWS3, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	HEIGHT_SUPER(height2, loop2, store2, ROWS2, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE) \
	HEIGHT_SUPER(height1, loop1, store1, ROWS1, bytes, aBytes, ZERO, BLOCK, FINISH, PLUS, STORE)

// 512-bit vectors, 6 rows × 32 columns:
//
//	Z0 to Z11    S0, S1: sums of the block, two for each row
//	Z12 to Z23   F0, F1: sums of the blocks before
//	Z24, Z25     a group of b
//	Z26          a group of a; after the block, its scale
//	Z28, Z29     scales of the columns
//	Z30, Z31     products of scales
//
// AT is the row of a, and o an offset in it.

#define ROWS_Z1(OP, o) OP(o, Z0, Z1, Z12, Z13, (A0))
#define ROWS_Z2(OP, o) ROWS_Z1(OP, o); OP(o, Z2, Z3, Z14, Z15, (A0)(AROW*1))
#define ROWS_Z3(OP, o) ROWS_Z2(OP, o); OP(o, Z4, Z5, Z16, Z17, (A0)(AROW*2))
#define ROWS_Z4(OP, o) ROWS_Z3(OP, o); OP(o, Z6, Z7, Z18, Z19, (A3))
#define ROWS_Z5(OP, o) ROWS_Z4(OP, o); OP(o, Z8, Z9, Z20, Z21, (A3)(AROW*1))
#define ROWS_Z6(OP, o) ROWS_Z5(OP, o); OP(o, Z10, Z11, Z22, Z23, (A3)(AROW*2))

#define START_Z(o, S0, S1, F0, F1, AT) \
	PREFETCHT0 (ADD)    \
	PREFETCHT0 64(ADD)  \
	ADDQ    ADDROW, ADD \
	VMOVUPS (P), F0     \
	VMOVUPS 64(P), F1   \
	ADDQ    PROW, P

#define PLUS_Z(o, S0, S1, F0, F1, AT) \
	VADDPS (ADD), F0, F0   \
	VADDPS 64(ADD), F1, F1 \
	ADDQ   ADDROW, ADD

#define STORE_Z(o, S0, S1, F0, F1, AT) \
	VMOVUPS F0, (P)     \
	VMOVUPS F1, 64(P)   \
	ADDQ    PROW, P

#define BEGIN_Z(o, S0, S1, F0, F1, AT) \
	VPBROADCASTD AT, S0 \
	VMOVDQA64    S0, S1

#define CLEAR_Z(o, S0, S1, F0, F1, AT) \
	VPXORD S0, S0, S0 \
	VPXORD S1, S1, S1

#define ROW_Z(o, S0, S1, F0, F1, AT) \
	VPBROADCASTD (o)AT, Z26 \
	VPDPBUSD Z26, Z24, S0  \
	VPDPBUSD Z26, Z25, S1

#define SCALE_Z(o, S0, S1, F0, F1, AT) \
	VBROADCASTSS 4 AT, Z26    \
	VCVTDQ2PS   S0, S0        \
	VCVTDQ2PS   S1, S1        \
	VMULPS      Z28, Z26, Z30 \
	VMULPS      Z29, Z26, Z31 \
	VFMADD231PS Z30, S0, F0   \
	VFMADD231PS Z31, S1, F1

#define OFFSET_Z(o, S0, S1, F0, F1, AT) \
	VBROADCASTSS AT, Z26     \
	VFMADD231PS Z30, Z26, F0 \
	VFMADD231PS Z31, Z26, F1

// GROUP_Z is the group of four inputs whose weights are at b and activations at o; FOUR_Z
// is four groups.
#define GROUP_Z(b, o, ROWS, OP) \
	VMOVDQU64 (b)(B), Z24    \
	VMOVDQU64 (b+64)(B), Z25 \
	ROWS(OP, o)

#define FOUR_Z(b, o, ROWS, OP) \
	GROUP_Z(b, o, ROWS, OP)        \
	GROUP_Z(b+128, o+4, ROWS, OP)  \
	GROUP_Z(b+256, o+8, ROWS, OP)  \
	GROUP_Z(b+384, o+12, ROWS, OP)

#define LOAD_SCALES_Z(b) \
	VMOVUPS (b)(B), Z28    \
	VMOVUPS (b+64)(B), Z29

#define BLOCK32_Z(ROWS) \
	ROWS(BEGIN_Z, 0)             \
	FOUR_Z(128, 8, ROWS, ROW_Z)  \
	FOUR_Z(640, 24, ROWS, ROW_Z) \
	LOAD_SCALES_Z(0)             \
	ROWS(SCALE_Z, 0)

#define BLOCK32_OFFSETS_Z(ROWS) \
	ROWS(CLEAR_Z, 0)             \
	FOUR_Z(256, 8, ROWS, ROW_Z)  \
	FOUR_Z(768, 24, ROWS, ROW_Z) \
	LOAD_SCALES_Z(0)             \
	ROWS(SCALE_Z, 0)             \
	VMOVUPS 128(B), Z30          \
	VMOVUPS 192(B), Z31          \
	ROWS(OFFSET_Z, 0)

// With a single row, the kernel waits for weights from memory: BLOCK32_FETCH_Z prefetches
// those of the next page.
#define BLOCK32_FETCH_Z(ROWS) \
	ROWS(BEGIN_Z, 0)                   \
	PREFETCHT0 4096(B)                 \
	PREFETCHT0 4160(B)                 \
	FOUR_Z(128, 8, ROWS, ROW_FETCH_Z)  \
	FOUR_Z(640, 24, ROWS, ROW_FETCH_Z) \
	LOAD_SCALES_Z(0)                   \
	ROWS(SCALE_Z, 0)

#define ROW_FETCH_Z(o, S0, S1, F0, F1, AT) \
	ROW_Z(o, S0, S1, F0, F1, AT)   \
	PREFETCHT0 (3968+32*(o))(B)    \
	PREFETCHT0 (4032+32*(o))(B)

// Superblocks. F0 and F1 are integers until their end; then Z24 and Z25 are the offsets of
// the columns, B is at the pairs, and a at its trailer.

#define ZERO_Z(o, S0, S1, F0, F1, AT) \
	VPXORD F0, F0, F0 \
	VPXORD F1, F1, F1

#define FACTOR_Z(o, S0, S1, F0, F1, AT) \
	VPMULLD Z28, S0, S0 \
	VPMULLD Z29, S1, S1 \
	VPADDD  S0, F0, F0  \
	VPADDD  S1, F1, F1

#define PAIR_Z(o, S0, S1, F0, F1, AT) \
	VPBROADCASTD (o)AT, Z26 \
	VPDPWSSD Z24, Z26, S0  \
	VPDPWSSD Z25, Z26, S1

#define FINISH_Z(F0, F1, AT) \
	VBROADCASTSS AT, Z26       \
	VCVTDQ2PS   F0, F0         \
	VCVTDQ2PS   F1, F1         \
	VMULPS      Z28, Z26, Z30  \
	VMULPS      Z29, Z26, Z31  \
	VFMADD213PS (P), Z30, F0   \
	VFMADD213PS 64(P), Z31, F1 \
	ADDQ        PROW, P

#define FINISH16_Z(o, S0, S1, F0, F1, AT) \
	VPSLLD $7, S0, S0   \
	VPSLLD $7, S1, S1   \
	VPSUBD S0, F0, F0   \
	VPSUBD S1, F1, F1   \
	FINISH_Z(F0, F1, AT)

#define FINISH32_Z(o, S0, S1, F0, F1, AT) \
	FINISH_Z(F0, F1, AT)      \
	VCVTDQ2PS   S0, S0        \
	VCVTDQ2PS   S1, S1        \
	VMULPS      Z24, Z26, Z30 \
	VMULPS      Z25, Z26, Z31 \
	VFMADD231PS Z30, S0, F0   \
	VFMADD231PS Z31, S1, F1

#define SUPER16_Z(ROWS) \
	ROWS(CLEAR_Z, 0)            \
	FOUR_Z(128, 0, ROWS, ROW_Z) \
	LOAD_SCALES_Z(0)            \
	ROWS(FACTOR_Z, 0)

#define SUPER32_Z(ROWS) \
	ROWS(CLEAR_Z, 0)             \
	FOUR_Z(128, 0, ROWS, ROW_Z)  \
	FOUR_Z(640, 16, ROWS, ROW_Z) \
	LOAD_SCALES_Z(0)             \
	ROWS(FACTOR_Z, 0)

#define END16_Z(ROWS) \
	ROWS(CLEAR_Z, 0)              \
	FOUR_Z(0, 32, ROWS, PAIR_Z)   \
	FOUR_Z(512, 48, ROWS, PAIR_Z) \
	LOAD_SCALES_Z(1024)           \
	ROWS(FINISH16_Z, 0)

#define END32_Z(ROWS) \
	ROWS(CLEAR_Z, 0)            \
	FOUR_Z(0, 32, ROWS, PAIR_Z) \
	LOAD_SCALES_Z(512)          \
	VMOVUPS 640(B), Z24         \
	VMOVUPS 704(B), Z25         \
	ROWS(FINISH32_Z, 0)

#define HEIGHTS_Z(bytes, aBytes, BLOCK, BLOCK1) \
	HEIGHTS(ROWS_Z6, ROWS_Z5, ROWS_Z4, ROWS_Z3, ROWS_Z2, ROWS_Z1, bytes, aBytes, START_Z, BLOCK, BLOCK1, PLUS_Z, STORE_Z)

#define HEIGHTS_SUPER_Z(bytes, aBytes, BLOCK, FINISH) \
	HEIGHTS_SUPER(ROWS_Z6, ROWS_Z5, ROWS_Z4, ROWS_Z3, ROWS_Z2, ROWS_Z1, bytes, aBytes, ZERO_Z, BLOCK, FINISH, PLUS_Z, STORE_Z)

// func blocks32AVX512VNNI(t *blockTile)
TEXT ·blocks32AVX512VNNI(SB), NOSPLIT, $0-8
	HEIGHTS_Z(1152, 40, BLOCK32_Z, BLOCK32_FETCH_Z)

// func blocks32OffsetsAVX512VNNI(t *blockTile)
TEXT ·blocks32OffsetsAVX512VNNI(SB), NOSPLIT, $0-8
	HEIGHTS_Z(1280, 40, BLOCK32_OFFSETS_Z, BLOCK32_OFFSETS_Z)

// func super16AVX512VNNI(t *blockTile)
TEXT ·super16AVX512VNNI(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER_Z(640, 16, SUPER16_Z, END16_Z)

// func super32OffsetsAVX512VNNI(t *blockTile)
TEXT ·super32OffsetsAVX512VNNI(SB), NOSPLIT, $0-8
	HEIGHTS_SUPER_Z(1152, 32, SUPER32_Z, END32_Z)

// 256-bit vectors, 6 rows × 16 columns:
//
//	Y0 to Y11    S0, S1: sums of the block, two for each row
//	Y12, Y13     a group of b; after the block, products of scales
//	Y14          a group of a; after the block, its scale
//	Y15          free
//
// The sums of the blocks before are on the stack, 64 bytes a row, at f. AT is the row of a,
// and o an offset in it; vex and modrm are bytes of VPDPBUSD into S0.

#define ROWS_Y1(OP, o) OP(o, Y0, Y1, 0, (A0), 0xc2, 0xc6)
#define ROWS_Y2(OP, o) ROWS_Y1(OP, o); OP(o, Y2, Y3, 64, (A0)(AROW*1), 0xc2, 0xd6)
#define ROWS_Y3(OP, o) ROWS_Y2(OP, o); OP(o, Y4, Y5, 128, (A0)(AROW*2), 0xc2, 0xe6)
#define ROWS_Y4(OP, o) ROWS_Y3(OP, o); OP(o, Y6, Y7, 192, (A3), 0xc2, 0xf6)
#define ROWS_Y5(OP, o) ROWS_Y4(OP, o); OP(o, Y8, Y9, 256, (A3)(AROW*1), 0x42, 0xc6)
#define ROWS_Y6(OP, o) ROWS_Y5(OP, o); OP(o, Y10, Y11, 320, (A3)(AROW*2), 0x42, 0xd6)

#define START_Y(o, S0, S1, f, AT, vex, modrm) \
	PREFETCHT0 (ADD)        \
	ADDQ    ADDROW, ADD     \
	VMOVUPS (P), Y12        \
	VMOVUPS 32(P), Y13      \
	VMOVUPS Y12, f(SP)      \
	VMOVUPS Y13, (f+32)(SP) \
	ADDQ    PROW, P

#define PLUS_Y(o, S0, S1, f, AT, vex, modrm) \
	VMOVUPS f(SP), Y12        \
	VMOVUPS (f+32)(SP), Y13   \
	VADDPS  (ADD), Y12, Y12   \
	VADDPS  32(ADD), Y13, Y13 \
	VMOVUPS Y12, f(SP)        \
	VMOVUPS Y13, (f+32)(SP)   \
	ADDQ    ADDROW, ADD

#define STORE_Y(o, S0, S1, f, AT, vex, modrm) \
	VMOVUPS f(SP), Y12      \
	VMOVUPS (f+32)(SP), Y13 \
	VMOVUPS Y12, (P)        \
	VMOVUPS Y13, 32(P)      \
	ADDQ    PROW, P

#define BEGIN_Y(o, S0, S1, f, AT, vex, modrm) \
	VPBROADCASTD AT, S0 \
	VMOVDQA      S0, S1

#define CLEAR_Y(o, S0, S1, f, AT, vex, modrm) \
	VPXOR S0, S0, S0 \
	VPXOR S1, S1, S1

// ROW_VNNI has VPDPBUSD Y14, Y12, S0 and VPDPBUSD Y14, Y13, S1 in their VEX form,
// which the assembler does not know: S0 += u8(Y12)·s8(Y14), by fours.
#define ROW_VNNI(o, S0, S1, f, AT, vex, modrm) \
	VPBROADCASTD (o)AT, Y14 \
	BYTE $0xc4; BYTE $vex; BYTE $0x1d; BYTE $0x50; BYTE $modrm \
	BYTE $0xc4; BYTE $vex; BYTE $0x15; BYTE $0x50; BYTE $(modrm+8)

#define ROW_AVX2(o, S0, S1, f, AT, vex, modrm) \
	VPBROADCASTD (o)AT, Y14 \
	VPMADDWD Y12, Y14, Y15  \
	VPADDD   Y15, S0, S0    \
	VPMADDWD Y13, Y14, Y14  \
	VPADDD   Y14, S1, S1

#define SCALE_Y(o, S0, S1, f, AT, vex, modrm) \
	VBROADCASTSS 4 AT, Y14          \
	VCVTDQ2PS   S0, S0              \
	VCVTDQ2PS   S1, S1              \
	VMULPS      (B), Y14, Y12       \
	VMULPS      32(B), Y14, Y13     \
	VFMADD213PS f(SP), Y12, S0      \
	VFMADD213PS (f+32)(SP), Y13, S1 \
	VMOVUPS     S0, f(SP)           \
	VMOVUPS     S1, (f+32)(SP)

#define OFFSET_Y(o, S0, S1, f, AT, vex, modrm) \
	VBROADCASTSS AT, Y14             \
	VMOVUPS 64(B), Y12               \
	VMOVUPS 96(B), Y13               \
	VFMADD213PS f(SP), Y14, Y12      \
	VFMADD213PS (f+32)(SP), Y14, Y13 \
	VMOVUPS Y12, f(SP)               \
	VMOVUPS Y13, (f+32)(SP)

// GROUP_Y is a group of four inputs, or a pair of 16-bit ones, whose weights are at b and
// activations at o; GROUP_AVX2 is one of two inputs. FOUR_… are four groups.
#define GROUP_Y(b, o, ROWS, OP) \
	VMOVDQU (b)(B), Y12    \
	VMOVDQU (b+32)(B), Y13 \
	ROWS(OP, o)

#define FOUR_Y(b, o, ROWS, OP) \
	GROUP_Y(b, o, ROWS, OP)       \
	GROUP_Y(b+64, o+4, ROWS, OP)  \
	GROUP_Y(b+128, o+8, ROWS, OP) \
	GROUP_Y(b+192, o+12, ROWS, OP)

#define GROUP_AVX2(b, o, ROWS) \
	VPMOVSXBW (b)(B), Y12    \
	VPMOVSXBW (b+16)(B), Y13 \
	ROWS(ROW_AVX2, o)

#define FOUR_AVX2(b, o, ROWS) \
	GROUP_AVX2(b, o, ROWS)       \
	GROUP_AVX2(b+32, o+4, ROWS)  \
	GROUP_AVX2(b+64, o+8, ROWS)  \
	GROUP_AVX2(b+96, o+12, ROWS)

// WHOLE_… are the 32 inputs of a block.
#define WHOLE_VNNI(b, o, ROWS) \
	FOUR_Y(b, o, ROWS, ROW_VNNI)        \
	FOUR_Y(b+256, o+16, ROWS, ROW_VNNI)

#define WHOLE_AVX2(b, o, ROWS) \
	FOUR_AVX2(b, o, ROWS)        \
	FOUR_AVX2(b+128, o+16, ROWS) \
	FOUR_AVX2(b+256, o+32, ROWS) \
	FOUR_AVX2(b+384, o+48, ROWS)

#define BLOCK32_Y(ROWS, WHOLE) \
	ROWS(BEGIN_Y, 0)   \
	WHOLE(64, 8, ROWS) \
	ROWS(SCALE_Y, 0)

#define BLOCK32_OFFSETS_Y(ROWS, WHOLE) \
	ROWS(CLEAR_Y, 0)    \
	WHOLE(128, 8, ROWS) \
	ROWS(SCALE_Y, 0)    \
	ROWS(OFFSET_Y, 0)

#define BLOCK32_VNNI(ROWS) BLOCK32_Y(ROWS, WHOLE_VNNI)
#define BLOCK32_AVX2(ROWS) BLOCK32_Y(ROWS, WHOLE_AVX2)
#define BLOCK32_OFFSETS_VNNI(ROWS) BLOCK32_OFFSETS_Y(ROWS, WHOLE_VNNI)
#define BLOCK32_OFFSETS_AVX2(ROWS) BLOCK32_OFFSETS_Y(ROWS, WHOLE_AVX2)

// Superblocks. The sums on the stack are integers until their end; then B is at the pairs,
// if there are any, and a at its trailer.

#define ZERO_Y(o, S0, S1, f, AT, vex, modrm) \
	VPXOR   Y12, Y12, Y12 \
	VMOVDQU Y12, f(SP)    \
	VMOVDQU Y12, (f+32)(SP)

#define FACTOR_Y(o, S0, S1, f, AT, vex, modrm) \
	VPMULLD (B), S0, S0        \
	VPMULLD 32(B), S1, S1      \
	VPADDD  f(SP), S0, S0      \
	VPADDD  (f+32)(SP), S1, S1 \
	VMOVDQU S0, f(SP)          \
	VMOVDQU S1, (f+32)(SP)

// FINISH_Y leaves the row's numbers in Y12 and Y13, and its scale in Y14. The scales of
// the columns are at scales(B).
#define FINISH_Y(f, AT, scales) \
	VBROADCASTSS AT, Y14                 \
	VCVTDQ2PS   f(SP), Y12               \
	VCVTDQ2PS   (f+32)(SP), Y13          \
	VMULPS      scales(B), Y14, Y15      \
	VFMADD213PS (P), Y15, Y12            \
	VMULPS      (scales+32)(B), Y14, Y15 \
	VFMADD213PS 32(P), Y15, Y13          \
	ADDQ        PROW, P

#define FINISH16_VNNI(o, S0, S1, f, AT, vex, modrm) \
	VMOVDQU f(SP), Y12      \
	VMOVDQU (f+32)(SP), Y13 \
	VPSLLD  $7, S0, S0      \
	VPSLLD  $7, S1, S1      \
	VPSUBD  S0, Y12, Y12    \
	VPSUBD  S1, Y13, Y13    \
	VMOVDQU Y12, f(SP)      \
	VMOVDQU Y13, (f+32)(SP) \
	FINISH_Y(f, AT, 512)    \
	VMOVUPS Y12, f(SP)      \
	VMOVUPS Y13, (f+32)(SP)

#define FINISH16_AVX2(o, S0, S1, f, AT, vex, modrm) \
	FINISH_Y(f, AT, 0)      \
	VMOVUPS Y12, f(SP)      \
	VMOVUPS Y13, (f+32)(SP)

#define FINISH32_Y(o, S0, S1, f, AT, vex, modrm) \
	FINISH_Y(f, AT, 256)          \
	VCVTDQ2PS   S0, S0            \
	VCVTDQ2PS   S1, S1            \
	VMULPS      320(B), Y14, Y15  \
	VFMADD231PS Y15, S0, Y12      \
	VMULPS      352(B), Y14, Y15  \
	VFMADD231PS Y15, S1, Y13      \
	VMOVUPS     Y12, f(SP)        \
	VMOVUPS     Y13, (f+32)(SP)

#define SUPER16_VNNI(ROWS) \
	ROWS(CLEAR_Y, 0)             \
	FOUR_Y(64, 0, ROWS, ROW_VNNI) \
	ROWS(FACTOR_Y, 0)

#define SUPER16_AVX2(ROWS) \
	ROWS(CLEAR_Y, 0)         \
	FOUR_AVX2(64, 0, ROWS)   \
	FOUR_AVX2(192, 16, ROWS) \
	ROWS(FACTOR_Y, 0)

#define SUPER32_VNNI(ROWS) \
	ROWS(CLEAR_Y, 0)        \
	WHOLE_VNNI(64, 0, ROWS) \
	ROWS(FACTOR_Y, 0)

#define SUPER32_AVX2(ROWS) \
	ROWS(CLEAR_Y, 0)        \
	WHOLE_AVX2(64, 0, ROWS) \
	ROWS(FACTOR_Y, 0)

// Pairs are multiplied like 16-bit activations with AVX2.
#define END16_VNNI(ROWS) \
	ROWS(CLEAR_Y, 0)                \
	FOUR_Y(0, 32, ROWS, ROW_AVX2)   \
	FOUR_Y(256, 48, ROWS, ROW_AVX2) \
	ROWS(FINISH16_VNNI, 0)

#define END16_AVX2(ROWS) ROWS(FINISH16_AVX2, 0)

#define END32_Y(ROWS) \
	ROWS(CLEAR_Y, 0)              \
	FOUR_Y(0, 32, ROWS, ROW_AVX2) \
	ROWS(FINISH32_Y, 0)

#define HEIGHTS_Y(bytes, aBytes, BLOCK) \
	HEIGHTS(ROWS_Y6, ROWS_Y5, ROWS_Y4, ROWS_Y3, ROWS_Y2, ROWS_Y1, bytes, aBytes, START_Y, BLOCK, BLOCK, PLUS_Y, STORE_Y)

#define HEIGHTS_SUPER_Y(bytes, aBytes, BLOCK, FINISH) \
	HEIGHTS_SUPER(ROWS_Y6, ROWS_Y5, ROWS_Y4, ROWS_Y3, ROWS_Y2, ROWS_Y1, bytes, aBytes, ZERO_Y, BLOCK, FINISH, PLUS_Y, STORE_Y)

// func blocks32AVXVNNI(t *blockTile)
TEXT ·blocks32AVXVNNI(SB), 0, $384-8
	HEIGHTS_Y(576, 40, BLOCK32_VNNI)

// func blocks32OffsetsAVXVNNI(t *blockTile)
TEXT ·blocks32OffsetsAVXVNNI(SB), 0, $384-8
	HEIGHTS_Y(640, 40, BLOCK32_OFFSETS_VNNI)

// func blocks32AVX2(t *blockTile)
TEXT ·blocks32AVX2(SB), 0, $384-8
	HEIGHTS_Y(576, 72, BLOCK32_AVX2)

// func blocks32OffsetsAVX2(t *blockTile)
TEXT ·blocks32OffsetsAVX2(SB), 0, $384-8
	HEIGHTS_Y(640, 72, BLOCK32_OFFSETS_AVX2)

// func super16AVXVNNI(t *blockTile)
TEXT ·super16AVXVNNI(SB), 0, $384-8
	HEIGHTS_SUPER_Y(320, 16, SUPER16_VNNI, END16_VNNI)

// func super32OffsetsAVXVNNI(t *blockTile)
TEXT ·super32OffsetsAVXVNNI(SB), 0, $384-8
	HEIGHTS_SUPER_Y(576, 32, SUPER32_VNNI, END32_Y)

// func super16AVX2(t *blockTile)
TEXT ·super16AVX2(SB), 0, $384-8
	HEIGHTS_SUPER_Y(320, 32, SUPER16_AVX2, END16_AVX2)

// func super32OffsetsAVX2(t *blockTile)
TEXT ·super32OffsetsAVX2(SB), 0, $384-8
	HEIGHTS_SUPER_Y(576, 64, SUPER32_AVX2, END32_Y)
