//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "tiles_amd64.h"

// The tile registers: T0 to T3 are the sums of 32 rows by 32 columns, T4 and T5 pairs of a
// group of the rows, T6 and T7 tiles of b. The assembler does not know the instructions.

// LOAD loads Tt from offset bytes after the address in sib; STORE stores it there.
#define LOAD(t, sib, offset)  BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $sib; LONG $offset
#define STORE(t, sib, offset) BYTE $0xc4; BYTE $0xe2; BYTE $0x7a; BYTE $0x4b; BYTE $(0x84+8*t); BYTE $sib; LONG $offset
#define UPPER_A 0x08 // (AX)(CX*1)
#define LOWER_A 0x0b // (BX)(CX*1)
#define B_TILE  0x16 // (SI)(DX*1)
#define UPPER_Y 0x0f // (DI)(CX*1)
#define LOWER_Y 0x08 // (AX)(CX*1)

// TDPBF16PS is Tt += Ta·Tb.
#define TDPBF16PS(t, a, b) BYTE $0xc4; BYTE $0xe2; BYTE $(0x7a-8*b); BYTE $0x5c; BYTE $(0xc0+8*t+a)

#define TERMS  R8  // the bf16Product
#define PANELS R9  // panels left
#define GROUPS R10 // groups left
#define BPANEL R11 // bytes from panel to panel of b
#define PANEL  R12 // this panel of b
#define A      AX  // this group of rows 0 to 15
#define A16    BX  // and of rows 16 to 31
#define STEP   CX  // bytes from row to row of a or y
#define BSTEP  DX
#define B      SI  // this group of this panel
#define Y      DI  // this panel of rows 0 to 15
#define Y16    AX  // and of rows 16 to 31

// ROWS16 is lower = upper + 16 rows.
#define ROWS16(upper, lower) \
	MOVQ STEP, lower  \
	SHLQ $4, lower    \
	ADDQ upper, lower

// func multiplyBF16AMX(t *bf16Product)
TEXT ·multiplyBF16AMX(SB), NOSPLIT, $0-8
	LEAQ ·wholeTiles(SB), AX
	LDTILECFG_AX
	MOVQ t+0(FP), TERMS
	MOVQ bf16Product_panels(TERMS), PANELS
	MOVQ bf16Product_b(TERMS), PANEL
	MOVQ bf16Product_bPanel(TERMS), BPANEL
	MOVQ bf16Product_y(TERMS), Y
	MOVQ $64, BSTEP
	CMPQ bf16Product_rows(TERMS), $16
	JLE  few

panel:
	CMPB bf16Product_add(TERMS), $0
	JNE  old
	TILEZERO(0)
	TILEZERO(1)
	TILEZERO(2)
	TILEZERO(3)
	JMP  begin

old:
	MOVQ bf16Product_yRow(TERMS), STEP
	ROWS16(Y, Y16)
	LOAD(0, UPPER_Y, 0)
	LOAD(1, UPPER_Y, 64)
	LOAD(2, LOWER_Y, 0)
	LOAD(3, LOWER_Y, 64)

begin:
	MOVQ bf16Product_a(TERMS), A
	MOVQ bf16Product_aRow(TERMS), STEP
	ROWS16(A, A16)
	MOVQ bf16Product_groups(TERMS), GROUPS
	MOVQ PANEL, B

group:
	LOAD(4, UPPER_A, 0)
	LOAD(6, B_TILE, 0)
	TDPBF16PS(0, 4, 6)
	LOAD(7, B_TILE, 1024)
	TDPBF16PS(1, 4, 7)
	LOAD(5, LOWER_A, 0)
	TDPBF16PS(2, 5, 6)
	TDPBF16PS(3, 5, 7)
	ADDQ $64, A
	ADDQ $64, A16
	ADDQ $2048, B
	DECQ GROUPS
	JNZ  group
	MOVQ bf16Product_yRow(TERMS), STEP
	ROWS16(Y, Y16)
	STORE(0, UPPER_Y, 0)
	STORE(1, UPPER_Y, 64)
	STORE(2, LOWER_Y, 0)
	STORE(3, LOWER_Y, 64)
	ADDQ $128, Y
	ADDQ BPANEL, PANEL
	DECQ PANELS
	JNZ  panel
	JMP  done

few:
	CMPB bf16Product_add(TERMS), $0
	JNE  fewOld
	TILEZERO(0)
	TILEZERO(1)
	JMP  fewBegin

