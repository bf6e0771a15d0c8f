//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "tiles_amd64.h"

// The tile registers: T0 to T3 are the sums of 2 × 2 pieces of 16 rows by 16
// columns, T4 and T5 the rows of a, T6 and T7 the columns of b, 64 inputs each.
// The assembler does not know the instructions.
#define TILELOADD_A0      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x08             // (AX)(CX*1), T4
#define TILELOADD_A1      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x0b             // (BX)(CX*1), T5
#define TILELOADD_B0      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x34; BYTE $0x16             // (SI)(DX*1), T6
#define TILELOADD_B1      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x7c; BYTE $0x16; BYTE $0x40 // 64(SI)(DX*1), T7
#define TDPBSUD_T0        BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5e; BYTE $0xc4                         // T0 += s8(T4)·u8(T6)
#define TDPBSUD_T1        BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5e; BYTE $0xcc                         // T1 += s8(T4)·u8(T7)
#define TDPBSUD_T2        BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5e; BYTE $0xd5                         // T2 += s8(T5)·u8(T6)
#define TDPBSUD_T3        BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5e; BYTE $0xdd                         // T3 += s8(T5)·u8(T7)
#define TILESTORED(t, sib) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $sib       // Tt, (base)(DX*1)

#define TILE    DI  // the intTile, where nothing is counted
#define B       SI  // b, these inputs

// A is in tiles of 16 rows by 64 inputs, 1024 bytes each; those of the
// same rows follow one another.
#define TA0     AX  // a, rows 0 to 15, this tile; otherwise free
#define TA1     BX  // a, rows 16 to 31
#define ASTEP   CX  // bytes from row to row of a tile of a
#define BSTEP   DX  // bytes from row to row of b, and of the sums
#define COUNT   DI  // rows to finish in this step
#define INPUTS  R8  // inputs left
#define PENDING R9  // rows of the tile before this one that are to be finished
#define AHEAD   R10 // bytes from a row of y to that which is 32 rows below
#define PSCALES R11 // scales of the pending rows
#define PY      R12 // y, this pending row
#define PSUMS   R13 // where the sums of the pending rows begin
#define PTILE   R14 // the products' sums, this pending row
#define PADD    R15 // what is added, this pending row, or nil

// What has no register lies above the sums of 32 rows by 32 columns.
#define YSTEP   4096(SP) // bytes from row to row of y
#define ADDSTEP 4104(SP) // bytes from row to row of what is added
#define ROWS    4112(SP) // rows that are not begun
#define SHARE   4120(SP) // pending rows to finish in each step
#define ANEXT   4128(SP) // a, the next rows
#define AHALF   4136(SP) // bytes from TA0 to TA1
#define BNEXT   4144(SP) // what of the next panel of b is to be fetched

// SUM_T is the sum of the products of the pending row. Where activations have two
// terms, T0 and T1 are those of the first one, which count 64 times, and T2 and T3
// those of the second one, for the same 16 rows.
#define SUM_T \
	VPBROADCASTD (PSUMS), Z24       \
	VPADDD       (PTILE), Z24, Z0   \
	VPADDD       64(PTILE), Z24, Z1

#define SUM_TERMS_T \
	SUM_T                           \
	VPSLLD       $6, Z0, Z0         \
	VPSLLD       $6, Z1, Z1         \
	VPADDD       2048(PTILE), Z0, Z0 \
	VPADDD       2112(PTILE), Z1, Z1

// VALUE_T is v = float32(float32(sum)·float32(scale·column scale)) + bias, for
// the pending row, whose successor's place in y it fetches.
#define VALUE_T(SUM) \
	PREFETCHT0   (PY)(AHEAD*1)    \
	PREFETCHT0   64(PY)(AHEAD*1)  \
	SUM                           \
	VBROADCASTSS (PSCALES), Z25   \
	VCVTDQ2PS    Z0, Z0           \
	VCVTDQ2PS    Z1, Z1           \
	VMULPS       Z28, Z25, Z26    \
	VMULPS       Z29, Z25, Z27    \
	VMULPS       Z26, Z0, Z0      \
	VMULPS       Z27, Z1, Z1      \
	VADDPS       Z30, Z0, Z0      \
	VADDPS       Z31, Z1, Z1      \
	ADDQ         $4, PSUMS        \
	ADDQ         $4, PSCALES      \
	ADDQ         $128, PTILE

