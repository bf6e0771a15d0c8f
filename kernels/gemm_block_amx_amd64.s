//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "tiles_amd64.h"

// The tile registers: T0 and T1 are the sums of the low plane, for 16 rows by 2 × 16
// columns, T2 and T3 those of the high plane; T4 is 64 inputs of the rows of a, T5 to T7
// are columns of b. The assembler does not know the instructions.
#define TILELOADD_A     BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x08             // (AX)(CX*1), T4
#define TILELOADD_LOW0  BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x16             // (SI)(DX*1), T5
#define TILELOADD_LOW1  BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x74; BYTE $0x16; BYTE $0x40 // 64(SI)(DX*1), T6
#define TILELOADD_HIGH0 BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x3c; BYTE $0x13             // (BX)(DX*1), T7
#define TILELOADD_HIGH1 BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x6c; BYTE $0x13; BYTE $0x40 // 64(BX)(DX*1), T5
#define TDPBSSD_T0      BYTE $0xc4; BYTE $0xe2; BYTE $0x53; BYTE $0x5e; BYTE $0xc4                         // T0 += s8(T4)·s8(T5)
#define TDPBSSD_T1      BYTE $0xc4; BYTE $0xe2; BYTE $0x4b; BYTE $0x5e; BYTE $0xcc                         // T1 += s8(T4)·s8(T6)
#define TDPBSSD_T2      BYTE $0xc4; BYTE $0xe2; BYTE $0x43; BYTE $0x5e; BYTE $0xd4                         // T2 += s8(T4)·s8(T7)
#define TDPBSSD_T3      BYTE $0xc4; BYTE $0xe2; BYTE $0x53; BYTE $0x5e; BYTE $0xdc                         // T3 += s8(T4)·s8(T5)
#define TILESTORED(t)   BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x10       // Tt, (AX)(DX*1)

#define TA      AX  // a, these inputs of the current rows; otherwise free
#define HIGH    BX  // the high plane, these inputs
#define AROW    CX  // bytes from row to row of a
#define BSTEP   DX  // bytes from row to row of b, and of the sums
#define LOW     SI  // the low plane, these inputs
#define COUNT   DI  // rows to finish in this step
#define PC      R8  // c, this pending row
#define PENDING R9  // rows of the previous tile that are not finished
#define YROW    R10 // bytes from row to row of y
#define STEPS   R11 // steps of 64 inputs left
#define PY      R12 // y, this pending row
#define PX      R13 // the trailer of a, this pending row
#define PTILE   R14 // the products' sums, this pending row
#define PADD    R15 // what is added, this pending row, or nil

// On the stack: these variables, then the sums of 16 rows by 32 columns of two planes,
// aligned to a cache line.
#define CROW   0(SP)  // bytes from row to row of c
#define ADDROW 8(SP)  // bytes from row to row of what is added
#define ROWS   16(SP) // rows that are not started
#define ANEXT  24(SP) // a, the next rows

// SUMS sets P to the start of the sums.
#define SUMS(P) \
	LEAQ 95(SP), P \
	ANDQ $~63, P

// VALUE is v = fma(float32(sum), scale·column scale, c), for the pending row.
#define VALUE \
	VPSLLD       $7, 2048(PTILE), Z0 \
	VPSLLD       $7, 2112(PTILE), Z1 \
	VPADDD       (PTILE), Z0, Z0     \
	VPADDD       64(PTILE), Z1, Z1   \
	VBROADCASTSS (PX), Z4            \
	VCVTDQ2PS    Z0, Z0              \
	VCVTDQ2PS    Z1, Z1              \
	VMULPS       Z24, Z4, Z5         \
	VMULPS       Z25, Z4, Z6         \
	VFMADD213PS  (PC), Z5, Z0        \
	VFMADD213PS  64(PC), Z6, Z1      \
	ADDQ         $128, PTILE         \
	ADDQ         CROW, PC