fewOld:
	MOVQ bf16Product_yRow(TERMS), STEP
	LOAD(0, UPPER_Y, 0)
	LOAD(1, UPPER_Y, 64)

fewBegin:
	MOVQ bf16Product_a(TERMS), A
	MOVQ bf16Product_aRow(TERMS), STEP
	MOVQ bf16Product_groups(TERMS), GROUPS
	MOVQ PANEL, B

fewGroup:
	LOAD(4, UPPER_A, 0)
	LOAD(6, B_TILE, 0)
	TDPBF16PS(0, 4, 6)
	LOAD(7, B_TILE, 1024)
	TDPBF16PS(1, 4, 7)
	ADDQ $64, A
	ADDQ $2048, B
	DECQ GROUPS
	JNZ  fewGroup
	MOVQ bf16Product_yRow(TERMS), STEP
	STORE(0, UPPER_Y, 0)
	STORE(1, UPPER_Y, 64)
	ADDQ $128, Y
	ADDQ BPANEL, PANEL
	DECQ PANELS
	JNZ  few

done:
	TILERELEASE
	RET

#undef TERMS
#undef PANELS
#undef GROUPS
#undef BPANEL
#undef PANEL
#undef A
#undef A16
#undef STEP
#undef BSTEP
#undef B
#undef Y
#undef Y16

// The sums of 12 rows by 32 columns, two vectors a row, stay in registers. Rows are taken
// in fours: rows that pad the last four exist, because tile registers take sixteen.

#define TERMS  R8  // the bf16Product
#define PANELS R9  // panels left
#define GROUPS R10 // groups left
#define AROW   R11 // bytes from row to row of a
#define YROW   R12 // and of y
#define ROWS   R13 // rows left
#define A0     AX  // this group of row 0; rows 1 and 2 are addressed from it
#define A3     BX  // of row 3; rows 4 and 5
#define A6     CX  // of row 6; rows 7 and 8
#define A9     DX  // of row 9; rows 10 and 11
#define B      SI  // this group of this panel
#define P      DI  // in y

// VDPBF16PS is Zs += Z26·Z24, or ·Z25, pair by pair; the assembler does not know it.
#define VDPBF16PS24(s) BYTE $0x62; BYTE $(0x92-(((s)&8)<<4)-((s)&16)); BYTE $0x3e; BYTE $0x40; BYTE $0x52; BYTE $(0xc2+(((s)&7)<<3))
#define VDPBF16PS25(s) BYTE $0x62; BYTE $(0x92-(((s)&8)<<4)-((s)&16)); BYTE $0x36; BYTE $0x40; BYTE $0x52; BYTE $(0xc2+(((s)&7)<<3))

// EACH4, EACH8 and EACH12 apply OP to that many rows; o is an offset in them.
#define EACH4(OP, o) \
	OP(o, 0, Z0, Z1, (A0))           \
	OP(o, 2, Z2, Z3, (A0)(AROW*1))   \
	OP(o, 4, Z4, Z5, (A0)(AROW*2))   \
	OP(o, 6, Z6, Z7, (A3))

#define EACH8(OP, o) \
	EACH4(OP, o)                     \
	OP(o, 8, Z8, Z9, (A3)(AROW*1))   \
	OP(o, 10, Z10, Z11, (A3)(AROW*2)) \
	OP(o, 12, Z12, Z13, (A6))        \
	OP(o, 14, Z14, Z15, (A6)(AROW*1))

#define EACH12(OP, o) \
	EACH8(OP, o)                      \
	OP(o, 16, Z16, Z17, (A6)(AROW*2)) \
	OP(o, 18, Z18, Z19, (A9))         \
	OP(o, 20, Z20, Z21, (A9)(AROW*1)) \
	OP(o, 22, Z22, Z23, (A9)(AROW*2))

#define CLEAR(o, s, S0, S1, AT) \
	VPXORD S0, S0, S0 \
	VPXORD S1, S1, S1

#define OLD(o, s, S0, S1, AT) \
	VMOVUPS (P), S0   \
	VMOVUPS 64(P), S1 \
	ADDQ    YROW, P

#define WRITE(o, s, S0, S1, AT) \
	VMOVUPS S0, (P)   \
	VMOVUPS S1, 64(P) \
	ADDQ    YROW, P

#define DOT(o, s, S0, S1, AT) \
	VPBROADCASTD (o)AT, Z26 \
	VDPBF16PS24(s)         \
	VDPBF16PS25(s+1)

