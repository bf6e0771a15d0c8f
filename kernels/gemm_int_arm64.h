// Integer products of rows of a, whose pointer for row r is R(8+r), and a panel of 8
// columns at B.

// DOT_LOW and DOT_HIGH add the products of 16 inputs of row r, in vector x, to the sums
// in V(2r) and V(2r+1): inputs 0 to 7, whose weights are in vectors w to w+3, and 8 to
// 15, in w+4 to w+7.
#define DOT_LOW(r, x, w) \
	SDOT(2*(r), w, x, 0)   \
	SDOT(2*(r)+1, w+1, x, 0) \
	SDOT(2*(r), w+2, x, 1) \
	SDOT(2*(r)+1, w+3, x, 1)

#define DOT_HIGH(r, x, w) \
	SDOT(2*(r), w+4, x, 2) \
	SDOT(2*(r)+1, w+5, x, 2) \
	SDOT(2*(r), w+6, x, 3) \
	SDOT(2*(r)+1, w+7, x, 3)

// PRODUCTS_NEON adds the products of 8 inputs of row r, two sums for each column, to
// V(4r) to V(4r+3). V16 to V19 hold the weights, V20 to V23 are overwritten. Two
// products fit in 16 bits, because weights are above -128.
#define PRODUCTS_NEON(r) \
	LD1RP(20, 8+(r))     \
	LD1RP(21, 8+(r))     \
	SMULL(22, 16, 20)    \
	SMULL2(23, 16, 20)   \
	SMLAL(22, 18, 21)    \
	SMLAL2(23, 18, 21)   \
	SADALP(4*(r), 22)    \
	SADALP(4*(r)+1, 23)  \
	SMULL(22, 17, 20)    \
	SMULL2(23, 17, 20)   \
	SMLAL(22, 19, 21)    \
	SMLAL2(23, 19, 21)   \
	SADALP(4*(r)+2, 22)  \
	SADALP(4*(r)+3, 23)

// JOIN_SUMS adds the two sums of each column, to V(2r) and V(2r+1).
#define JOIN_SUMS(r) \
	ADDP(2*(r), 4*(r), 4*(r)+1) \
	ADDP(2*(r)+1, 4*(r)+2, 4*(r)+3)

// CLEAR2 clears V(2r) and V(2r+1), CLEAR4 V(4r) to V(4r+3).
#define CLEAR_VECTOR(d) EOR(d, d, d)
#define CLEAR2(r) CLEAR_VECTOR(2*(r)); CLEAR_VECTOR(2*(r)+1)
#define CLEAR4(r) CLEAR2(2*(r)); CLEAR2(2*(r)+1)