// OFFSET adds the products of the sums of blocks and their factors, times the row's scale
// and the offsets of the columns.
#define OFFSET \
	VPXORD       Z2, Z2, Z2          \
	VPXORD       Z3, Z3, Z3          \
	VPBROADCASTD 32(PX), Z7          \
	VPDPWSSD     Z16, Z7, Z2         \
	VPDPWSSD     Z17, Z7, Z3         \
	VPBROADCASTD 36(PX), Z8          \
	VPDPWSSD     Z18, Z8, Z2         \
	VPDPWSSD     Z19, Z8, Z3         \
	VPBROADCASTD 40(PX), Z7          \
	VPDPWSSD     Z20, Z7, Z2         \
	VPDPWSSD     Z21, Z7, Z3         \
	VPBROADCASTD 44(PX), Z8          \
	VPDPWSSD     Z22, Z8, Z2         \
	VPDPWSSD     Z23, Z8, Z3         \
	VCVTDQ2PS    Z2, Z2              \
	VCVTDQ2PS    Z3, Z3              \
	VMULPS       Z26, Z4, Z5         \
	VMULPS       Z27, Z4, Z6         \
	VFMADD231PS  Z5, Z2, Z0          \
	VFMADD231PS  Z6, Z3, Z1

#define STORE \
	ADDQ    AROW, PX       \
	VMOVUPS Z0, (PY)       \
	VMOVUPS Z1, 64(PY)     \
	ADDQ    YROW, PY

#define ADD \
	VADDPS (PADD), Z0, Z0   \
	VADDPS 64(PADD), Z1, Z1 \
	ADDQ   ADDROW, PADD

#define ROW16     VALUE; STORE
#define ROW16_ADD VALUE; ADD; STORE
#define ROW32     VALUE; OFFSET; STORE
#define ROW32_ADD VALUE; OFFSET; ADD; STORE

#define PRODUCTS \
	TILELOADD_A     \
	TILELOADD_LOW0  \
	TDPBSSD_T0      \
	TILELOADD_LOW1  \
	TDPBSSD_T1      \
	TILELOADD_HIGH0 \
	TDPBSSD_T2      \
	TILELOADD_HIGH1 \
	TDPBSSD_T3

// TILES is a kernel: it adds up the products of 16 rows and, while the tile registers work
// on them, finishes the 16 rows before.
#define TILES(rows, step, row, done, drain, ROW) \
rows:                        \
	TILEZERO(0)              \
	TILEZERO(1)              \
	TILEZERO(2)              \
	TILEZERO(3)              \
	MOVQ  ANEXT, TA          \
	MOVQ  t+0(FP), DI        \
	MOVQ  blockTile_b(DI), LOW \
	LEAQ  8192(LOW), HIGH    \
	MOVQ  $4, STEPS          \
step:                        \
	PRODUCTS                 \
	ADDQ  $64, TA            \
	ADDQ  $2048, LOW         \
	ADDQ  $2048, HIGH        \
	MOVQ  $4, COUNT          \
	TESTQ PENDING, PENDING   \
	JZ    done               \
row:                         \
	ROW                      \
	DECQ  PENDING            \
	JZ    done               \
	DECQ  COUNT              \
	JNZ   row                \
done:                        \
	DECQ  STEPS              \
	JNZ   step               \
	SUMS(TA)                 \
	MOVQ  TA, PTILE          \
	TILESTORED(0)            \
	ADDQ  $64, TA            \
	TILESTORED(1)            \
	ADDQ  $1984, TA          \
	TILESTORED(2)            \
	ADDQ  $64, TA            \
	TILESTORED(3)            \
	MOVQ  AROW, TA           \
	SHLQ  $4, TA             \
	ADDQ  TA, ANEXT          \
	MOVQ  $16, PENDING       \
	SUBQ  $16, ROWS          \
	JG    rows               \
	ADDQ  ROWS, PENDING      \
drain:                       \
	ROW                      \
	DECQ  PENDING            \
	JNZ   drain              \
	TILERELEASE              \
	VZEROUPPER               \
	RET

// BEGIN reads the tile, with ZF if nothing is added.
#define BEGIN \
	MOVQ    t+0(FP), DI              \
	LEAQ    ·wholeTiles(SB), AX    \
	LDTILECFG_AX                     \
	MOVQ    blockTile_b(DI), SI      \
	VMOVUPS 16384(SI), Z16           \
	VMOVUPS 16448(SI), Z17           \
	VMOVUPS 16512(SI), Z18           \
	VMOVUPS 16576(SI), Z19           \
	VMOVUPS 16640(SI), Z20           \
	VMOVUPS 16704(SI), Z21           \
	VMOVUPS 16768(SI), Z22           \
	VMOVUPS 16832(SI), Z23           \
	VMOVUPS 16896(SI), Z24           \
	VMOVUPS 16960(SI), Z25           \
	VMOVUPS 17024(SI), Z26           \
	VMOVUPS 17088(SI), Z27           \
	MOVQ    blockTile_a(DI), AX      \
	MOVQ    AX, ANEXT                \
	LEAQ    256(AX), PX              \
	MOVQ    blockTile_aRow(DI), AROW \
	MOVQ    blockTile_c(DI), PC      \
	MOVQ    blockTile_cRow(DI), AX   \
	MOVQ    AX, CROW                 \
	MOVQ    blockTile_addRow(DI), AX \
	MOVQ    AX, ADDROW               \
	MOVQ    blockTile_rows(DI), AX   \
	MOVQ    AX, ROWS                 \
	MOVQ    blockTile_y(DI), PY      \
	MOVQ    blockTile_yRow(DI), YROW \
	MOVQ    $128, BSTEP              \
	XORL    PENDING, PENDING         \
	MOVQ    blockTile_add(DI), PADD  \
	TESTQ   PADD, PADD

