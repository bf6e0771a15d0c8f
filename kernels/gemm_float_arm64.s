//go:build !purego

#include "textflag.h"
#include "go_asm.h"

// The micro-kernels of floatTile for NEON, 6 rows of 16 columns: see
// gemm_float_amd64.s, whose order of operations this is. Row i sums in V(4i) to
// V(4i+3); V24 to V27 are the row of b, V28 to V31 numbers of a, each in element 0.

#define TILE     R0
#define A0       R1  // a, row 0; row 1 is reached from it
#define A2       R2  // a, row 2; row 3
#define A4       R3  // a, row 4; row 5
#define AROW     R4  // bytes from a row of a to the next
#define ACOL     R5  // bytes from an input of a to the next
#define BK       R6  // b, this input
#define BROW     R7  // bytes from an input of b to the next
#define K        R8  // inputs left
#define P        R9  // c, then y
#define PROW     R10 // bytes from row to row of it
#define PLUS     R11 // what is added to the sums, or nil
#define PLUSROW  R12 // bytes from row to row of it
#define AHEAD    R13 // what is fetched ahead, this input
#define AHEADROW R14 // bytes from input to input of it
#define BPANEL   R14 // wide kernels: bytes from a panel to the next
#define TMP      R15

// What the assembler has no name for. Operands are register numbers.
#define FMLA(d, n, m) WORD $(0x4F801000 | m<<16 | n<<5 | d)  // FMLA Vd.4S, Vn.4S, Vm.S[0]
#define FADD(d, n, m) WORD $(0x4E20D400 | m<<16 | n<<5 | d)  // FADD Vd.4S, Vn.4S, Vm.4S
#define FCVTL(d, n)   WORD $(0x0E217800 | n<<5 | d)          // FCVTL Vd.4S, Vn.4H
#define FCVTL2(d, n)  WORD $(0x4E217800 | n<<5 | d)          // FCVTL2 Vd.4S, Vn.8H
#define SHLL(d, n)    WORD $(0x2E613800 | n<<5 | d)          // SHLL Vd.4S, Vn.4H, #16
#define SHLL2(d, n)   WORD $(0x6E613800 | n<<5 | d)          // SHLL2 Vd.4S, Vn.8H, #16

#define LOAD_TILE \
	MOVD floatTile_a(TILE), A0            \
	MOVD floatTile_aRow(TILE), AROW       \
	MOVD floatTile_aCol(TILE), ACOL       \
	ADD  AROW<<1, A0, A2                  \
	ADD  AROW<<1, A2, A4                  \
	MOVD floatTile_b(TILE), BK            \
	MOVD floatTile_bRow(TILE), BROW       \
	MOVD floatTile_k(TILE), K             \
	MOVD floatTile_c(TILE), P             \
	MOVD floatTile_cRow(TILE), PROW       \
	MOVD floatTile_add(TILE), PLUS        \
	MOVD floatTile_addRow(TILE), PLUSROW  \
	MOVD floatTile_rows(TILE), TMP

// HEIGHT is a whole kernel of one height: sums from c, the loop over the inputs,
// the addition, the way to y.
#define HEIGHT(enter, loop, out, store, START, STEP, ADDITION, STORE) \
enter:                            \
	START                         \
	CBZ  K, out                   \
	PCALIGN $32                   \
loop:                             \
	STEP                          \
	ADD  ACOL, A0                 \
	ADD  ACOL, A2                 \
	ADD  ACOL, A4                 \
	ADD  BROW, BK                 \
	SUB  $1, K                    \
	CBNZ K, loop                  \
out:                              \
	MOVD floatTile_y(TILE), P     \
	MOVD floatTile_yRow(TILE), PROW \
	CBZ  PLUS, store              \
	ADDITION                      \
store:                            \
	STORE                         \
	RET

#define START1 VLD1 (P), [V0.S4, V1.S4, V2.S4, V3.S4]
#define START2 START1; ADD PROW, P; VLD1 (P), [V4.S4, V5.S4, V6.S4, V7.S4]
#define START3 START2; ADD PROW, P; VLD1 (P), [V8.S4, V9.S4, V10.S4, V11.S4]
#define START4 START3; ADD PROW, P; VLD1 (P), [V12.S4, V13.S4, V14.S4, V15.S4]
#define START5 START4; ADD PROW, P; VLD1 (P), [V16.S4, V17.S4, V18.S4, V19.S4]
#define START6 START5; ADD PROW, P; VLD1 (P), [V20.S4, V21.S4, V22.S4, V23.S4]

