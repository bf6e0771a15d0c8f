//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The tile registers: T0 to T3 are the sums of 16 rows by 64 columns, T4 and T5
// the rows' hi and lo numbers of a group, T6 and T7 tiles of b. The assembler does
// not know the instructions.
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
DATA splitConfig<>+0(SB)/8, $1
DATA splitConfig<>+8(SB)/8, $0
DATA splitConfig<>+16(SB)/8, $0x0040004000400040
DATA splitConfig<>+24(SB)/8, $0x0040004000400040
DATA splitConfig<>+32(SB)/8, $0
DATA splitConfig<>+40(SB)/8, $0
DATA splitConfig<>+48(SB)/8, $0x1010101010101010
DATA splitConfig<>+56(SB)/8, $0
GLOBL splitConfig<>(SB), RODATA|NOPTR, $64

#define TERMS   R8  // the splitProduct
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

// HI_LO adds the group's products with two tiles of b, hi and lo, to Tt.
#define HI_LO(t, u, sib) \
	LOAD_B(6, sib, 0)       \
	TDPBF16PS(t, 4, 6)      \
	LOAD_B(7, sib, 1024)    \
	TDPBF16PS(u, 4, 7)      \
	TDPBF16PS(t, 5, 6)      \
	TDPBF16PS(u, 5, 7)      \
	LOAD_B(6, sib, 2048)    \
	TDPBF16PS(t, 4, 6)      \
	LOAD_B(7, sib, 3072)    \
	TDPBF16PS(u, 4, 7)

#define START \
	MOVQ splitProduct_a(TERMS), A         \
	MOVQ splitProduct_aRow(TERMS), ASTEP  \
	MOVQ splitProduct_groups(TERMS), GROUPS \
	MOVQ PANEL, B0

// func multiplySplitAMX(t *splitProduct)
TEXT ·multiplySplitAMX(SB), NOSPLIT, $0-8
	LEAQ splitConfig<>(SB), AX
	LDTILECFG_AX
	MOVQ t+0(FP), TERMS
	MOVQ splitProduct_panels(TERMS), PANELS
	MOVQ splitProduct_b(TERMS), PANEL
	MOVQ splitProduct_bPanel(TERMS), BPANEL
	MOVQ splitProduct_y(TERMS), Y
	MOVQ $64, BSTEP

two:
	CMPQ PANELS, $2
	JLT  one
	START
	LEAQ (PANEL)(BPANEL*1), B1
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)

twoLoop:
	LOAD_A(4, 0)
	LOAD_A(5, 64)
	HI_LO(0, 1, LEFT)
	HI_LO(2, 3, RIGHT)
	ADDQ $128, A
	ADDQ $4096, B0
	ADDQ $4096, B1
	DECQ GROUPS
	JNZ  twoLoop
	MOVQ splitProduct_yRow(TERMS), ASTEP
	STORE(0, 0)
	STORE(1, 64)
	STORE(2, 128)
	STORE(3, 192)
	ADDQ $256, Y
	LEAQ (PANEL)(BPANEL*2), PANEL
	SUBQ $2, PANELS
	JNZ  two
	TILERELEASE
	RET

one:
	START
	TILEZERO(0)
	TILEZERO(1)

oneLoop:
	LOAD_A(4, 0)
	LOAD_A(5, 64)
	HI_LO(0, 1, LEFT)
	ADDQ $128, A
	ADDQ $4096, B0
	DECQ GROUPS
	JNZ  oneLoop
	MOVQ splitProduct_yRow(TERMS), ASTEP
	STORE(0, 0)
	STORE(1, 64)
	TILERELEASE
	RET

#define HALF Z30 // what rounds
#define MASK Z31 // the bits of a bfloat16 number in a float32 one

#define CONSTANTS \
	MOVL         $0x8000, AX     \
	VPBROADCASTD AX, HALF        \
	MOVL         $0xffff0000, AX \
	VPBROADCASTD AX, MASK

// SPLIT is hi, the bfloat16 number next to x, and lo = x − hi, both float32.
#define SPLIT(x, hi, lo) \
	VPADDD HALF, x, hi  \
	VPANDD MASK, hi, hi \
	VSUBPS hi, x, lo

// PAIR is y = the bfloat16 numbers x and y, x first. PAIR_LO has y cut off.
#define PAIR(x, y) \
	VPSRLD $16, x, x \
	VPORD  x, y, y

#define PAIR_LO(x, y) \
	VPANDD MASK, y, y \
	PAIR(x, y)

// func splitRowAVX512(dst, src *float32, n int)
TEXT ·splitRowAVX512(SB), NOSPLIT, $0-24
	CONSTANTS
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

group:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	SPLIT(Z0, Z2, Z4)
	SPLIT(Z1, Z3, Z5)
	PAIR(Z2, Z3)
	PAIR_LO(Z4, Z5)
	VMOVUPS Z3, (DI)
	VMOVUPS Z5, 64(DI)
	ADDQ    $128, SI
	ADDQ    $128, DI
	SUBQ    $32, CX
	JNZ     group
	VZEROUPPER
	RET

// func splitPairAVX512(dst, x, y *float32, width int)
TEXT ·splitPairAVX512(SB), NOSPLIT, $0-32
	CONSTANTS
	MOVQ  dst+0(FP), DI
	MOVQ  x+8(FP), SI
	MOVQ  y+16(FP), DX
	MOVQ  width+24(FP), CX
	MOVQ  $-1, AX
	SHLQ  CX, AX
	NOTQ  AX
	KMOVW AX, K1
	SHRQ  $16, AX
	KMOVW AX, K2
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	VMOVUPS.Z (DX), K1, Z6
	VMOVUPS.Z 64(DX), K2, Z7
	SPLIT(Z0, Z2, Z4)
	SPLIT(Z1, Z3, Z5)
	SPLIT(Z6, Z8, Z10)
	SPLIT(Z7, Z9, Z11)
	PAIR(Z2, Z8)
	PAIR(Z3, Z9)
	PAIR_LO(Z4, Z10)
	PAIR_LO(Z5, Z11)
	VMOVUPS Z8, (DI)
	VMOVUPS Z9, 1024(DI)
	VMOVUPS Z10, 2048(DI)
	VMOVUPS Z11, 3072(DI)
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
