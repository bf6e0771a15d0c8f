//go:build !purego

#include "textflag.h"

// Every sum has its own register and starts at zero; the factors, V30, are ones.

#define EACH16(OP) \
	OP(V0); OP(V1); OP(V2); OP(V3); OP(V4); OP(V5); OP(V6); OP(V7); \
	OP(V8); OP(V9); OP(V10); OP(V11); OP(V12); OP(V13); OP(V14); OP(V15)

#define EACH24(OP) \
	EACH16(OP); \
	OP(V16); OP(V17); OP(V18); OP(V19); OP(V20); OP(V21); OP(V22); OP(V23)

#define CLEAR(s) VEOR s.B16, s.B16, s.B16

// func multiplyAddsNEON(rounds int, sums *lanes[float32])
TEXT ·multiplyAddsNEON(SB), NOSPLIT, $0-16
	MOVD rounds+0(FP), R0
	MOVD sums+8(FP), R1
	MOVW $0x3f800000, R2
	VDUP R2, V30.S4
	EACH24(CLEAR)

loop:
#define FMLA(s) VFMLA V30.S4, V30.S4, s.S4
	EACH24(FMLA)
	SUB  $1, R0
	CBNZ R0, loop

	CLEAR(V31)
#define PLUS(s) VFMLA V30.S4, s.S4, V31.S4
	EACH24(PLUS)
	VST1 [V31.S4], (R1)
	RET

// These instructions, which the assembler does not know, multiply V30 by itself.
#define SDOT(d)   WORD $(0x4e809400 | 30<<16 | 30<<5 | (d)) // d.4S += products of bytes, by fours
#define SMMLA(d)  WORD $(0x4e80a400 | 30<<16 | 30<<5 | (d)) // d (2×2) += (2×8) · (2×8)ᵀ
#define SMULL(d)  WORD $(0x0e20c000 | 30<<16 | 30<<5 | (d)) // d.8H = products of bytes
#define SMLAL(d)  WORD $(0x0e208000 | 30<<16 | 30<<5 | (d)) // d.8H += products of bytes
#define SADALP(n, d) WORD $(0x4e606800 | (n)<<5 | (d))      // d.4S += pairs of n.8H

#define EACH_NUMBER(OP) \
	OP(0); OP(1); OP(2); OP(3); OP(4); OP(5); OP(6); OP(7); \
	OP(8); OP(9); OP(10); OP(11); OP(12); OP(13); OP(14); OP(15)

#define ENTER \
	MOVD  rounds+0(FP), R0 \
	MOVD  sums+8(FP), R1   \
	VMOVI $1, V30.B16      \
	EACH16(CLEAR)

// LEAVE stores the sums: up to 16, the rest being zero.
#define ADD(s) VADD s.S4, V31.S4, V31.S4
#define LEAVE \
	CLEAR(V31)          \
	EACH16(ADD)         \
	VST1 [V31.S4], (R1) \
	RET

// func byteProductsNEON(rounds int, sums *lanes[int32])
TEXT ·byteProductsNEON(SB), NOSPLIT, $0-16
	ENTER

loop:
#define PRODUCT(t, d) SMULL(t); SMLAL(t); SADALP(t, d)
	PRODUCT(16, 0)
	PRODUCT(17, 1)
	PRODUCT(18, 2)
	PRODUCT(19, 3)
	PRODUCT(20, 4)
	PRODUCT(21, 5)
	PRODUCT(22, 6)
	PRODUCT(23, 7)
	SUB  $1, R0
	CBNZ R0, loop
	LEAVE

// func byteProductsDotProd(rounds int, sums *lanes[int32])
TEXT ·byteProductsDotProd(SB), NOSPLIT, $0-16
	ENTER

loop:
	EACH_NUMBER(SDOT)
	SUB  $1, R0
	CBNZ R0, loop
	LEAVE

// func byteProductsI8MM(rounds int, sums *lanes[int32])
TEXT ·byteProductsI8MM(SB), NOSPLIT, $0-16
	ENTER

loop:
	EACH_NUMBER(SMMLA)
	SUB  $1, R0
	CBNZ R0, loop
	LEAVE