#define STEP1 FMOVS (A0), F28; FMLA(0, 24, 28); FMLA(1, 25, 28); FMLA(2, 26, 28); FMLA(3, 27, 28)
#define STEP2 STEP1; FMOVS (A0)(AROW), F29; FMLA(4, 24, 29); FMLA(5, 25, 29); FMLA(6, 26, 29); FMLA(7, 27, 29)
#define STEP3 STEP2; FMOVS (A2), F30; FMLA(8, 24, 30); FMLA(9, 25, 30); FMLA(10, 26, 30); FMLA(11, 27, 30)
#define STEP4 STEP3; FMOVS (A2)(AROW), F31; FMLA(12, 24, 31); FMLA(13, 25, 31); FMLA(14, 26, 31); FMLA(15, 27, 31)
#define STEP5 STEP4; FMOVS (A4), F28; FMLA(16, 24, 28); FMLA(17, 25, 28); FMLA(18, 26, 28); FMLA(19, 27, 28)
#define STEP6 STEP5; FMOVS (A4)(AROW), F29; FMLA(20, 24, 29); FMLA(21, 25, 29); FMLA(22, 26, 29); FMLA(23, 27, 29)

#define ADDITION1 VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(0, 0, 24); FADD(1, 1, 25); FADD(2, 2, 26); FADD(3, 3, 27)
#define ADDITION2 ADDITION1; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(4, 4, 24); FADD(5, 5, 25); FADD(6, 6, 26); FADD(7, 7, 27)
#define ADDITION3 ADDITION2; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(8, 8, 24); FADD(9, 9, 25); FADD(10, 10, 26); FADD(11, 11, 27)
#define ADDITION4 ADDITION3; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(12, 12, 24); FADD(13, 13, 25); FADD(14, 14, 26); FADD(15, 15, 27)
#define ADDITION5 ADDITION4; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(16, 16, 24); FADD(17, 17, 25); FADD(18, 18, 26); FADD(19, 19, 27)
#define ADDITION6 ADDITION5; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(20, 20, 24); FADD(21, 21, 25); FADD(22, 22, 26); FADD(23, 23, 27)

#define STORE1 VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (P)
#define STORE2 STORE1; ADD PROW, P; VST1 [V4.S4, V5.S4, V6.S4, V7.S4], (P)
#define STORE3 STORE2; ADD PROW, P; VST1 [V8.S4, V9.S4, V10.S4, V11.S4], (P)
#define STORE4 STORE3; ADD PROW, P; VST1 [V12.S4, V13.S4, V14.S4, V15.S4], (P)
#define STORE5 STORE4; ADD PROW, P; VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (P)
#define STORE6 STORE5; ADD PROW, P; VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (P)

// Ways to load a row of b.
#define LOAD_F32 VLD1 (BK), [V24.S4, V25.S4, V26.S4, V27.S4]
#define LOAD_F16 VLD1 (BK), [V26.H8, V27.H8]; FCVTL(24, 26); FCVTL2(25, 26); FCVTL(26, 27); FCVTL2(27, 27)
#define LOAD_BF16 VLD1 (BK), [V26.H8, V27.H8]; SHLL(24, 26); SHLL2(25, 26); SHLL(26, 27); SHLL2(27, 27)
#define LOADN_F32 VLD1 (TMP), [V24.S4, V25.S4, V26.S4, V27.S4]
#define LOADN_F16 VLD1 (TMP), [V26.H8, V27.H8]; FCVTL(24, 26); FCVTL2(25, 26); FCVTL(26, 27); FCVTL2(27, 27)
#define LOADN_BF16 VLD1 (TMP), [V26.H8, V27.H8]; SHLL(24, 26); SHLL2(25, 26); SHLL(26, 27); SHLL2(27, 27)

#define FETCH_AHEAD PRFM (AHEAD), PLDL2KEEP; ADD AHEADROW, AHEAD

