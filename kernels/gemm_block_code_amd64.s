//go:build !purego

#include "textflag.h"

#define DST  DI
#define SRC  SI
#define RUNS CX

// func widenScalesSIMD(dst *float32, src *int8, n int)
TEXT ·widenScalesSIMD(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ n+16(FP), CX

loop:
	VCVTPH2PS (SRC), Y0
	VMOVUPS   Y0, (DST)
	ADDQ      $16, SRC
	ADDQ      $32, DST
	SUBQ      $8, CX
	JNZ       loop
	VZEROUPPER
	RET

// func widenIntegersSIMD(dst *int32, src *int8, n int)
TEXT ·widenIntegersSIMD(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DST
	MOVQ src+8(FP), SRC
	MOVQ n+16(FP), CX

loop:
	VPMOVSXBD (SRC), Y0
	VPMOVSXBD 8(SRC), Y1
	VMOVDQU   Y0, (DST)
	VMOVDQU   Y1, 32(DST)
	ADDQ      $16, SRC
	ADDQ      $64, DST
	SUBQ      $16, CX
	JNZ       loop
	VZEROUPPER
	RET

// func pairIntegersSIMD(dst, a, b *int8, n int)
TEXT ·pairIntegersSIMD(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DST
	MOVQ a+8(FP), SRC
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), CX

loop:
	VMOVDQU    (SRC), X0
	VMOVDQU    (DX), X1
	VPUNPCKLBW X1, X0, X2
	VPUNPCKHBW X1, X0, X3
	VPMOVSXBW  X2, Y2
	VPMOVSXBW  X3, Y3
	VMOVDQU    Y2, (DST)
	VMOVDQU    Y3, 32(DST)
	ADDQ       $16, SRC
	ADDQ       $16, DX
	ADDQ       $64, DST
	SUBQ       $16, CX
	JNZ        loop
	VZEROUPPER
	RET

// HALVES splits the 64 bytes at SRC into their low halves, Y0 and Y1, and their high ones,
// Y2 and Y3. Y15 is the mask.
#define HALVES \
	VMOVDQU (SRC), Y0     \
	VMOVDQU 32(SRC), Y1   \
	VPSRLW  $4, Y0, Y2    \
	VPSRLW  $4, Y1, Y3    \
	VPAND   Y15, Y0, Y0   \
	VPAND   Y15, Y1, Y1   \
	VPAND   Y15, Y2, Y2   \
	VPAND   Y15, Y3, Y3

#define STORE_RUN \
	VMOVDQU Y0, (DST)   \
	VMOVDQU Y1, 32(DST) \
	VMOVDQU Y2, 64(DST) \
	VMOVDQU Y3, 96(DST) \
	ADDQ    $128, DST

// BROADCAST_BYTE fills Y with a byte.
#define BROADCAST_BYTE(value, X, Y) \
	MOVL         $value, AX \
	VMOVD        AX, X      \
	VPBROADCASTB X, Y

// func decode4SIMD(dst, src *int8, runs int, table *[16]int8)
TEXT ·decode4SIMD(SB), NOSPLIT, $0-32
	MOVQ           dst+0(FP), DST
	MOVQ           src+8(FP), SRC
	MOVQ           runs+16(FP), RUNS
	MOVQ           table+24(FP), DX
	VBROADCASTI128 (DX), Y14
	BROADCAST_BYTE(15, X15, Y15)

loop:
	HALVES
	VPSHUFB Y0, Y14, Y0
	VPSHUFB Y1, Y14, Y1
	VPSHUFB Y2, Y14, Y2
	VPSHUFB Y3, Y14, Y3
	STORE_RUN
	ADDQ    $64, SRC
	DECQ    RUNS
	JNZ     loop
	VZEROUPPER
	RET

// The fifth bits of each of the four vectors of a run, 16 codes a bit.
DATA ·fifths+0(SB)/8, $0x0101010101010101
DATA ·fifths+8(SB)/8, $0x0101010101010101
DATA ·fifths+16(SB)/8, $0x0202020202020202
DATA ·fifths+24(SB)/8, $0x0202020202020202
DATA ·fifths+32(SB)/8, $0x0404040404040404
DATA ·fifths+40(SB)/8, $0x0404040404040404
DATA ·fifths+48(SB)/8, $0x0808080808080808
DATA ·fifths+56(SB)/8, $0x0808080808080808
DATA ·fifths+64(SB)/8, $0x1010101010101010
DATA ·fifths+72(SB)/8, $0x1010101010101010
DATA ·fifths+80(SB)/8, $0x2020202020202020
DATA ·fifths+88(SB)/8, $0x2020202020202020
DATA ·fifths+96(SB)/8, $0x4040404040404040
DATA ·fifths+104(SB)/8, $0x4040404040404040
DATA ·fifths+112(SB)/8, $0x8080808080808080
DATA ·fifths+120(SB)/8, $0x8080808080808080
GLOBL ·fifths(SB), RODATA|NOPTR, $128

// FIFTH adds 16 to the codes in Q whose bit in Y4, selected by MASK, is set, and the bias.
#define FIFTH(MASK, Q) \
	VPAND    MASK, Y4, Y5 \
	VPCMPEQB MASK, Y5, Y5 \
	VPAND    Y12, Y5, Y5  \
	VPADDB   Y5, Q, Q     \
	VPADDB   Y13, Q, Q

// func decode5SIMD(dst, src *int8, runs int, bias int8)
TEXT ·decode5SIMD(SB), NOSPLIT, $0-25
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         runs+16(FP), RUNS
	VPBROADCASTB bias+24(FP), Y13
	VMOVDQU      ·fifths+0(SB), Y8
	VMOVDQU      ·fifths+32(SB), Y9
	VMOVDQU      ·fifths+64(SB), Y10
	VMOVDQU      ·fifths+96(SB), Y11
	BROADCAST_BYTE(16, X12, Y12)
	BROADCAST_BYTE(15, X15, Y15)

loop:
	HALVES
	VBROADCASTI128 64(SRC), Y4
	FIFTH(Y8, Y0)
	FIFTH(Y9, Y1)
	FIFTH(Y10, Y2)
	FIFTH(Y11, Y3)
	STORE_RUN
	ADDQ $80, SRC
	DECQ RUNS
	JNZ  loop
	VZEROUPPER
	RET

// func decode6SIMD(dst, src *int8, runs int, bias int8)
TEXT ·decode6SIMD(SB), NOSPLIT, $0-25
	MOVQ         dst+0(FP), DST
	MOVQ         src+8(FP), SRC
	MOVQ         runs+16(FP), RUNS
	VPBROADCASTB bias+24(FP), Y13
	BROADCAST_BYTE(48, X12, Y12)
	BROADCAST_BYTE(15, X15, Y15)

loop:
	HALVES
	VMOVDQU 64(SRC), Y4
	VPSLLW  $4, Y4, Y5
	VPSLLW  $2, Y4, Y6
	VPSRLW  $2, Y4, Y7
	VPAND   Y12, Y5, Y5
	VPAND   Y12, Y6, Y6
	VPAND   Y12, Y4, Y4
	VPAND   Y12, Y7, Y7
	VPADDB  Y13, Y0, Y0
	VPADDB  Y13, Y1, Y1
	VPADDB  Y13, Y2, Y2
	VPADDB  Y13, Y3, Y3
	VPADDB  Y5, Y0, Y0
	VPADDB  Y6, Y1, Y1
	VPADDB  Y4, Y2, Y2
	VPADDB  Y7, Y3, Y3
	STORE_RUN
	ADDQ    $96, SRC
	DECQ    RUNS
	JNZ     loop
	VZEROUPPER
	RET
