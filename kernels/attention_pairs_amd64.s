//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The tile registers: T0 to T3 are the sums of 16 rows by 64 columns, T4 the rows'
// pairs of a group, T6 and T7 tiles of b. The assembler does not know the
// instructions.
#define LDTILECFG_AX BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00
#define TILERELEASE  BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0
#define TILEZERO(t)  BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $(0xc0+8*t)

// LOAD_A loads Tt from offset(AX), rows CX bytes apart; offset is below 128.
#define LOAD_A(t, offset) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x44+8*t); BYTE $0x08; BYTE $offset

// LOAD_B loads Tt from offset(base), rows DX bytes apart, where sib is LEFT or
// RIGHT.
#define LOAD_B(t, sib, offset) BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $sib; LONG $offset
#define LEFT  0x16 // (SI)(DX*1)
#define RIGHT 0x13 // (BX)(DX*1)

// STORE stores Tt at offset(DI), rows CX bytes apart.
#define STORE(t, offset) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $0x0f; LONG $offset

// TDPBF16PS is Tt += Ta·Tb.
#define TDPBF16PS(t, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7a-8*b); BYTE $0x5c; BYTE $(0xc0+8*t+a)

// palette 1; 16 rows of 64 bytes in each of the eight registers
DATA pairConfig<>+0(SB)/8, $1
DATA pairConfig<>+8(SB)/8, $0
DATA pairConfig<>+16(SB)/8, $0x0040004000400040
DATA pairConfig<>+24(SB)/8, $0x0040004000400040
DATA pairConfig<>+32(SB)/8, $0
DATA pairConfig<>+40(SB)/8, $0
DATA pairConfig<>+48(SB)/8, $0x1010101010101010
DATA pairConfig<>+56(SB)/8, $0
GLOBL pairConfig<>(SB), RODATA|NOPTR, $64

#define TERMS   R8  // the pairProduct
#define PANELS  R9  // panels left
#define GROUPS  R10 // groups left
#define BPANEL  R11 // bytes from panel to panel of b
#define PANEL   R12 // this panel of b
#define A       AX
#define ASTEP   CX  // bytes from row to row of a, later of y
#define BSTEP   DX
#define B0      SI  // this group of this panel
#define B1      BX  // of the next one
#define Y       DI

// PANEL_PRODUCTS adds the group's products with the two tiles of b to Tt and Tu.
#define PANEL_PRODUCTS(t, u, sib) \
	LOAD_B(6, sib, 0)    \
	TDPBF16PS(t, 4, 6)   \
	LOAD_B(7, sib, 1024) \
	TDPBF16PS(u, 4, 7)

#define START \
	MOVQ pairProduct_a(TERMS), A           \
	MOVQ pairProduct_aRow(TERMS), ASTEP    \
	MOVQ pairProduct_groups(TERMS), GROUPS \
	MOVQ PANEL, B0

// func multiplyPairsAMX(t *pairProduct)
TEXT ·multiplyPairsAMX(SB), NOSPLIT, $0-8
	LEAQ pairConfig<>(SB), AX
	LDTILECFG_AX
	MOVQ t+0(FP), TERMS
	MOVQ pairProduct_panels(TERMS), PANELS
	MOVQ pairProduct_b(TERMS), PANEL
	MOVQ pairProduct_bPanel(TERMS), BPANEL
	MOVQ pairProduct_y(TERMS), Y
	MOVQ $64, BSTEP
	SUBQ $2, PANELS
	JLT  one

two:
	START
	LEAQ (PANEL)(BPANEL*1), B1
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)

twoLoop:
	LOAD_A(4, 0)
	PANEL_PRODUCTS(0, 1, LEFT)
	PANEL_PRODUCTS(2, 3, RIGHT)
	ADDQ $64, A
	ADDQ $2048, B0
	ADDQ $2048, B1
	DECQ GROUPS
	JNZ  twoLoop
	MOVQ pairProduct_yRow(TERMS), ASTEP
	STORE(0, 0)
	STORE(1, 64)
	STORE(2, 128)
	STORE(3, 192)
	ADDQ $256, Y
	LEAQ (PANEL)(BPANEL*2), PANEL
	SUBQ $2, PANELS
	JGE  two
	CMPQ PANELS, $-2
	JEQ  done

one:
	START
	TILEZERO(0)
	TILEZERO(1)

oneLoop:
	LOAD_A(4, 0)
	PANEL_PRODUCTS(0, 1, LEFT)
	ADDQ $64, A
	ADDQ $2048, B0
	DECQ GROUPS
	JNZ  oneLoop
	MOVQ pairProduct_yRow(TERMS), ASTEP
	STORE(0, 0)
	STORE(1, 64)

done:
	TILERELEASE
	RET

#define NANS Z29
#define HALF Z30 // what rounds
#define MASK Z31 // the bits of a bfloat16 number in a float32 one

#define CONSTANTS \
	MOVL         $0x8000, AX     \
	VPBROADCASTD AX, HALF        \
	MOVL         $0xffff0000, AX \
	VPBROADCASTD AX, MASK        \
	MOVL         $0x7fc00000, AX \
	VPBROADCASTD AX, NANS

// ROUND is x, float32 numbers, rounded to bfloat16 ones, with K3 to use.
#define ROUND(x) \
	VCMPPS  $3, x, x, K3 \
	VPADDD  HALF, x, x   \
	VPANDD  MASK, x, x   \
	VMOVAPS NANS, K3, x