// DOTS adds the products of pair i of a group.
#define DOTS(EACH, i) \
	VMOVUPS (64*i)(B), Z24      \
	VMOVUPS (1024+64*i)(B), Z25 \
	EACH(DOT, 4*i)

// HEIGHT is a panel of the rows of EACH. Nothing may jump forward to a PCALIGN: the
// assembler would not terminate.
#define HEIGHT(EACH, height, enter, old, group) \
enter: \
	MOVQ a-8(SP), A0      \
	LEAQ (AROW)(AROW*2), GROUPS \
	LEAQ (A0)(GROUPS*1), A3 \
	LEAQ (A3)(GROUPS*1), A6 \
	LEAQ (A6)(GROUPS*1), A9 \
	MOVQ panel-16(SP), B  \
	MOVQ y-24(SP), P      \
	MOVQ bf16Product_groups(TERMS), GROUPS \
	CMPB bf16Product_add(TERMS), $0 \
	JNE  old              \
	EACH(CLEAR, 0)        \
	JMP  group            \
old: \
	EACH(OLD, 0)          \
	PCALIGN $32           \
group: \
	DOTS(EACH, 0); DOTS(EACH, 1); DOTS(EACH, 2); DOTS(EACH, 3)     \
	DOTS(EACH, 4); DOTS(EACH, 5); DOTS(EACH, 6); DOTS(EACH, 7)     \
	DOTS(EACH, 8); DOTS(EACH, 9); DOTS(EACH, 10); DOTS(EACH, 11)   \
	DOTS(EACH, 12); DOTS(EACH, 13); DOTS(EACH, 14); DOTS(EACH, 15) \
	ADDQ $64, A0          \
	ADDQ $64, A3          \
	ADDQ $64, A6          \
	ADDQ $64, A9          \
	ADDQ $2048, B         \
	DECQ GROUPS           \
	JNZ  group            \
	MOVQ y-24(SP), P      \
	EACH(WRITE, 0)        \
	MOVQ P, y-24(SP)      \
	MOVQ AROW, A0         \
	IMULQ $height, A0     \
	ADDQ A0, a-8(SP)      \
	SUBQ $height, ROWS    \
	JGT  rows             \
	JMP  next

// func multiplyAVX512BF16(t *bf16Product)
TEXT ·multiplyAVX512BF16(SB), NOSPLIT, $32-8
	MOVQ t+0(FP), TERMS
	MOVQ bf16Product_panels(TERMS), PANELS
	MOVQ bf16Product_aRow(TERMS), AROW
	MOVQ bf16Product_yRow(TERMS), YROW
	MOVQ bf16Product_b(TERMS), B
	MOVQ B, panel-16(SP)
	MOVQ bf16Product_y(TERMS), P
	MOVQ P, firstY-32(SP)

panel:
	MOVQ bf16Product_rows(TERMS), ROWS
	MOVQ bf16Product_a(TERMS), A0
	MOVQ A0, a-8(SP)
	MOVQ firstY-32(SP), P
	MOVQ P, y-24(SP)

rows:
	CMPQ ROWS, $4
	JLE  height4
	CMPQ ROWS, $8
	JLE  height8
	HEIGHT(EACH12, 12, height12, old12, group12)
	HEIGHT(EACH8, 8, height8, old8, group8)
	HEIGHT(EACH4, 4, height4, old4, group4)

next:
	ADDQ $128, firstY-32(SP)
	MOVQ bf16Product_bPanel(TERMS), B
	ADDQ B, panel-16(SP)
	DECQ PANELS
	JNZ  panel
	VZEROUPPER
	RET

#undef TERMS
#undef PANELS
#undef GROUPS
#undef AROW
#undef YROW
#undef ROWS
#undef A0
#undef A3
#undef A6
#undef A9
#undef B
#undef P

#define NANS Z29
#define HALF Z30 // half a unit of a bfloat16 number, for rounding
#define MASK Z31 // the bits of a bfloat16 number in a float32 one

#define CONSTANTS \
	MOVL         $0x8000, AX     \
	VPBROADCASTD AX, HALF        \
	MOVL         $0xffff0000, AX \
	VPBROADCASTD AX, MASK        \
	MOVL         $0x7fc00000, AX \
	VPBROADCASTD AX, NANS

