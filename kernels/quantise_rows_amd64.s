//go:build !purego

#include "textflag.h"
#include "go_asm.h"
#include "lanes_amd64.h"

#define ROWS   DI  // the quantiseRows
#define X      SI  // numbers, this row
#define DST    DX  // bytes, this row
#define SCALES R8  // this row's scale
#define ZEROS  R9  // this row's zero
#define N      R10 // numbers of a row, in bytes
#define STEP   R12 // bytes from 64 bytes to the next
#define LEFT   R11 // rows left
#define I      CX  // offset within the row: of numbers, in bytes
#define LOW    R13 // bytes from the high bytes to the low ones
#define INDEX  R15 // indices of the wide inputs, or nil: all are wide
#define MASK   AX  // of the inputs that are not wide

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

// LARGEST reduces the 16 numbers of Z to one in X.
#define LARGEST(MAX, Z, Y, X) \
	VEXTRACTI64X4 $1, Z, Y4     \
	MAX           Y4, Y, Y      \
	ACROSS_INTS(MAX, Y, X, X4)

// WORDS64 is 64 integers, as words in Z0 and Z2, in an order that packedRow undoes.
#define WORDS64 \
	VMULPS    (X)(I*1), Z11, Z0    \
	VMULPS    64(X)(I*1), Z11, Z1  \
	VMULPS    128(X)(I*1), Z11, Z2 \
	VMULPS    192(X)(I*1), Z11, Z3 \
	VCVTPS2DQ Z0, Z0               \
	VCVTPS2DQ Z1, Z1               \
	VCVTPS2DQ Z2, Z2               \
	VCVTPS2DQ Z3, Z3               \
	VPACKSSDW Z1, Z0, Z0           \
	VPACKSSDW Z3, Z2, Z2

// LOW64 writes the low bytes of WORDS64, plus zero, to dst.
#define LOW64(dst) \
	VPANDD    Z14, Z0, Z4 \
	VPANDD    Z14, Z2, Z5 \
	VPACKUSWB Z5, Z4, Z4  \
	VPADDB    Z10, Z4, Z4 \
	VPERMD    Z4, Z13, Z4 \
	VMOVDQU64 Z4, dst

// func quantiseRowsAVX512VNNI(r *quantiseRows)
TEXT ·quantiseRowsAVX512VNNI(SB), NOSPLIT, $0-8
	MOVQ         r+0(FP), ROWS
	MOVQ         quantiseRows_dst(ROWS), DST
	MOVQ         quantiseRows_x(ROWS), X
	MOVQ         quantiseRows_scales(ROWS), SCALES
	MOVQ         quantiseRows_zeros(ROWS), ZEROS
	MOVQ         quantiseRows_n(ROWS), N
	MOVQ         quantiseRows_rows(ROWS), LEFT
	MOVQ         quantiseRows_step(ROWS), STEP
	MOVQ         quantiseRows_low(ROWS), LOW
	MOVQ         quantiseRows_index(ROWS), INDEX
	SHLQ         $2, N
	MOVL         $0x7fffffff, AX
	VPBROADCASTD AX, Z15
	MOVL         $0x00ff00ff, AX
	VPBROADCASTD AX, Z14
	VMOVDQU64    packedRow<>(SB), Z13
	VMOVSS       quantiseRows_wideStep(ROWS), X12
	MOVL         $0x80808080, AX
	VPBROADCASTD AX, Z16 // flips high bytes
	MOVL         $0x3f800000, AX
	VMOVD        AX, X17 // 1
	MOVL         $0x3b810204, AX
	VMOVD        AX, X18 // 1/254
	VPXORD       Z19, Z19, Z19

row:
	VPXORD  Z0, Z0, Z0 // the largest, as a signed integer
	VPXORD  Z1, Z1, Z1 // the smallest, as an unsigned one
	VPXORD  Z2, Z2, Z2 // the largest magnitude of a wide one
	MOVQ    quantiseRows_narrow(ROWS), MASK
	XORQ    I, I
	PCALIGN $32