// func super32OffsetsAMX(t *blockTile)
TEXT ·super32OffsetsAMX(SB), 0, $4192-8
	BEGIN
	JNZ add
	TILES(rows, step, row, done, drain, ROW32)
add:
	TILES(rowsAdd, stepAdd, rowAdd, doneAdd, drainAdd, ROW32_ADD)

// func super16AMX(t *blockTile)
TEXT ·super16AMX(SB), 0, $4192-8
	BEGIN
	JNZ add
	TILES(rows, step, row, done, drain, ROW16)
add:
	TILES(rowsAdd, stepAdd, rowAdd, doneAdd, drainAdd, ROW16_ADD)

// Blocks of 32: T0 and T1 are the sums of a block, for 8 rows by 2 × 16 columns, T2 and T3
// those of the next one; T4 is 32 inputs of the rows of a, T5 and T6 are columns of b.
#define TDPBSSD_EVEN0   BYTE $0xc4; BYTE $0xe2; BYTE $0x53; BYTE $0x5e; BYTE $0xc4                         // T0 += s8(T4)·s8(T5)
#define TDPBSSD_EVEN1   BYTE $0xc4; BYTE $0xe2; BYTE $0x4b; BYTE $0x5e; BYTE $0xcc                         // T1 += s8(T4)·s8(T6)
#define TDPBSSD_ODD0    BYTE $0xc4; BYTE $0xe2; BYTE $0x53; BYTE $0x5e; BYTE $0xd4                         // T2 += s8(T4)·s8(T5)
#define TDPBSSD_ODD1    BYTE $0xc4; BYTE $0xe2; BYTE $0x4b; BYTE $0x5e; BYTE $0xdc                         // T3 += s8(T4)·s8(T6)
#define TILELOADD_ROWS  BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x64; BYTE $0x08; BYTE $0x08 // 8(AX)(CX*1), T4
#define TILELOADD_COLS0 BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x13             // (BX)(DX*1), T5
#define TILELOADD_COLS1 BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x74; BYTE $0x13; BYTE $0x40 // 64(BX)(DX*1), T6
#define TILESTORED0(t)  BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x17       // Tt, (DI)(DX*1)
#define TILESTORED64(t) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x44+8*t); BYTE $0x17; BYTE $0x40 // Tt, 64(DI)(DX*1)

#define X0     AX  // a, row 0, the current block
#define NUMBERS BX // b, the numbers of the current block
#define SCALES SI  // b, the scales of the block before it
#define PTILES DI  // the products' sums
#define Y0ROW  R8  // a, row 0, the block before
#define Y4ROW  R9  // a, row 4
#define AROW3  R10 // three times AROW
#define LEFT   R11 // blocks left
#define PIN    R12 // c, then y
#define PINROW R13 // bytes from row to row of it
#define ROWSLEFT R14
#define ANEXT8 R15 // a, the next rows

#define START8(F0, F1) \
	VMOVUPS (PIN), F0   \
	VMOVUPS 64(PIN), F1 \
	ADDQ    PINROW, PIN

#define STORE8(F0, F1) \
	VMOVUPS F0, (PIN)   \
	VMOVUPS F1, 64(PIN) \
	ADDQ    PINROW, PIN

#define PLUS8(F0, F1) \
	VADDPS (PIN), F0, F0   \
	VADDPS 64(PIN), F1, F1 \
	ADDQ   PINROW, PIN

// EACH8 applies STEP to the numbers of 8 rows.
#define EACH8(STEP) \
	STEP(Z8, Z9)   \
	STEP(Z10, Z11) \
	STEP(Z12, Z13) \
	STEP(Z14, Z15) \
	STEP(Z16, Z17) \
	STEP(Z18, Z19) \
	STEP(Z20, Z21) \
	STEP(Z22, Z23)