// KERNEL is the kernel of all heights, for one way to load a row of b.
#define KERNEL(LOADB) \
	MOVD t+0(FP), TILE \
	LOAD_TILE \
	MOVD floatTile_ahead(TILE), AHEAD \
	MOVD floatTile_aheadRow(TILE), AHEADROW \
	CMP  $0, AHEAD \
	CSEL EQ, BK, AHEAD, AHEAD \
	CMP  $6, TMP \
	BEQ  rows6 \
	CMP  $5, TMP \
	BEQ  rows5 \
	CMP  $4, TMP \
	BEQ  rows4 \
	CMP  $3, TMP \
	BEQ  rows3 \
	CMP  $2, TMP \
	BEQ  rows2 \
	HEIGHT(rows1, loop1, out1, store1, START1, LOADB; FETCH_AHEAD; STEP1, ADDITION1, STORE1) \
	HEIGHT(rows2, loop2, out2, store2, START2, LOADB; FETCH_AHEAD; STEP2, ADDITION2, STORE2) \
	HEIGHT(rows3, loop3, out3, store3, START3, LOADB; FETCH_AHEAD; STEP3, ADDITION3, STORE3) \
	HEIGHT(rows4, loop4, out4, store4, START4, LOADB; FETCH_AHEAD; STEP4, ADDITION4, STORE4) \
	HEIGHT(rows5, loop5, out5, store5, START5, LOADB; FETCH_AHEAD; STEP5, ADDITION5, STORE5) \
	HEIGHT(rows6, loop6, out6, store6, START6, LOADB; FETCH_AHEAD; STEP6, ADDITION6, STORE6)

// The wide kernels are 1 to 3 rows of two panels, the second one
// floatTile.bPanel bytes behind the first. Row i sums in V(8i) to V(8i+7). LOADB
// loads from BK, LOADN from TMP.

#define WIDE_START1 VLD1 (P), [V0.S4, V1.S4, V2.S4, V3.S4]; ADD $64, P, TMP; VLD1 (TMP), [V4.S4, V5.S4, V6.S4, V7.S4]
#define WIDE_START2 WIDE_START1; ADD PROW, P; VLD1 (P), [V8.S4, V9.S4, V10.S4, V11.S4]; ADD $64, P, TMP; VLD1 (TMP), [V12.S4, V13.S4, V14.S4, V15.S4]
#define WIDE_START3 WIDE_START2; ADD PROW, P; VLD1 (P), [V16.S4, V17.S4, V18.S4, V19.S4]; ADD $64, P, TMP; VLD1 (TMP), [V20.S4, V21.S4, V22.S4, V23.S4]

#define WIDE_STEP1(LOADB, LOADN) FMOVS (A0), F28; LOADB; ADD BPANEL, BK, TMP; FMLA(0, 24, 28); FMLA(1, 25, 28); FMLA(2, 26, 28); FMLA(3, 27, 28); LOADN; FMLA(4, 24, 28); FMLA(5, 25, 28); FMLA(6, 26, 28); FMLA(7, 27, 28)
#define WIDE_STEP2(LOADB, LOADN) FMOVS (A0), F28; FMOVS (A0)(AROW), F29; LOADB; ADD BPANEL, BK, TMP; FMLA(0, 24, 28); FMLA(1, 25, 28); FMLA(2, 26, 28); FMLA(3, 27, 28); FMLA(8, 24, 29); FMLA(9, 25, 29); FMLA(10, 26, 29); FMLA(11, 27, 29); LOADN; FMLA(4, 24, 28); FMLA(5, 25, 28); FMLA(6, 26, 28); FMLA(7, 27, 28); FMLA(12, 24, 29); FMLA(13, 25, 29); FMLA(14, 26, 29); FMLA(15, 27, 29)
#define WIDE_STEP3(LOADB, LOADN) FMOVS (A0), F28; FMOVS (A0)(AROW), F29; FMOVS (A2), F30; LOADB; ADD BPANEL, BK, TMP; FMLA(0, 24, 28); FMLA(1, 25, 28); FMLA(2, 26, 28); FMLA(3, 27, 28); FMLA(8, 24, 29); FMLA(9, 25, 29); FMLA(10, 26, 29); FMLA(11, 27, 29); FMLA(16, 24, 30); FMLA(17, 25, 30); FMLA(18, 26, 30); FMLA(19, 27, 30); LOADN; FMLA(4, 24, 28); FMLA(5, 25, 28); FMLA(6, 26, 28); FMLA(7, 27, 28); FMLA(12, 24, 29); FMLA(13, 25, 29); FMLA(14, 26, 29); FMLA(15, 27, 29); FMLA(20, 24, 30); FMLA(21, 25, 30); FMLA(22, 26, 30); FMLA(23, 27, 30)