extremes:
	VMOVDQU64  (X)(I*1), Z4
	VMOVDQU64  (MASK)(I*1), Z5
	VMOVDQU64  64(X)(I*1), Z6
	VMOVDQU64  64(MASK)(I*1), Z7
	VPANDD     Z4, Z5, Z8
	VPANDD     Z6, Z7, Z9
	VPTERNLOGD $0x08, Z4, Z15, Z5 // the number without its sign, where the mask is 0
	VPTERNLOGD $0x08, Z6, Z15, Z7
	VPMAXSD    Z8, Z0, Z0
	VPMAXUD    Z8, Z1, Z1
	VPMAXUD    Z5, Z2, Z2
	VPMAXSD    Z9, Z0, Z0
	VPMAXUD    Z9, Z1, Z1
	VPMAXUD    Z7, Z2, Z2
	ADDQ       $128, I
	CMPQ       I, N
	JLT        extremes

	LARGEST(VPMAXSD, Z0, Y0, X0)
	LARGEST(VPMAXUD, Z1, Y1, X1)
	LARGEST(VPMAXUD, Z2, Y2, X2)

	// As in stepsOf.
	VMOVD  X0, AX
	CMPL   AX, $0x7f800000
	JGE    nonfinite
	VMOVD  X1, AX
	CMPL   AX, $0xff800000
	JAE    nonfinite
	VMOVD  X2, BX
	CMPL   BX, $0x7f800000
	JAE    nonfinite
	TESTL  AX, AX
	JS     below
	MOVL   $0x80000000, AX // -0

below:
	VMOVD        AX, X1
	VMULSS       X18, X0, X0
	VMULSS       X18, X1, X3
	VSUBSS       X3, X0, X0
	VMULSS       X12, X2, X2
	VMAXSS       X2, X0, X0
	VMOVD        X0, AX
	CMPL         AX, $0x0d800000
	JBE          blank0
	VMOVSS       X0, (SCALES)
	VDIVSS       X0, X17, X0
	VBROADCASTSS X0, Z11
	VMULSS       X0, X1, X1
	VCVTSS2SI    X1, AX
	MOVL         AX, (ZEROS)
	NEGL         AX
	VPBROADCASTB AX, Z10
	VPBROADCASTD AX, Z9
	XORQ         I, I
	LEAQ         (DST)(LOW*1), BX
	TESTQ        INDEX, INDEX
	JNZ          narrow
	CMPQ         quantiseRows_wide(ROWS), $0
	JNZ          all
	PCALIGN      $32

low:
	WORDS64
	LOW64((BX))
	ADDQ STEP, BX
	ADDQ $256, I
	CMPQ I, N
	JLT  low

next:
	ADDQ quantiseRows_stride(ROWS), DST
	ADDQ quantiseRows_xRow(ROWS), X
	ADDQ $4, SCALES
	ADDQ $4, ZEROS
	DECQ LEFT
	JNZ  row
	VZEROUPPER
	RET

narrow:
	// The high bytes of the wide inputs, 16 at a time.
	MOVQ quantiseRows_wide(ROWS), AX
	MOVQ DST, BX

high:
	KXNORW     K1, K1, K1
	VMOVDQU64  (INDEX)(I*4), Z0
	VPXORD     Z1, Z1, Z1
	VGATHERDPS (X)(Z0*4), K1, Z1
	VMULPS     Z1, Z11, Z1
	VCVTPS2DQ  Z1, Z1
	VPADDD     Z9, Z1, Z1
	VPSRAD     $8, Z1, Z1
	VPMOVDB    Z1, X1
	VPXORD     X16, X1, X1
	VMOVDQU    X1, (BX)
	ADDQ       $16, BX
	ADDQ       $16, I
	TESTQ      $63, I
	JNZ        high16
	ADDQ       STEP, BX
	SUBQ       $64, BX

high16:
	CMPQ I, AX
	JLT  high
	XORQ I, I
	LEAQ (DST)(LOW*1), BX
	JMP  low

	PCALIGN $32

all: // inputs are wide: zero is 0
	WORDS64
	LOW64((BX))
	VPSRAW    $8, Z0, Z0
	VPSRAW    $8, Z2, Z2
	VPACKSSWB Z2, Z0, Z0
	VPXORD    Z16, Z0, Z0
	VPERMD    Z0, Z13, Z0
	MOVQ      BX, AX
	SUBQ      LOW, AX
	VMOVDQU64 Z0, (AX)
	ADDQ      STEP, BX
	ADDQ      $256, I
	CMPQ      I, N
	JLT       all
	JMP       next

blank0:
	XORL AX, AX
	JMP  blank

nonfinite:
	MOVL $0x7fc00000, AX

blank:
	MOVL AX, (SCALES)
	MOVL $0, (ZEROS)
	MOVQ quantiseRows_wide(ROWS), AX
	ADDQ $63, AX
	SHLQ $2, AX
	ANDQ $-256, AX
	XORQ I, I
	MOVQ DST, BX

clearHigh:
	CMPQ      I, AX
	JGE       clearedHigh
	VMOVDQU64 Z19, (BX)
	ADDQ      STEP, BX
	ADDQ      $256, I
	JMP       clearHigh

clearedHigh:
	XORQ I, I
	LEAQ (DST)(LOW*1), BX

clear:
	VMOVDQU64 Z19, (BX)
	ADDQ      STEP, BX
	ADDQ      $256, I
	CMPQ      I, N
	JLT       clear
	JMP       next