// PAIR is y = the bfloat16 numbers x and y, x first.
#define PAIR(x, y) \
	VPSRLD $16, x, x \
	VPORD  x, y, y

// MASKS is K1 and K2, the numbers of the left and the right half of a group that
// are among the first CX, below 32.
#define MASKS \
	MOVQ  $-1, AX \
	SHLQ  CX, AX  \
	NOTQ  AX      \
	KMOVW AX, K1  \
	SHRQ  $16, AX \
	KMOVW AX, K2

// ROUND_GROUP is the pairs of Z0 and Z1 to (R10).
#define ROUND_GROUP \
	ROUND(Z0)    \
	ROUND(Z1)    \
	PAIR(Z0, Z1) \
	VMOVUPS Z1, (R10)

// func roundRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, rows, cols int)
TEXT ·roundRowsAVX512(SB), NOSPLIT, $0-48
	CONSTANTS
	MOVQ dst+0(FP), DI
	MOVQ dstRow+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ srcRow+24(FP), R9
	MOVQ rows+32(FP), DX
	MOVQ cols+40(FP), CX
	MOVQ CX, BX
	ANDQ $31, CX
	MASKS

row:
	MOVQ DI, R10
	MOVQ SI, R11
	MOVQ BX, R12
	SUBQ $32, R12
	JLT  rest

group:
	VMOVUPS (R11), Z0
	VMOVUPS 64(R11), Z1
	ROUND_GROUP
	ADDQ    $64, R10
	ADDQ    $128, R11
	SUBQ    $32, R12
	JGE     group

rest:
	CMPQ R12, $-32
	JEQ  next
	VMOVUPS.Z (R11), K1, Z0
	VMOVUPS.Z 64(R11), K2, Z1
	ROUND_GROUP

next:
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ DX
	JNZ  row
	VZEROUPPER
	RET

// func roundPairsAVX512(dst, src *float32, row uintptr, rows, cols int)
TEXT ·roundPairsAVX512(SB), NOSPLIT, $0-40
	CONSTANTS
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  row+16(FP), R8
	MOVQ  rows+24(FP), R9
	MOVQ  cols+32(FP), CX
	MASKS
	MOVQ  R8, DX
	SHLQ  $4, DX
	ADDQ  SI, DX  // row 16
	MOVQ  $16, R10

pair:
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	CMPQ   R9, $0
	JLE    write
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	ROUND(Z0)
	ROUND(Z1)
	CMPQ   R9, $16
	JLE    write
	VMOVUPS.Z (DX), K1, Z2
	VMOVUPS.Z 64(DX), K2, Z3
	ROUND(Z2)
	ROUND(Z3)

write:
	PAIR(Z0, Z2)
	PAIR(Z1, Z3)
	VMOVUPS Z2, (DI)
	VMOVUPS Z3, 1024(DI)
	ADDQ $64, DI
	ADDQ R8, SI
	ADDQ R8, DX
	DECQ R9
	DECQ R10
	JNZ  pair
	VZEROUPPER
	RET

// func addWeighedAVX512(w *weighedSum)
TEXT ·addWeighedAVX512(SB), NOSPLIT, $0-8
	MOVQ w+0(FP), R8
	MOVQ weighedSum_y(R8), DI
	MOVQ weighedSum_x(R8), SI
	MOVQ weighedSum_before(R8), R9
	MOVQ weighedSum_after(R8), R10
	MOVQ weighedSum_rows(R8), R11
	MOVQ weighedSum_cols(R8), CX
	ANDQ $15, CX
	MOVQ $-1, AX
	SHLQ CX, AX
	NOTQ AX
	KMOVW AX, K1 // the columns after the last whole vector

row:
	VPXORD Z8, Z8, Z8
	TESTQ  R9, R9
	JZ     noBefore
	VBROADCASTSS (R9), Z8
	ADDQ   $softmaxState__size, R9
noBefore:
	MOVL   $0x3f800000, AX
	VPBROADCASTD AX, Z9
	TESTQ  R10, R10
	JZ     noAfter
	VBROADCASTSS (R10), Z9
	ADDQ   $softmaxState__size, R10
noAfter:
	MOVQ weighedSum_cols(R8), CX
	MOVQ DI, BX
	MOVQ SI, DX
	SUBQ $16, CX
	JLT  tail

vector:
	VMOVUPS (DX), Z0
	TESTQ   R9, R9
	JZ      begin
	VMULPS  (BX), Z8, Z1
	VADDPS  Z1, Z0, Z0
begin:
	VMULPS  Z9, Z0, Z0
	VMOVUPS Z0, (BX)
	ADDQ    $64, DX
	ADDQ    $64, BX
	SUBQ    $16, CX
	JGE     vector

tail:
	CMPQ    CX, $-16
	JEQ     next
	VMOVUPS.Z (DX), K1, Z0
	TESTQ   R9, R9
	JZ      beginTail
	VMOVUPS.Z (BX), K1, Z1
	VMULPS  Z1, Z8, Z1
	VADDPS  Z1, Z0, Z0
beginTail:
	VMULPS  Z9, Z0, Z0
	VMOVUPS Z0, K1, (BX)

next:
	ADDQ weighedSum_yRow(R8), DI
	ADDQ weighedSum_xRow(R8), SI
	DECQ R11
	JNZ  row
	VZEROUPPER
	RET
