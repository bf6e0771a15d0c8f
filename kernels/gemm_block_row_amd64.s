//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// A single row by a panel of superblocks: codes are multiplied as they arrive from memory,
// which limits the speed.

#define TILE    DI  // the blockTile
#define A       AX  // a, this block
#define TRAILER R8  // of this superblock of a
#define B       SI  // b, these codes
#define HEADER  R9  // of this window of b: the scales
#define FACTORS BX  // factors of this block's scales
#define OFFSETS CX  // factors of this block's offsets
#define WINDOWS R10 // windows left
#define BLOCKS  DX  // blocks left of this one
#define SUM     R11

//	Z0, Z1       sums of the block, columns 0 to 15 and 16 to 31
//	Z2, Z3       sums of the superblock
//	Z4, Z5       y
//	Z6 to Z10    codes, and intermediate values
//	Z11          inputs
//	Z12, Z13     sums of the offsets, columns 0 to 7 and 16 to 23, and the others
//	Z16          the low halves of bytes
//	Z17 to Z20   constants of 5- and 6-bit codes

// FETCH prefetches weights.
#define FETCH(o) PREFETCHT0 (4096+o)(B)

// HALVES is Z6 and Z7 = the low and the high halves of the 64 bytes at o.
#define HALVES(o) \
	VMOVDQU64 o(B), Z6   \
	VPSRLW $4, Z6, Z7    \
	VPANDD Z16, Z6, Z6   \
	VPANDD Z16, Z7, Z7

// MULTIPLY adds the products of the codes in Z6 and Z7 and the four inputs at ao.
#define MULTIPLY(ao) \
	VPBROADCASTD ao(A), Z11  \
	VPDPBUSD Z11, Z6, Z0     \
	VPDPBUSD Z11, Z7, Z1

#define RUN4(n) \
	HALVES(64*n)  \
	FETCH(64*n)   \
	MULTIPLY(4*n)

// Z17 and Z18 select the fifth bit of each code, and Z19 is its value.
#define RUN5(n) \
	HALVES(80*n)  \
	FETCH(80*n)   \
	VBROADCASTI32X4 (80*n+64)(B), Z8 \
	VPTESTMB Z17, Z8, K1      \
	VPTESTMB Z18, Z8, K2      \
	VPADDB   Z19, Z6, K1, Z6  \
	VPADDB   Z19, Z7, K2, Z7  \
	MULTIPLY(4*n)

// Z17 and Z18 shift the highest two bits of codes into position, and Z20 masks them.
#define RUN6(n) \
	HALVES(96*n)  \
	FETCH(96*n)   \
	FETCH(96*n+64) \
	VBROADCASTI64X4 (96*n+64)(B), Z8 \
	VPSLLVW Z17, Z8, Z9       \
	VPSRLVW Z18, Z8, Z10      \
	VPTERNLOGD $0xf8, Z20, Z9, Z6  \
	VPTERNLOGD $0xf8, Z20, Z10, Z7 \
	MULTIPLY(4*n)

// ADD_BLOCK adds the block's sums, times its factors.
#define ADD_BLOCK \
	VPMOVSXBD (FACTORS), Z6   \
	VPMOVSXBD 16(FACTORS), Z7 \
	VPMULLD Z6, Z0, Z0        \
	VPMULLD Z7, Z1, Z1        \
	VPADDD  Z0, Z2, Z2        \
	VPADDD  Z1, Z3, Z3        \
	ADDQ    $32, FACTORS

// ADD_OFFSETS adds the offsets of two blocks, times the sums of their inputs.
#define ADD_OFFSETS(n) \
	VMOVDQU (64*n)(OFFSETS), Y6    \
	VMOVDQU (64*n+32)(OFFSETS), Y7 \
	VPUNPCKLBW Y7, Y6, Y8          \
	VPUNPCKHBW Y7, Y6, Y9          \
	VPMOVSXBW Y8, Z8               \
	VPMOVSXBW Y9, Z9               \
	VPBROADCASTD (32+4*n)(TRAILER), Z11 \
	VPDPWSSD Z11, Z8, Z12          \
	VPDPWSSD Z11, Z9, Z13

#define BEGIN \
	MOVQ blockTile_a(TILE), A            \
	MOVQ blockTile_b(TILE), HEADER       \
	MOVQ blockTile_blocks(TILE), WINDOWS \
	MOVQ blockTile_c(TILE), R12          \
	VMOVUPS (R12), Z4                    \
	VMOVUPS 64(R12), Z5                  \
	MOVL $0x0f0f0f0f, R12                \
	VPBROADCASTD R12, Z16

// SCALE is y = fma(float32(sums), scale of a · scales of b, y), with the float16
// scales at o.
#define SCALE(S0, S1, o) \
	VCVTPH2PS o(HEADER), Z6        \
	VCVTPH2PS (o+32)(HEADER), Z7   \
	VBROADCASTSS (TRAILER), Z8     \
	VMULPS Z8, Z6, Z6              \
	VMULPS Z8, Z7, Z7              \
	VCVTDQ2PS S0, S0               \
	VCVTDQ2PS S1, S1               \
	VFMADD231PS Z6, S0, Z4         \
	VFMADD231PS Z7, S1, Z5

#define END \
	MOVQ  blockTile_add(TILE), R12 \
	TESTQ R12, R12                 \
	JZ    store                    \
	VADDPS (R12), Z4, Z4           \
	VADDPS 64(R12), Z5, Z5         \
