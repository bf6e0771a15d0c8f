//go:build !purego

#include "textflag.h"
#include "go_asm.h"

#define ROWS   DI  // the quantiseRows
#define X      SI  // numbers, this row
#define DST    DX  // integers, this row
#define SCALES R8  // this row's scale
#define SUMS   R9  // this row's sum
#define N      R10 // numbers of a row, in bytes
#define STEP   R12 // bytes from 64 integers to the next
#define LEFT   R11 // rows left
#define I      CX  // offset within the row: of numbers, in bytes
#define LOW    R13 // bytes from the first terms to the second ones, or 0

// The order of dwords after two rounds of packing within 128-bit lanes.
DATA packedRow<>+0(SB)/8, $0x0000000400000000
DATA packedRow<>+8(SB)/8, $0x0000000c00000008
DATA packedRow<>+16(SB)/8, $0x0000000500000001
DATA packedRow<>+24(SB)/8, $0x0000000d00000009
DATA packedRow<>+32(SB)/8, $0x0000000600000002
DATA packedRow<>+40(SB)/8, $0x0000000e0000000a
DATA packedRow<>+48(SB)/8, $0x0000000700000003
DATA packedRow<>+56(SB)/8, $0x0000000f0000000b
GLOBL packedRow<>(SB), RODATA|NOPTR, $64

// func quantiseRowsAVX512VNNI(r *quantiseRows)
TEXT ·quantiseRowsAVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ         r+0(FP), ROWS
	MOVQ         quantiseRows_dst(ROWS), DST
	MOVQ         quantiseRows_x(ROWS), X
	MOVQ         quantiseRows_scales(ROWS), SCALES
	MOVQ         quantiseRows_sums(ROWS), SUMS
	MOVQ         quantiseRows_n(ROWS), N
	MOVQ         quantiseRows_rows(ROWS), LEFT
	MOVQ         quantiseRows_step(ROWS), STEP
	SHLQ         $2, N
	MOVL         $0x7fffffff, AX
	VPBROADCASTD AX, Z15
	MOVL         $0x01010101, AX
	VPBROADCASTD AX, Z14
	VMOVDQU64    packedRow<>(SB), Z13
	VMOVSS       quantiseRows_limit(ROWS), X12
	MOVQ         quantiseRows_low(ROWS), LOW
	MOVL         $0x00200020, AX
	VPBROADCASTD AX, Z16 // 32, in words

row:
	VPXORD  Z0, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VPXORD  Z2, Z2, Z2
	VPXORD  Z3, Z3, Z3
	XORQ    I, I
	PCALIGN $32

largest:
	VPANDD  (X)(I*1), Z15, Z4
	VPANDD  64(X)(I*1), Z15, Z5
	VPANDD  128(X)(I*1), Z15, Z6
	VPANDD  192(X)(I*1), Z15, Z7
	VPMAXUD Z4, Z0, Z0
	VPMAXUD Z5, Z1, Z1
	VPMAXUD Z6, Z2, Z2
	VPMAXUD Z7, Z3, Z3
	ADDQ    $256, I
	CMPQ    I, N
	JLT     largest

	VPMAXUD       Z1, Z0, Z0
	VPMAXUD       Z3, Z2, Z2
	VPMAXUD       Z2, Z0, Z0
	VEXTRACTI64X4 $1, Z0, Y1
	VPMAXUD       Y1, Y0, Y0
	VEXTRACTI128  $1, Y0, X1
	VPMAXUD       X1, X0, X0
	VPSHUFD       $0x4e, X0, X1
	VPMAXUD       X1, X0, X0
	VPSHUFD       $0xb1, X0, X1
	VPMAXUD       X1, X0, X0

	// As scaleOf does it.
	VMOVD        X0, AX
	CMPL         AX, $0x0d800000
	JBE          zeros
	CMPL         AX, $0x7f800000
	JAE          nonfinite
	VDIVSS       X12, X0, X1
	VMOVSS       X1, (SCALES)
	VDIVSS       X0, X12, X1
	VBROADCASTSS X1, Z11
	VPXORD       Z10, Z10, Z10
	XORQ         I, I
	MOVQ         DST, BX
	TESTQ        LOW, LOW
	JNZ          terms
	PCALIGN      $32