#define STORE_T(SUM) \
	VALUE_T(SUM)          \
	VMOVUPS Z0, (PY)      \
	VMOVUPS Z1, 64(PY)    \
	ADDQ    YSTEP, PY

#define STORE_ADD_T(SUM) \
	VALUE_T(SUM)             \
	VADDPS  (PADD), Z0, Z0   \
	VADDPS  64(PADD), Z1, Z1 \
	ADDQ    ADDSTEP, PADD    \
	VMOVUPS Z0, (PY)         \
	VMOVUPS Z1, 64(PY)       \
	ADDQ    YSTEP, PY

#define ROW_T           STORE_T(SUM_T)
#define ROW_ADD_T       STORE_ADD_T(SUM_T)
#define ROW_TERMS_T     STORE_T(SUM_TERMS_T)
#define ROW_ADD_TERMS_T STORE_ADD_T(SUM_TERMS_T)

#define PRODUCTS32 \
	TILELOADD_A0 \
	TILELOADD_B0 \
	TDPBSUD_T0   \
	TILELOADD_B1 \
	TDPBSUD_T1   \
	TILELOADD_A1 \
	TDPBSUD_T2   \
	TDPBSUD_T3

#define PRODUCTS16 \
	TILELOADD_A0 \
	TILELOADD_B0 \
	TDPBSUD_T0   \
	TILELOADD_B1 \
	TDPBSUD_T1

// PRODUCTS adds up the products of 32 or 16 rows and, while the tile registers
// work on them, finishes the rows before.
#define PRODUCTS(loop, row, done, drain, end, STEP, ROW) \
loop:                    \
	STEP                 \
	ADDQ  $1024, TA0     \
	ADDQ  $1024, TA1     \
	ADDQ  $2048, B       \
	MOVQ  BNEXT, COUNT   \
	PREFETCHT1 (COUNT)   \
	PREFETCHT1 64(COUNT) \
	PREFETCHT1 128(COUNT) \
	PREFETCHT1 192(COUNT) \
	ADDQ  $256, BNEXT    \
	MOVQ  SHARE, COUNT   \
	TESTQ PENDING, PENDING \
	JZ    done           \
row:                     \
	ROW                  \
	DECQ  PENDING        \
	JZ    done           \
	DECQ  COUNT          \
	JNZ   row            \
done:                    \
	SUBQ  $64, INPUTS    \
	JNZ   loop           \
	TESTQ PENDING, PENDING \
	JZ    end            \
drain:                   \
	ROW                  \
	DECQ  PENDING        \
	JNZ   drain          \
end:

// func tileAMX(t *intTile)
TEXT ·tileAMX(SB), 0, $4152-8
	MOVQ    t+0(FP), TILE
	LEAQ    ·wholeTiles(SB), AX
	LDTILECFG_AX
	MOVQ    intTile_colScales(TILE), AX
	VMOVUPS (AX), Z28
	VMOVUPS 64(AX), Z29
	MOVQ    intTile_bias(TILE), AX
	VMOVUPS (AX), Z30
	VMOVUPS 64(AX), Z31
	MOVQ    intTile_sums(TILE), PSUMS
	MOVQ    intTile_scales(TILE), PSCALES
	MOVQ    intTile_y(TILE), PY
	MOVQ    intTile_add(TILE), PADD
	MOVQ    intTile_addRow(TILE), AX
	MOVQ    AX, ADDSTEP
	MOVQ    intTile_rows(TILE), AX
	MOVQ    AX, ROWS
	MOVQ    intTile_a(TILE), AX
	MOVQ    AX, ANEXT
	MOVQ    intTile_yRow(TILE), AHEAD
	MOVQ    AHEAD, YSTEP
	SHLQ    $4, AHEAD
	CMPQ    intTile_terms(TILE), $2
	JEQ     share
	ADDQ    AHEAD, AHEAD