store:                             \
	MOVQ  blockTile_y(TILE), R12   \
	VMOVUPS Z4, (R12)              \
	VMOVUPS Z5, 64(R12)            \
	VZEROUPPER                     \
	RET

// BLOCK32 is a block of 32 inputs.
#define BLOCK32(RUN, bytes) \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	RUN(0)            \
	RUN(1)            \
	RUN(2)            \
	RUN(3)            \
	RUN(4)            \
	RUN(5)            \
	RUN(6)            \
	RUN(7)            \
	ADD_BLOCK         \
	ADDQ $32, A       \
	ADDQ $bytes, B

// SUPER32 is the rest of a kernel for blocks of 32 with offsets.
#define SUPER32(RUN, bytes) \
window:                          \
	LEAQ  256(A), TRAILER        \
	LEAQ  128(HEADER), FACTORS   \
	LEAQ  384(HEADER), OFFSETS   \
	LEAQ  640(HEADER), B         \
	PREFETCHT0 4096(HEADER)      \
	PREFETCHT0 4160(HEADER)      \
	PREFETCHT0 4224(HEADER)      \
	PREFETCHT0 4288(HEADER)      \
	PREFETCHT0 4352(HEADER)      \
	PREFETCHT0 4416(HEADER)      \
	PREFETCHT0 4480(HEADER)      \
	PREFETCHT0 4544(HEADER)      \
	PREFETCHT0 4608(HEADER)      \
	PREFETCHT0 4672(HEADER)      \
	VPXORD Z2, Z2, Z2            \
	VPXORD Z3, Z3, Z3            \
	MOVQ  $8, BLOCKS             \
block:                           \
	BLOCK32(RUN, bytes)          \
	DECQ  BLOCKS                 \
	JNZ   block                  \
	SCALE(Z2, Z3, 0)             \
	VPXORD Z12, Z12, Z12         \
	VPXORD Z13, Z13, Z13         \
	ADD_OFFSETS(0)               \
	ADD_OFFSETS(1)               \
	ADD_OFFSETS(2)               \
	ADD_OFFSETS(3)               \
	VINSERTI64X4 $1, Y13, Z12, Z14   \
	VSHUFI64X2 $0xee, Z13, Z12, Z15  \
	SCALE(Z14, Z15, 64)          \
	LEAQ  64(TRAILER), A         \
	MOVQ  B, HEADER              \
	DECQ  WINDOWS                \
	JNZ   window                 \
	END

// func row4AVX512VNNI(t *blockTile)
TEXT ·row4AVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), TILE
	BEGIN
	SUPER32(RUN4, 512)

// func row5AVX512VNNI(t *blockTile)
TEXT ·row5AVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), TILE
	BEGIN
	VMOVDQU64 ·fifths+0(SB), Z17
	VMOVDQU64 ·fifths+64(SB), Z18
	MOVL $0x10101010, R12
	VPBROADCASTD R12, Z19
	SUPER32(RUN5, 640)

// Left shifts of the highest bits of 6-bit codes, for 32 bytes of words each: those of codes
// 0 to 63. The shifts of the other codes are 4 less.
DATA highLeft<>+0(SB)/8, $0x0004000400040004
DATA highLeft<>+8(SB)/8, $0x0004000400040004
DATA highLeft<>+16(SB)/8, $0x0004000400040004
DATA highLeft<>+24(SB)/8, $0x0004000400040004
DATA highLeft<>+32(SB)/8, $0x0002000200020002
DATA highLeft<>+40(SB)/8, $0x0002000200020002
DATA highLeft<>+48(SB)/8, $0x0002000200020002
DATA highLeft<>+56(SB)/8, $0x0002000200020002
GLOBL highLeft<>(SB), RODATA|NOPTR, $64

// func row6AVX512VNNI(t *blockTile)
TEXT ·row6AVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), TILE
	BEGIN
	VMOVDQU64 highLeft<>(SB), Z17
	MOVL $0x00040004, R12
	VPBROADCASTD R12, Z18
	VPSUBW Z17, Z18, Z18 // the others are shifted right
	MOVL $0x30303030, R12
	VPBROADCASTD R12, Z20

window:
	LEAQ  256(A), TRAILER
	LEAQ  64(HEADER), FACTORS
	LEAQ  576(HEADER), B
	PREFETCHT0 4096(HEADER)
	PREFETCHT0 4160(HEADER)
	PREFETCHT0 4224(HEADER)
	PREFETCHT0 4288(HEADER)
	PREFETCHT0 4352(HEADER)
	PREFETCHT0 4416(HEADER)
	PREFETCHT0 4480(HEADER)
	PREFETCHT0 4544(HEADER)
	PREFETCHT0 4608(HEADER)
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	XORQ  BLOCKS, BLOCKS

block:
	// A code is its value plus 32.
	MOVWLSX 32(TRAILER)(BLOCKS*2), SUM
	SHLL  $5, SUM
	NEGL  SUM
	VPBROADCASTD SUM, Z0
	VMOVDQA64 Z0, Z1
	RUN6(0)
	RUN6(1)
	RUN6(2)
	RUN6(3)
	ADD_BLOCK
	ADDQ  $16, A
	ADDQ  $384, B
	INCQ  BLOCKS
	CMPQ  BLOCKS, $16
	JNE   block
	SCALE(Z2, Z3, 0)
	LEAQ  64(TRAILER), A
	MOVQ  B, HEADER
	DECQ  WINDOWS
	JNZ   window
	END