#define WIDE_ADDITION1 VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(0, 0, 24); FADD(1, 1, 25); FADD(2, 2, 26); FADD(3, 3, 27); ADD $64, PLUS, TMP; VLD1 (TMP), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(4, 4, 24); FADD(5, 5, 25); FADD(6, 6, 26); FADD(7, 7, 27)
#define WIDE_ADDITION2 WIDE_ADDITION1; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(8, 8, 24); FADD(9, 9, 25); FADD(10, 10, 26); FADD(11, 11, 27); ADD $64, PLUS, TMP; VLD1 (TMP), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(12, 12, 24); FADD(13, 13, 25); FADD(14, 14, 26); FADD(15, 15, 27)
#define WIDE_ADDITION3 WIDE_ADDITION2; ADD PLUSROW, PLUS; VLD1 (PLUS), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(16, 16, 24); FADD(17, 17, 25); FADD(18, 18, 26); FADD(19, 19, 27); ADD $64, PLUS, TMP; VLD1 (TMP), [V24.S4, V25.S4, V26.S4, V27.S4]; FADD(20, 20, 24); FADD(21, 21, 25); FADD(22, 22, 26); FADD(23, 23, 27)

#define WIDE_STORE1 VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (P); ADD $64, P, TMP; VST1 [V4.S4, V5.S4, V6.S4, V7.S4], (TMP)
#define WIDE_STORE2 WIDE_STORE1; ADD PROW, P; VST1 [V8.S4, V9.S4, V10.S4, V11.S4], (P); ADD $64, P, TMP; VST1 [V12.S4, V13.S4, V14.S4, V15.S4], (TMP)
#define WIDE_STORE3 WIDE_STORE2; ADD PROW, P; VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (P); ADD $64, P, TMP; VST1 [V20.S4, V21.S4, V22.S4, V23.S4], (TMP)

#define WIDE_KERNEL(LOADB, LOADN) \
	MOVD t+0(FP), TILE \
	LOAD_TILE \
	MOVD floatTile_bPanel(TILE), BPANEL \
	CMP  $3, TMP \
	BEQ  rows3 \
	CMP  $2, TMP \
	BEQ  rows2 \
	HEIGHT(rows1, loop1, out1, store1, WIDE_START1, WIDE_STEP1(LOADB, LOADN), WIDE_ADDITION1, WIDE_STORE1) \
	HEIGHT(rows2, loop2, out2, store2, WIDE_START2, WIDE_STEP2(LOADB, LOADN), WIDE_ADDITION2, WIDE_STORE2) \
	HEIGHT(rows3, loop3, out3, store3, WIDE_START3, WIDE_STEP3(LOADB, LOADN), WIDE_ADDITION3, WIDE_STORE3)

// func tileNEONF32(t *floatTile)
TEXT ·tileNEONF32(SB), NOSPLIT, $0-8
	KERNEL(LOAD_F32)

// func tileWideNEONF32(t *floatTile)
TEXT ·tileWideNEONF32(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_F32, LOADN_F32)

// func tileNEONF16(t *floatTile)
TEXT ·tileNEONF16(SB), NOSPLIT, $0-8
	KERNEL(LOAD_F16)

// func tileWideNEONF16(t *floatTile)
TEXT ·tileWideNEONF16(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_F16, LOADN_F16)

// func tileNEONBF16(t *floatTile)
TEXT ·tileNEONBF16(SB), NOSPLIT, $0-8
	KERNEL(LOAD_BF16)

// func tileWideNEONBF16(t *floatTile)
TEXT ·tileWideNEONBF16(SB), NOSPLIT, $0-8
	WIDE_KERNEL(LOAD_BF16, LOADN_BF16)