#define PRODUCTS8(t0, t1, FIRST, SECOND) \
	TILEZERO(t0)       \
	TILEZERO(t1)       \
	TILELOADD_ROWS     \
	TILELOADD_COLS0    \
	FIRST              \
	TILELOADD_COLS1    \
	SECOND             \
	ADDQ $40, X0       \
	ADDQ $1152, NUMBERS

#define EVEN8 PRODUCTS8(0, 1, TDPBSSD_EVEN0, TDPBSSD_EVEN1)
#define ODD8  PRODUCTS8(2, 3, TDPBSSD_ODD0, TDPBSSD_ODD1)

// SCALE8 adds the sums of a row, o bytes from PTILES, times the product of the row's scale
// and those of the columns.
#define SCALE8(o, scale, F0, F1) \
	VCVTDQ2PS   o(PTILES), Z0      \
	VCVTDQ2PS   (o+64)(PTILES), Z1 \
	VMULPS.BCST scale, Z24, Z2     \
	VMULPS.BCST scale, Z25, Z3     \
	VFMADD231PS Z2, Z0, F0         \
	VFMADD231PS Z3, Z1, F1

// BLOCK8 adds the sums of the block in tile registers t0 and t1.
#define BLOCK8(t0, t1) \
	TILESTORED0(t0)                              \
	TILESTORED64(t1)                             \
	VMOVUPS (SCALES), Z24                        \
	VMOVUPS 64(SCALES), Z25                      \
	SCALE8(0, 4(Y0ROW), Z8, Z9)                  \
	SCALE8(128, 4(Y0ROW)(AROW*1), Z10, Z11)      \
	SCALE8(256, 4(Y0ROW)(AROW*2), Z12, Z13)      \
	SCALE8(384, 4(Y0ROW)(AROW3*1), Z14, Z15)     \
	SCALE8(512, 4(Y4ROW), Z16, Z17)              \
	SCALE8(640, 4(Y4ROW)(AROW*1), Z18, Z19)      \
	SCALE8(768, 4(Y4ROW)(AROW*2), Z20, Z21)      \
	SCALE8(896, 4(Y4ROW)(AROW3*1), Z22, Z23)     \
	ADDQ $40, Y0ROW                              \
	ADDQ $40, Y4ROW                              \
	ADDQ $1152, SCALES

// func blocks32AMX(t *blockTile)
TEXT ·blocks32AMX(SB), 0, $1120-8
	MOVQ t+0(FP), DI
	LEAQ ·blockTiles(SB), AX
	LDTILECFG_AX
	MOVQ blockTile_aRow(DI), AROW
	LEAQ (AROW)(AROW*2), AROW3
	MOVQ blockTile_a(DI), ANEXT8
	MOVQ blockTile_rows(DI), ROWSLEFT
	MOVQ $128, BSTEP
	MOVQ blockTile_c(DI), AX
	MOVQ AX, 0(SP)
	MOVQ blockTile_y(DI), AX
	MOVQ AX, 8(SP)
	MOVQ blockTile_add(DI), AX
	MOVQ AX, 16(SP)

rows:
	MOVQ t+0(FP), DI
	MOVQ 0(SP), PIN
	MOVQ blockTile_cRow(DI), PINROW
	EACH8(START8)
	MOVQ PIN, 0(SP)
	MOVQ ANEXT8, X0
	MOVQ ANEXT8, Y0ROW
	LEAQ (ANEXT8)(AROW*4), Y4ROW
	LEAQ (ANEXT8)(AROW*8), ANEXT8
	MOVQ blockTile_b(DI), SCALES
	LEAQ 128(SCALES), NUMBERS
	MOVQ blockTile_blocks(DI), LEFT
	LEAQ 95(SP), PTILES
	ANDQ $~63, PTILES
	EVEN8
	DECQ LEFT
	JZ   even

blocks:
	// The tile registers work on a block while the previous one is added.
	ODD8
	BLOCK8(0, 1)
	DECQ LEFT
	JZ   odd
	EVEN8
	BLOCK8(2, 3)
	DECQ LEFT
	JNZ  blocks

even:
	BLOCK8(0, 1)
	JMP end

odd:
	BLOCK8(2, 3)

end:
	MOVQ  t+0(FP), DI
	MOVQ  16(SP), PIN
	TESTQ PIN, PIN
	JZ    store
	MOVQ  blockTile_addRow(DI), PINROW
	EACH8(PLUS8)
	MOVQ  PIN, 16(SP)

