// ACROSS_Y0 reduces the eight float32 numbers of Y0 by OP to one, in X0; ACROSS_Z0 the
// sixteen of Z0. Y1 is overwritten.
#define ACROSS_Y0(OP) \
	VEXTRACTF128 $1, Y0, X1     \
	OP           X1, X0, X0     \
	VPERMILPS    $0x4e, X0, X1  \
	OP           X1, X0, X0     \
	VPERMILPS    $0xb1, X0, X1  \
	OP           X1, X0, X0

#define ACROSS_Z0(OP) \
	VEXTRACTF64X4 $1, Z0, Y1    \
	OP            Y1, Y0, Y0    \
	ACROSS_Y0(OP)

// ACROSS_INTS reduces the eight integers of Y by OP to one, in X, its lower half. T is
// overwritten.
#define ACROSS_INTS(OP, Y, X, T) \
	VEXTRACTI128 $1, Y, T       \
	OP           T, X, X        \
	VPSHUFD      $0x4e, X, T    \
	OP           T, X, X        \
	VPSHUFD      $0xb1, X, T    \
	OP           T, X, X

// LANES_K1 sets K1 to the first CX lanes, below 16. AX is overwritten.
#define LANES_K1 \
	MOVL  $1, AX  \
	SHLL  CX, AX  \
	DECL  AX      \
	KMOVW AX, K1
