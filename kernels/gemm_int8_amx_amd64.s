//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "tiles_amd64.h"

// The tile registers: T0 to T3 are the sums of 2 × 2 pieces of 16 rows by 16 columns, T4 and
// T5 rows of a, T6 and T7 columns of b, 64 inputs each.
// The assembler does not know the instructions.
#define TILELOADD_A0      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x08             // (AX)(CX*1), T4
#define TILELOADD_A1      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x0b             // (BX)(CX*1), T5
#define TILELOADD_B0      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x34; BYTE $0x16             // (SI)(DX*1), T6
#define TILELOADD_B1      BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x7c; BYTE $0x16; BYTE $0x40 // 64(SI)(DX*1), T7
#define TDPBUSD_T0        BYTE $0xc4; BYTE $0xe2; BYTE $0x49; BYTE $0x5e; BYTE $0xc4                         // T0 += u8(T4)·s8(T6)
#define TDPBUSD_T1        BYTE $0xc4; BYTE $0xe2; BYTE $0x41; BYTE $0x5e; BYTE $0xcc                         // T1 += u8(T4)·s8(T7)
#define TDPBUSD_T2        BYTE $0xc4; BYTE $0xe2; BYTE $0x49; BYTE $0x5e; BYTE $0xd5                         // T2 += u8(T5)·s8(T6)
#define TDPBUSD_T3        BYTE $0xc4; BYTE $0xe2; BYTE $0x41; BYTE $0x5e; BYTE $0xdd                         // T3 += u8(T5)·s8(T7)
#define TILESTORED(t)     BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x04+8*t); BYTE $0x17       // Tt, (DI)(DX*1)

#define TILE    DI  // the intTile, while COUNT is not used
#define B       SI  // b, these inputs

// A is in tiles of 16 rows by 64 bytes, 1024 bytes each. The tiles of the same rows are
// consecutive, those of high bytes first.
#define TA0     AX  // a, rows 0 to 15, this tile; otherwise free
#define TA1     BX  // a, rows 16 to 31
#define ASTEP   CX  // bytes from row to row of a tile of a
#define BSTEP   DX  // bytes from row to row of b, and of the sums
#define COUNT   DI  // rows to finish in this step
#define PHIGH   R8  // the products' sums of high bytes, this pending row
#define PENDING R9  // rows of the previous tile that are not finished
#define AHEAD   R10 // bytes from a row of y to the one 32 rows below
#define PSCALES R11 // scales of the pending rows
#define PY      R12 // y, this pending row
#define PZEROS  R13 // zeros of the pending rows
#define PTILE   R14 // the products' sums, this pending row
#define PADD    R15 // what is added, this pending row, or nil

// On the stack: the sums of 32 rows by 32 columns; two more such areas for sums of high
// bytes, of the pending rows and of the rows before or after them; and these variables.
#define HIGH0    4096
#define HIGH1    8192
#define YSTEP    12288(SP) // bytes from row to row of y
#define ADDSTEP  12296(SP) // bytes from row to row of what is added
#define ROWS     12304(SP) // rows that are not started
#define SHARE    12312(SP) // pending rows to finish in each step
#define ANEXT    12320(SP) // a, the next rows
#define AHALF    12328(SP) // bytes from TA0 to TA1
#define BNEXT    12336(SP) // the part of the next panel of b to prefetch
#define INPUTS   12344(SP) // inputs left
#define PASSES   12352(SP) // 2 during the pass over high bytes
#define HIGHNEXT 12360(SP) // destination of the next rows' sums of high bytes

// SUM_T is the sum of the products of the pending row.
#define SUM_T \
	VPBROADCASTD (PZEROS), Z24     \
	VPADDD       (PHIGH), Z22, Z0  \
	VPADDD       64(PHIGH), Z23, Z1 \
	VPSLLD       $8, Z0, Z0        \
	VPSLLD       $8, Z1, Z1        \
	VPADDD       (PTILE), Z0, Z0   \
	VPADDD       64(PTILE), Z1, Z1 \
	VPMULLD      Z20, Z24, Z25     \
	VPMULLD      Z21, Z24, Z24     \
	VPADDD       Z25, Z0, Z0       \
	VPADDD       Z24, Z1, Z1

// VALUE_T is v = float32(float32(sum)·float32(scale·column scale)) + bias for the pending
// row. It prefetches the row of y 32 rows below.
#define VALUE_T \
	PREFETCHT0   (PY)(AHEAD*1)    \
	PREFETCHT0   64(PY)(AHEAD*1)  \
	SUM_T                         \
	VBROADCASTSS (PSCALES), Z25   \
	VCVTDQ2PS    Z0, Z0           \
	VCVTDQ2PS    Z1, Z1           \
	VMULPS       Z28, Z25, Z26    \
	VMULPS       Z29, Z25, Z27    \
	VMULPS       Z26, Z0, Z0      \
	VMULPS       Z27, Z1, Z1      \
	VADDPS       Z30, Z0, Z0      \
	VADDPS       Z31, Z1, Z1      \
	ADDQ         $4, PZEROS       \
	ADDQ         $4, PSCALES      \
	ADDQ         $128, PHIGH      \
	ADDQ         $128, PTILE

#define STORE_T \
	VMOVUPS Z0, (PY)      \
	VMOVUPS Z1, 64(PY)    \
	ADDQ    YSTEP, PY

#define ROW_T \
	VALUE_T               \
	STORE_T