store:
	MOVQ 8(SP), PIN
	MOVQ blockTile_yRow(DI), PINROW
	EACH8(STORE8)
	MOVQ PIN, 8(SP)
	SUBQ $8, ROWSLEFT
	JG   rows
	TILERELEASE
	VZEROUPPER
	RET

#define SIGNED(o) \
	VPXORQ    (128+o)(SI), Z31, Z0    \
	VPXORQ    (192+o)(SI), Z31, Z1    \
	VMOVDQU64 Z0, (128+o)(DI)         \
	VMOVDQU64 Z1, (192+o)(DI)

// func signedAVX512(dst, src *int8, blocks int)
TEXT ·signedAVX512(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVL $0x80808080, AX
	VPBROADCASTD AX, Z31

block:
	VMOVDQU64 (SI), Z0
	VMOVDQU64 64(SI), Z1
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	SIGNED(0)
	SIGNED(128)
	SIGNED(256)
	SIGNED(384)
	SIGNED(512)
	SIGNED(640)
	SIGNED(768)
	SIGNED(896)
	ADDQ $1152, SI
	ADDQ $1152, DI
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// Shuffles of the 16-bit factors of 16 columns, sign-extended to 32 bits, to match the bytes
// of the columns, four each, in the order of VPUNPCKLBW and VPUNPCKHBW.
DATA spreadLow<>+0(SB)/8, $0x0100010001000100
DATA spreadLow<>+8(SB)/8, $0x0504050405040504
GLOBL spreadLow<>(SB), RODATA|NOPTR, $16
DATA spreadHigh<>+0(SB)/8, $0x0908090809080908
DATA spreadHigh<>+8(SB)/8, $0x0d0c0d0c0d0c0d0c
GLOBL spreadHigh<>(SB), RODATA|NOPTR, $16

// FACTORS spreads the factors of 16 columns to L and H, and twice the factors to L2 and H2.
#define FACTORS(o, L, H, L2, H2) \
	VPMOVSXBD o(R8), Z0    \
	VPSHUFB   Z30, Z0, L   \
	VPSHUFB   Z31, Z0, H   \
	VPADDW    L, L, L2     \
	VPADDW    H, H, H2

// SPLIT splits 16 columns by 4 inputs. Codes are widened to 256 times their value: the high
// half of the product with the double factor is then the product divided by 128, and the
// low half of the product with the factor is 256 times the product.
#define SPLIT(o, L, H, L2, H2) \
	VMOVDQU64  o(SI), Z0       \
	VPUNPCKLBW Z0, Z28, Z1     \
	VPUNPCKHBW Z0, Z28, Z2     \
	VPMULHW    L2, Z1, Z3      \
	VPMULHW    H2, Z2, Z4      \
	VPMULLW    L, Z1, Z1       \
	VPMULLW    H, Z2, Z2       \
	VPSRLW     $8, Z1, Z1      \
	VPSRLW     $8, Z2, Z2      \
	VPACKSSWB  Z4, Z3, Z3      \
	VPACKUSWB  Z2, Z1, Z1      \
	VPANDD     Z29, Z1, Z1     \
	VMOVDQU64  Z3, (8192+o)(DI) \
	VMOVDQU64  Z1, o(DI)

// func planesAVX512(low, codes *[8192]int8, factors *int8, groups int)
TEXT ·planesAVX512(SB), NOSPLIT, $0-32
	MOVQ low+0(FP), DI
	MOVQ codes+8(FP), SI
	MOVQ factors+16(FP), R8
	MOVQ groups+24(FP), R9
	LEAQ 8192(SI), R10
	VBROADCASTI32X4 spreadLow<>(SB), Z30
	VBROADCASTI32X4 spreadHigh<>(SB), Z31
	VPXORD Z28, Z28, Z28
	MOVL $0x7f7f7f7f, AX
	VPBROADCASTD AX, Z29

block:
	FACTORS(0, Z16, Z17, Z18, Z19)
	FACTORS(16, Z20, Z21, Z22, Z23)
	MOVQ R9, CX

group:
	SPLIT(0, Z16, Z17, Z18, Z19)
	SPLIT(64, Z20, Z21, Z22, Z23)
	ADDQ $128, SI
	ADDQ $128, DI
	DECQ CX
	JNZ  group
	ADDQ $32, R8
	CMPQ SI, R10
	JB   block
	VZEROUPPER
	RET
