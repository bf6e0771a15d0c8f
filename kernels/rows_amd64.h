// The rows of a tile of 12 rows by two vectors Z, or of 6 rows by two vectors Y.
//
// ROWS_Z1 to ROWS_Z12 and ROWS_Y1 to ROWS_Y6 apply the step OP to that many rows, with
// NEXT between them. A step gets the row's sums S0 and S1, the address AT of its numbers
// of a, registers T and U for them, and o, an offset in a that is the same for all rows;
// vex and reg are bytes of the VEX encoding of S0.

#define ROWS_Z1(OP, o, NEXT) OP(o, Z0, Z1, Z30, Z26, (A0))
#define ROWS_Z2(OP, o, NEXT) ROWS_Z1(OP, o, NEXT); NEXT; OP(o, Z2, Z3, Z31, Z27, (A0)(AROW*1))
#define ROWS_Z3(OP, o, NEXT) ROWS_Z2(OP, o, NEXT); NEXT; OP(o, Z4, Z5, Z30, Z26, (A0)(AROW*2))
#define ROWS_Z4(OP, o, NEXT) ROWS_Z3(OP, o, NEXT); NEXT; OP(o, Z6, Z7, Z31, Z27, (A3))
#define ROWS_Z5(OP, o, NEXT) ROWS_Z4(OP, o, NEXT); NEXT; OP(o, Z8, Z9, Z30, Z26, (A3)(AROW*1))
#define ROWS_Z6(OP, o, NEXT) ROWS_Z5(OP, o, NEXT); NEXT; OP(o, Z10, Z11, Z31, Z27, (A3)(AROW*2))
#define ROWS_Z7(OP, o, NEXT) ROWS_Z6(OP, o, NEXT); NEXT; OP(o, Z12, Z13, Z30, Z26, (A6))
#define ROWS_Z8(OP, o, NEXT) ROWS_Z7(OP, o, NEXT); NEXT; OP(o, Z14, Z15, Z31, Z27, (A6)(AROW*1))
#define ROWS_Z9(OP, o, NEXT) ROWS_Z8(OP, o, NEXT); NEXT; OP(o, Z16, Z17, Z30, Z26, (A6)(AROW*2))
#define ROWS_Z10(OP, o, NEXT) ROWS_Z9(OP, o, NEXT); NEXT; OP(o, Z18, Z19, Z31, Z27, (A9))
#define ROWS_Z11(OP, o, NEXT) ROWS_Z10(OP, o, NEXT); NEXT; OP(o, Z20, Z21, Z30, Z26, (A9)(AROW*1))
#define ROWS_Z12(OP, o, NEXT) ROWS_Z11(OP, o, NEXT); NEXT; OP(o, Z22, Z23, Z31, Z27, (A9)(AROW*2))

#define ROWS_Y1(OP, o, NEXT) OP(o, Y0, Y1, Y14, (A0), 0xc2, 0x00)
#define ROWS_Y2(OP, o, NEXT) ROWS_Y1(OP, o, NEXT); NEXT; OP(o, Y2, Y3, Y15, (A0)(AROW*1), 0xc2, 0x10)
#define ROWS_Y3(OP, o, NEXT) ROWS_Y2(OP, o, NEXT); NEXT; OP(o, Y4, Y5, Y14, (A0)(AROW*2), 0xc2, 0x20)
#define ROWS_Y4(OP, o, NEXT) ROWS_Y3(OP, o, NEXT); NEXT; OP(o, Y6, Y7, Y15, (A3), 0xc2, 0x30)
#define ROWS_Y5(OP, o, NEXT) ROWS_Y4(OP, o, NEXT); NEXT; OP(o, Y8, Y9, Y14, (A3)(AROW*1), 0x42, 0x00)
#define ROWS_Y6(OP, o, NEXT) ROWS_Y5(OP, o, NEXT); NEXT; OP(o, Y10, Y11, Y15, (A3)(AROW*2), 0x42, 0x10)

#define NOTHING

// FMA_Z and FMA_Y add the products of the row's number of a and the row of b, in Z28 and
// Z29 or Y12 and Y13; STORE_Z and STORE_Y store the sums at P.
#define FMA_Z(o, S0, S1, T, U, AT) VBROADCASTSS AT, T; VFMADD231PS Z28, T, S0; VFMADD231PS Z29, T, S1
#define FMA_Y(o, S0, S1, T, AT, vex, reg) VBROADCASTSS AT, T; VFMADD231PS Y12, T, S0; VFMADD231PS Y13, T, S1
#define STORE_Z(o, S0, S1, T, U, AT) VMOVUPS S0, (P); VMOVUPS S1, 64(P)
#define STORE_Y(o, S0, S1, T, AT, vex, reg) VMOVUPS S0, (P); VMOVUPS S1, 32(P)

// BRANCH6 and BRANCH12 branch to the code for N rows, above 1; that for one row follows.
#define BRANCH6(N) \
	CMPQ N, $6 \
	JEQ  rows6 \
	CMPQ N, $5 \
	JEQ  rows5 \
	CMPQ N, $4 \
	JEQ  rows4 \
	CMPQ N, $3 \
	JEQ  rows3 \
	CMPQ N, $2 \
	JEQ  rows2

#define BRANCH12(N) \
	CMPQ N, $12 \
	JEQ  rows12 \
	CMPQ N, $11 \
	JEQ  rows11 \
	CMPQ N, $10 \
	JEQ  rows10 \
	CMPQ N, $9  \
	JEQ  rows9  \
	CMPQ N, $8  \
	JEQ  rows8  \
	CMPQ N, $7  \
	JEQ  rows7  \
	BRANCH6(N)
