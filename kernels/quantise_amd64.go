//go:build !purego

package kernels

// largestVector is largestPortable of the first numbers of x, and how many those
// are.
func largestVector(x []float32) (int, uint32) {
	n := len(x) &^ 31
	if n == 0 || !features.avx2 {
		return 0, 0
	}
	return n, largestAVX2(&x[0], n)
}

// quantiseVector is quantisePortable of the first numbers of x: it returns how
// many those are, and their sum.
func quantiseVector(dst []int8, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 31
	if n == 0 || !features.avx2 {
		return 0, 0
	}
	return n, quantiseAVX2(&dst[:n][0], &x[0], n, inverse)
}

// quantiseWideVector is quantiseVector for 16-bit integers.
func quantiseWideVector(dst []int16, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 15
	if n == 0 || !features.avx2 {
		return 0, 0
	}
	return n, quantiseWideAVX2(&dst[:n][0], &x[0], n, inverse)
}

// quantiseLowVector is quantiseLow of the first numbers of x, and how many those
// are.
func quantiseLowVector(dst []int8, x []float32, inverse float32, zero int32) int {
	n := len(x) &^ 31
	if n == 0 || !features.avx2 {
		return 0
	}
	quantiseLowAVX2(&dst[:n][0], &x[0], n, inverse, zero)
	return n
}

// quantiseHighVector is quantiseHigh of the first numbers of x, and how many those
// are.
func quantiseHighVector(dst []int8, x []float32, inverse float32, zero int32, flip int8) int {
	n := len(x) &^ 31
	if n == 0 || !features.avx2 {
		return 0
	}
	quantiseHighAVX2(&dst[:n][0], &x[0], n, inverse, zero, flip)
	return n
}

// extremesVector is extremes of the first numbers of x, and how many those are.
func extremesVector(x []float32, mask []uint32) (n int, top int32, bottom, other uint32) {
	n = len(x) &^ 15
	if n == 0 || !features.avx2 {
		return 0, 0, 0, 0
	}
	top, bottom, other = extremesAVX2(&x[0], &mask[:n][0], n)
	return n, top, bottom, other
}

// largestAVX2 is the bits of the largest magnitude of n numbers, n a multiple of
// 32 above zero.
//
//go:noescape
func largestAVX2(x *float32, n int) uint32

// quantiseAVX2 is, for n a multiple of 32 above zero,
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i] * inverse))
//		sum += int32(dst[i])
//	}
//
//go:noescape
func quantiseAVX2(dst *int8, x *float32, n int, inverse float32) (sum int32)

// quantiseWideAVX2 is quantiseAVX2 for 16-bit integers and n a multiple of 16.
//
//go:noescape
func quantiseWideAVX2(dst *int16, x *float32, n int, inverse float32) (sum int32)

// quantiseLowAVX2 is, for n a multiple of 32 above zero,
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i]*inverse) + zero)
//	}
//
// Products must be below 2¹⁵.
//
//go:noescape
func quantiseLowAVX2(dst *int8, x *float32, n int, inverse float32, zero int32)

// quantiseHighAVX2 is, for n a multiple of 32 above zero,
//
//	for i := range n {
//		dst[i] = int8((roundToInt(x[i]*inverse)+zero)>>8) ^ flip
//	}
//
// What is shifted must be of 16 bits.
//
//go:noescape
func quantiseHighAVX2(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)

// extremesAVX2 is extremes of n numbers, n a multiple of 16 above zero.
//
//go:noescape
func extremesAVX2(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
