//go:build !purego

#include "textflag.h"

// Every sum has its own register and starts at zero; the factors are ones.

#define EACH_Z(OP) \
	OP(Z0); OP(Z1); OP(Z2); OP(Z3); OP(Z4); OP(Z5); OP(Z6); OP(Z7); \
	OP(Z8); OP(Z9); OP(Z10); OP(Z11); OP(Z12); OP(Z13); OP(Z14); OP(Z15); \
	OP(Z16); OP(Z17); OP(Z18); OP(Z19); OP(Z20); OP(Z21); OP(Z22); OP(Z23)

#define EACH_Y(OP) \
	OP(Y0); OP(Y1); OP(Y2); OP(Y3); OP(Y4); OP(Y5); \
	OP(Y6); OP(Y7); OP(Y8); OP(Y9); OP(Y10); OP(Y11)

#define CLEAR_Z(S) VPXORD S, S, S
#define CLEAR_Y(S) VPXOR S, S, S
#define ADDPS_Z(S) VADDPS S, Z31, Z31
#define ADDPS_Y(S) VADDPS S, Y15, Y15
#define ADDD_Z(S) VPADDD S, Z31, Z31
#define ADDD_Y(S) VPADDD S, Y15, Y15

// ENTER leaves the bits of a one in AX, repeated to 32 bits.
#define ENTER(one) \
	MOVQ rounds+0(FP), CX \
	MOVQ sums+8(FP), DI   \
	MOVL $one, AX

// func multiplyAddsAVX512(rounds int, sums *lanes[float32])
TEXT ·multiplyAddsAVX512(SB), NOSPLIT, $0-16
	ENTER(0x3f800000)
	VPBROADCASTD AX, Z30
	EACH_Z(CLEAR_Z)
	PCALIGN $32

loop:
#define FMA_Z(S) VFMADD231PS Z30, Z30, S
	EACH_Z(FMA_Z)
	DECQ CX
	JNZ  loop

	VPXORD  Z31, Z31, Z31
	EACH_Z(ADDPS_Z)
	VMOVUPS Z31, (DI)
	VZEROUPPER
	RET

// func multiplyAddsAVX2(rounds int, sums *lanes[float32])
TEXT ·multiplyAddsAVX2(SB), NOSPLIT, $0-16
	ENTER(0x3f800000)
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	EACH_Y(CLEAR_Y)
	PCALIGN      $32

loop:
#define FMA_Y(S) VFMADD231PS Y14, Y14, S
	EACH_Y(FMA_Y)
	DECQ CX
	JNZ  loop

	VPXOR   Y15, Y15, Y15
	EACH_Y(ADDPS_Y)
	VMOVUPS Y15, (DI)
	VZEROUPPER
	RET

// func byteProductsAVX512VNNI(rounds int, sums *lanes[int32])
TEXT ·byteProductsAVX512VNNI(SB), NOSPLIT, $0-16
	ENTER(0x01010101)
	VPBROADCASTD AX, Z30
	EACH_Z(CLEAR_Z)
	PCALIGN $32

loop:
#define VNNI_Z(S) VPDPBUSD Z30, Z30, S
	EACH_Z(VNNI_Z)
	DECQ CX
	JNZ  loop

	VPXORD    Z31, Z31, Z31
	EACH_Z(ADDD_Z)
	VMOVDQU32 Z31, (DI)
	VZEROUPPER
	RET

// VNNI_Y is VPDPBUSD Y14, Y14, S in its VEX form, which the assembler does not know.
#define VNNI_Y(rex, modrm) BYTE $0xc4; BYTE $rex; BYTE $0x0d; BYTE $0x50; BYTE $modrm

// func byteProductsAVXVNNI(rounds int, sums *lanes[int32])
TEXT ·byteProductsAVXVNNI(SB), NOSPLIT, $0-16
	ENTER(0x01010101)
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	EACH_Y(CLEAR_Y)
	PCALIGN      $32

loop:
	VNNI_Y(0xc2, 0xc6) // Y0
	VNNI_Y(0xc2, 0xce)
	VNNI_Y(0xc2, 0xd6)
	VNNI_Y(0xc2, 0xde)
	VNNI_Y(0xc2, 0xe6)
	VNNI_Y(0xc2, 0xee)
	VNNI_Y(0xc2, 0xf6)
	VNNI_Y(0xc2, 0xfe)
	VNNI_Y(0x42, 0xc6) // Y8
	VNNI_Y(0x42, 0xce)
	VNNI_Y(0x42, 0xd6)
	VNNI_Y(0x42, 0xde)
	DECQ CX
	JNZ  loop

	VPXOR   Y15, Y15, Y15
	EACH_Y(ADDD_Y)
	VMOVDQU Y15, (DI)
	VZEROUPPER
	RET

// func byteProductsAVX2(rounds int, sums *lanes[int32])
TEXT ·byteProductsAVX2(SB), NOSPLIT, $0-16
	ENTER(0x01010101)
	VMOVD        AX, X14
	VPBROADCASTD X14, Y14
	VPXOR        Y13, Y13, Y13
	VPSRLW       $8, Y14, Y13
	EACH_Y(CLEAR_Y)
	PCALIGN      $32

loop:
#define MADDUBS(S, T) VPMADDUBSW Y14, Y14, T; VPMADDWD Y13, T, T; VPADDD T, S, S
	MADDUBS(Y0, Y8)
	MADDUBS(Y1, Y9)
	MADDUBS(Y2, Y10)
	MADDUBS(Y3, Y11)
	MADDUBS(Y4, Y12)
	MADDUBS(Y5, Y8)
	MADDUBS(Y6, Y9)
	MADDUBS(Y7, Y10)
	DECQ CX
	JNZ  loop

	VPADDD  Y1, Y0, Y0
	VPADDD  Y2, Y0, Y0
	VPADDD  Y3, Y0, Y0
	VPADDD  Y4, Y0, Y0
	VPADDD  Y5, Y0, Y0
	VPADDD  Y6, Y0, Y0
	VPADDD  Y7, Y0, Y0
	VMOVDQU Y0, (DI)
	VZEROUPPER
	RET

// Palette 1; 16 rows of 64 bytes in each of the eight tile registers.
DATA tiles<>+0(SB)/8, $1
DATA tiles<>+8(SB)/8, $0
DATA tiles<>+16(SB)/8, $0x0040004000400040
DATA tiles<>+24(SB)/8, $0x0040004000400040
DATA tiles<>+32(SB)/8, $0
DATA tiles<>+40(SB)/8, $0
DATA tiles<>+48(SB)/8, $0x1010101010101010
DATA tiles<>+56(SB)/8, $0
GLOBL tiles<>(SB), RODATA|NOPTR, $64

// func byteProductsAMX(rounds int)
TEXT ·byteProductsAMX(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	LEAQ tiles<>(SB), AX
	BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // LDTILECFG (AX)
	PCALIGN $32

loop:
	BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5e; BYTE $0xc4 // TDPBSUD T6, T4, T0
	BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5e; BYTE $0xcc // TDPBSUD T7, T4, T1
	BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5e; BYTE $0xd5 // TDPBSUD T6, T5, T2
	BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5e; BYTE $0xdd // TDPBSUD T7, T5, T3
	DECQ CX
	JNZ  loop
	BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0 // TILERELEASE
	RET