#define ROW_ADD_T \
	VALUE_T                  \
	VADDPS  (PADD), Z0, Z0   \
	VADDPS  64(PADD), Z1, Z1 \
	ADDQ    ADDSTEP, PADD    \
	STORE_T

#define PRODUCTS16 \
	TILELOADD_A0 \
	TILELOADD_B0 \
	TDPBUSD_T0   \
	TILELOADD_B1 \
	TDPBUSD_T1

#define PRODUCTS32 \
	PRODUCTS16   \
	TILELOADD_A1 \
	TDPBUSD_T2   \
	TDPBUSD_T3

// PRODUCTS adds up the products of 32 or 16 rows and, while the tile registers work on
// them, finishes the rows before.
#define PRODUCTS(loop, row, done, STEP, ROW) \
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
	JNZ   loop

// STORE_TILES stores the sums of 32 rows by 32 columns at COUNT.
#define STORE_TILES \
	TILESTORED(0)     \
	ADDQ $64, COUNT   \
	TILESTORED(1)     \
	ADDQ $1984, COUNT \
	TILESTORED(2)     \
	ADDQ $64, COUNT   \
	TILESTORED(3)

// func tileAMX(t *intTile)
TEXT ·tileAMX(SB), 0, $12368-8
	MOVQ    t+0(FP), TILE
	LEAQ    ·wholeTiles(SB), AX
	LDTILECFG_AX
	MOVQ    intTile_colScales(TILE), AX
	VMOVUPS (AX), Z28
	VMOVUPS 64(AX), Z29
	MOVQ    intTile_bias(TILE), AX
	VMOVUPS (AX), Z30
	VMOVUPS 64(AX), Z31
	MOVQ    intTile_sums(TILE), AX
	VMOVUPS (AX), Z20
	VMOVUPS 64(AX), Z21
	MOVQ    intTile_zeros(TILE), PZEROS
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
	SHLQ    $5, AHEAD
	LEAQ    HIGH0(SP), AX
	MOVQ    AX, HIGHNEXT
	VPXORD  Z22, Z22, Z22
	VPXORD  Z23, Z23, Z23
	MOVQ    intTile_wideStart(TILE), CX
	CMPQ    intTile_wide(TILE), $0
	JNE     starts

	// There are no sums of high bytes: they are zeros.
	MOVQ $64, CX

blank:
	VMOVUPS Z22, (AX)
	VMOVUPS Z22, 64(AX)
	ADDQ    $128, AX
	DECQ    CX
	JNZ     blank
	JMP     share

starts:
	VMOVUPS (CX), Z22
	VMOVUPS 64(CX), Z23

share:
	// The pending rows are distributed over the steps of 64 inputs.
	MOVQ intTile_depth(TILE), CX
	MOVQ CX, AX
	SHLQ $5, AX
	ADDQ intTile_b(TILE), AX
	MOVQ AX, BNEXT
	MOVQ intTile_aRow(TILE), AX
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
	MOVQ ANEXT, TA0
	MOVQ AHALF, TA1
	ADDQ TA0, TA1
	MOVQ t+0(FP), TILE
	MOVQ $2, PASSES
	MOVQ intTile_bWide(TILE), B
	MOVQ intTile_wide(TILE), COUNT
	TESTQ COUNT, COUNT
	JNZ  pass

low:
	MOVQ t+0(FP), TILE
	MOVQ $1, PASSES
	MOVQ intTile_b(TILE), B
	MOVQ intTile_depth(TILE), COUNT

pass:
	MOVQ  COUNT, INPUTS
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	CMPQ  ROWS, $16
	JLE   half
	TESTQ PADD, PADD
	JNZ   whole
	PRODUCTS(loop32, row32, done32, PRODUCTS32, ROW_T)
	JMP   passed

whole:
	PRODUCTS(loop32Add, row32Add, done32Add, PRODUCTS32, ROW_ADD_T)
	JMP passed

half: // 16 rows or fewer
	TESTQ PADD, PADD
	JNZ   halfAdd
	PRODUCTS(loop16, row16, done16, PRODUCTS16, ROW_T)
	JMP   passed

halfAdd:
	PRODUCTS(loop16Add, row16Add, done16Add, PRODUCTS16, ROW_ADD_T)

passed:
	CMPQ PASSES, $2
	JNE  drain
	MOVQ HIGHNEXT, COUNT
	STORE_TILES
	JMP  low

	// Pending rows are finished before their sums are overwritten.
drain:
	TESTQ PENDING, PENDING
	JZ    drained
	TESTQ PADD, PADD
	JNZ   drainAdd

drainRow:
	ROW_T
	DECQ PENDING
	JNZ  drainRow
	JMP  drained

drainAdd:
	ROW_ADD_T
	DECQ PENDING
	JNZ  drainAdd

drained:
	CMPQ ROWS, $0
	JEQ  end
	LEAQ (SP), COUNT
	STORE_TILES

	LEAQ    (SP), PTILE
	MOVQ    HIGHNEXT, PHIGH
	LEAQ    HIGH0(SP), AX
	LEAQ    HIGH1(SP), BX
	CMPQ    AX, PHIGH
	CMOVQEQ BX, AX
	MOVQ    AX, HIGHNEXT
	MOVQ    $32, PENDING
	CMPQ    ROWS, PENDING
	CMOVQLT ROWS, PENDING
	MOVQ    AHALF, AX
	ADDQ    AX, AX
	ADDQ    AX, ANEXT
	SUBQ    PENDING, ROWS
	JNZ     rows
	JMP     drain

end:
	TILERELEASE
	VZEROUPPER
	RET