round:
	VMULPS    (X)(I*1), Z11, Z0
	VMULPS    64(X)(I*1), Z11, Z1
	VMULPS    128(X)(I*1), Z11, Z2
	VMULPS    192(X)(I*1), Z11, Z3
	VCVTPS2DQ Z0, Z0
	VCVTPS2DQ Z1, Z1
	VCVTPS2DQ Z2, Z2
	VCVTPS2DQ Z3, Z3
	VPACKSSDW Z1, Z0, Z0
	VPACKSSDW Z3, Z2, Z2
	VPACKSSWB Z2, Z0, Z0
	VPDPBUSD  Z0, Z14, Z10
	VPERMD    Z0, Z13, Z0
	VMOVDQU64 Z0, (BX)
	ADDQ      STEP, BX
	ADDQ      $256, I
	CMPQ      I, N
	JLT       round

sum:
	VEXTRACTI64X4 $1, Z10, Y0
	VPADDD        Y0, Y10, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDD        X1, X0, X0
	VPSHUFD       $0x4e, X0, X1
	VPADDD        X1, X0, X0
	VPSHUFD       $0xb1, X0, X1
	VPADDD        X1, X0, X0
	VMOVD         X0, AX
	IMULL         quantiseRows_factor(ROWS), AX
	MOVL          AX, (SUMS)

next:
	ADDQ quantiseRows_stride(ROWS), DST
	ADDQ quantiseRows_xRow(ROWS), X
	ADDQ $4, SCALES
	ADDQ $4, SUMS
	DECQ LEFT
	JNZ  row
	VZEROUPPER
	RET

	PCALIGN $32

terms:
	VMULPS    (X)(I*1), Z11, Z0
	VMULPS    64(X)(I*1), Z11, Z1
	VMULPS    128(X)(I*1), Z11, Z2
	VMULPS    192(X)(I*1), Z11, Z3
	VCVTPS2DQ Z0, Z0
	VCVTPS2DQ Z1, Z1
	VCVTPS2DQ Z2, Z2
	VCVTPS2DQ Z3, Z3
	VPADDD    Z0, Z1, Z4
	VPADDD    Z2, Z3, Z5
	VPADDD    Z4, Z10, Z10
	VPADDD    Z5, Z10, Z10
	VPACKSSDW Z1, Z0, Z0
	VPACKSSDW Z3, Z2, Z2
	VPADDW    Z16, Z0, Z4
	VPADDW    Z16, Z2, Z5
	VPSRAW    $6, Z4, Z4
	VPSRAW    $6, Z5, Z5
	VPACKSSWB Z5, Z4, Z6
	VPERMD    Z6, Z13, Z6
	VMOVDQU64 Z6, (BX)
	VPSLLW    $6, Z4, Z4
	VPSLLW    $6, Z5, Z5
	VPSUBW    Z4, Z0, Z0
	VPSUBW    Z5, Z2, Z2
	VPACKSSWB Z2, Z0, Z0
	VPERMD    Z0, Z13, Z0
	VMOVDQU64 Z0, (BX)(LOW*1)
	ADDQ      STEP, BX
	ADDQ      $256, I
	CMPQ      I, N
	JLT       terms
	JMP       sum

zeros:
	XORL AX, AX
	JMP  blank

nonfinite:
	MOVL $0x7fc00000, AX

blank:
	MOVL   AX, (SCALES)
	MOVL   $0, (SUMS)
	VPXORD Z0, Z0, Z0
	XORQ   I, I
	MOVQ   DST, BX

clear:
	VMOVDQU64 Z0, (BX)
	VMOVDQU64 Z0, (BX)(LOW*1)
	ADDQ      STEP, BX
	ADDQ      $256, I
	CMPQ      I, N
	JLT       clear
	JMP       next