// ROUND rounds the float32 numbers in x to bfloat16, overwriting K3.
#define ROUND(x) \
	VCMPPS  $3, x, x, K3 \
	VPADDD  HALF, x, x   \
	VPANDD  MASK, x, x   \
	VMOVAPS NANS, K3, x

// PAIR is y = pairs of the bfloat16 numbers of x and y, x first.
#define PAIR(x, y) \
	VPSRLD $16, x, x \
	VPORD  x, y, y

// MASKS sets K1 and K2 to the first CX numbers of a group, below 32: K1 for its left half,
// K2 for the right one.
#define MASKS \
	MOVQ  $-1, AX \
	SHLQ  CX, AX  \
	NOTQ  AX      \
	KMOVW AX, K1  \
	SHRQ  $16, AX \
	KMOVW AX, K2

// ROUND_GROUP stores pairs of Z0 and Z1, times the factor in Z28, at (R10).
#define ROUND_GROUP \
	VMULPS Z28, Z0, Z0 \
	VMULPS Z28, Z1, Z1 \
	ROUND(Z0)    \
	ROUND(Z1)    \
	PAIR(Z0, Z1) \
	VMOVUPS Z1, (R10)

// func roundRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, rows, cols int, factor float32)
TEXT ·roundRowsAVX512(SB), NOSPLIT, $0-52
	CONSTANTS
	VBROADCASTSS factor+48(FP), Z28
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
	// Rows of activations are far apart: the hardware does not prefetch them.
	PREFETCHT0 (R11)(R9*8)
	PREFETCHT0 64(R11)(R9*8)
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

// func roundTilesAVX512(dst, src *float32, row uintptr, rows, cols int)
TEXT ·roundTilesAVX512(SB), NOSPLIT, $0-40
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
	PREFETCHT0 (SI)(R8*8)
	PREFETCHT0 64(SI)(R8*8)
	VMOVUPS.Z (SI), K1, Z0
	VMOVUPS.Z 64(SI), K2, Z1
	ROUND(Z0)
	ROUND(Z1)
	CMPQ   R9, $16
	JLE    write
	PREFETCHT0 (DX)(R8*8)
	PREFETCHT0 64(DX)(R8*8)
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

// func scaleRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, factor *float32, rows, cols int)
TEXT ·scaleRowsAVX512(SB), NOSPLIT, $0-56
	MOVQ  dst+0(FP), DI
	MOVQ  dstRow+8(FP), R8
	MOVQ  src+16(FP), SI
	MOVQ  srcRow+24(FP), R9
	MOVQ  factor+32(FP), R10
	MOVQ  rows+40(FP), R11
	MOVQ  cols+48(FP), R12
	MOVQ  R12, CX
	ANDQ  $15, CX
	MOVQ  $-1, AX
	SHLQ  CX, AX
	NOTQ  AX
	KMOVW AX, K1 // the columns after the last whole vector

row:
	CMPL (R10), $0x3f800000 // 1: nothing changes in place
	JNE  scale
	CMPQ SI, DI
	JEQ  next

scale:
	VBROADCASTSS (R10), Z8
	MOVQ DI, BX
	MOVQ SI, DX
	MOVQ R12, CX
	SUBQ $16, CX
	JLT  tail

vector:
	VMULPS  (DX), Z8, Z0
	VMOVUPS Z0, (BX)
	ADDQ    $64, DX
	ADDQ    $64, BX
	SUBQ    $16, CX
	JGE     vector

tail:
	CMPQ      CX, $-16
	JEQ       next
	VMOVUPS.Z (DX), K1, Z0
	VMULPS    Z8, Z0, Z0
	VMOVUPS   Z0, K1, (BX)

next:
	ADDQ $softmaxState__size, R10
	ADDQ R8, DI
	ADDQ R9, SI
	DECQ R11
	JNZ  row
	VZEROUPPER
	RET

// PREFETCHW prefetches the cache line of (BX) for writing; the assembler does not know it.
#define PREFETCHW BYTE $0x0f; BYTE $0x0d; BYTE $0x0b

// func prefetchRowsAMD64(p *float32, row uintptr, rows, bytes int)
TEXT ·prefetchRowsAMD64(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), DI
	MOVQ row+8(FP), R8
	MOVQ rows+16(FP), R11
	MOVQ bytes+24(FP), R12

row:
	MOVQ DI, BX
	MOVQ R12, CX

line:
	PREFETCHW
	ADDQ $64, BX
	SUBQ $64, CX
	JGT  line
	ADDQ R8, DI
	DECQ R11
	JNZ  row
	RET