share:
	// The pending rows are shared out to the steps of 64 inputs.
	MOVQ intTile_depth(TILE), CX
	MOVQ CX, AX
	SHLQ $5, AX
	ADDQ intTile_b(TILE), AX
	MOVQ AX, BNEXT
	MOVQ CX, AX
	SHLQ $4, AX
	MOVQ AX, AHALF
	SHRQ $6, CX
	LEAQ 31(CX), AX
	XORL DX, DX
	DIVQ CX
	MOVQ AX, SHARE

	MOVQ $64, ASTEP
	MOVQ $128, BSTEP
	XORL PENDING, PENDING

rows:
	MOVQ t+0(FP), TILE
	MOVQ intTile_b(TILE), B
	MOVQ intTile_depth(TILE), INPUTS
	MOVQ ANEXT, TA0
	MOVQ AHALF, TA1
	ADDQ TA0, TA1
	TILEZERO(0)
	TILEZERO(1)
	CMPQ intTile_terms(TILE), $2
	JEQ  terms
	CMPQ ROWS, $16
	JLE  half
	TILEZERO(2)
	TILEZERO(3)
	TESTQ PADD, PADD
	JNZ  whole
	PRODUCTS(loop32, row32, done32, drain32, end32, PRODUCTS32, ROW_T)
	JMP  store

whole:
	PRODUCTS(loop32Add, row32Add, done32Add, drain32Add, end32Add, PRODUCTS32, ROW_ADD_T)

store:
	LEAQ 2048(SP), AX
	TILESTORED(2, 0x10)
	LEAQ 2112(SP), AX
	TILESTORED(3, 0x10)

storeHalf:
	LEAQ (SP), AX
	TILESTORED(0, 0x10)
	LEAQ 64(SP), AX
	TILESTORED(1, 0x10)
	LEAQ (SP), PTILE
	MOVQ $32, PENDING
	CMPQ ROWS, PENDING
	CMOVQLT ROWS, PENDING
	MOVQ AHALF, AX
	ADDQ AX, AX
	ADDQ AX, ANEXT
	SUBQ PENDING, ROWS
	JNZ  rows

	TESTQ PADD, PADD
	JNZ  lastAdd

last:
	ROW_T
	DECQ PENDING
	JNZ  last
	TILERELEASE
	VZEROUPPER
	RET

lastAdd:
	ROW_ADD_T
	DECQ PENDING
	JNZ  lastAdd
	TILERELEASE
	VZEROUPPER
	RET

terms: // 16 rows or less, both terms
	TILEZERO(2)
	TILEZERO(3)
	TESTQ PADD, PADD
	JNZ  termsAdd
	PRODUCTS(loopTerms, rowTerms, doneTerms, drainTerms, endTerms, PRODUCTS32, ROW_TERMS_T)
	JMP  storeTerms

termsAdd:
	PRODUCTS(loopTermsAdd, rowTermsAdd, doneTermsAdd, drainTermsAdd, endTermsAdd, PRODUCTS32, ROW_ADD_TERMS_T)

storeTerms:
	LEAQ (SP), AX
	TILESTORED(0, 0x10)
	LEAQ 64(SP), AX
	TILESTORED(1, 0x10)
	LEAQ 2048(SP), AX
	TILESTORED(2, 0x10)
	LEAQ 2112(SP), AX
	TILESTORED(3, 0x10)
	LEAQ (SP), PTILE
	MOVQ $16, PENDING
	CMPQ ROWS, PENDING
	CMOVQLT ROWS, PENDING
	MOVQ AHALF, AX
	ADDQ AX, AX
	ADDQ AX, ANEXT
	SUBQ PENDING, ROWS
	JNZ  rows

	TESTQ PADD, PADD
	JNZ  lastTermsAdd

lastTerms:
	ROW_TERMS_T
	DECQ PENDING
	JNZ  lastTerms
	TILERELEASE
	VZEROUPPER
	RET

lastTermsAdd:
	ROW_ADD_TERMS_T
	DECQ PENDING
	JNZ  lastTermsAdd
	TILERELEASE
	VZEROUPPER
	RET

half: // 16 rows or less
	TESTQ PADD, PADD
	JNZ  halfAdd
	PRODUCTS(loop16, row16, done16, drain16, end16, PRODUCTS16, ROW_T)
	JMP  storeHalf

halfAdd:
	PRODUCTS(loop16Add, row16Add, done16Add, drain16Add, end16Add, PRODUCTS16, ROW_ADD_T)
	JMP  storeHalf
