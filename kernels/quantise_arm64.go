//go:build !purego

package kernels

// largestVector is largestPortable of the first numbers of x, and how many those
// are.
func largestVector(x []float32) (int, uint32) {
	n := len(x) &^ 15
	if n == 0 || !features.neon {
		return 0, 0
	}
	return n, largestNEON(&x[0], n)
}

// quantiseVector is quantisePortable of the first numbers of x: it returns how
// many those are, and their sum.
func quantiseVector(dst []int8, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 15
	if n == 0 || !features.neon {
		return 0, 0
	}
	return n, quantiseNEON(&dst[:n][0], &x[0], n, inverse)
}

// quantiseWideVector leaves all numbers to quantiseWide: no kernel of this
// architecture wants 16-bit integers.
func quantiseWideVector([]int16, []float32, float32) (int, int32) { return 0, 0 }

// quantiseLowVector is quantiseLow of the first numbers of x, and how many those
// are.
func quantiseLowVector(dst []int8, x []float32, inverse float32, zero int32) int {
	n := len(x) &^ 15
	if n == 0 || !features.neon {
		return 0
	}
	quantiseLowNEON(&dst[:n][0], &x[0], n, inverse, zero)
	return n
}

// quantiseHighVector is quantiseHigh of the first numbers of x, and how many those
// are.
func quantiseHighVector(dst []int8, x []float32, inverse float32, zero int32, flip int8) int {
	n := len(x) &^ 15
	if n == 0 || !features.neon {
		return 0
	}
	quantiseHighNEON(&dst[:n][0], &x[0], n, inverse, zero, flip)
	return n
}

// extremesVector is extremes of the first numbers of x, and how many those are.
func extremesVector(x []float32, mask []uint32) (n int, top int32, bottom, other uint32) {
	n = len(x) &^ 15
	if n == 0 || !features.neon {
		return 0, 0, 0, 0
	}
	top, bottom, other = extremesNEON(&x[0], &mask[:n][0], n)
	return n, top, bottom, other
}

// largestNEON is the bits of the largest magnitude of n numbers, n a multiple of
// 16 above zero.
//
//go:noescape
func largestNEON(x *float32, n int) uint32

// quantiseNEON is, for n a multiple of 16 above zero,
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i] * inverse))
//		sum += int32(dst[i])
//	}
//
//go:noescape
func quantiseNEON(dst *int8, x *float32, n int, inverse float32) (sum int32)

// quantiseLowNEON is, for n a multiple of 16 above zero,
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i]*inverse) + zero)
//	}
//
//go:noescape
func quantiseLowNEON(dst *int8, x *float32, n int, inverse float32, zero int32)

// quantiseHighNEON is, for n a multiple of 16 above zero,
//
//	for i := range n {
//		dst[i] = int8((roundToInt(x[i]*inverse)+zero)>>8) ^ flip
//	}
//
// What is shifted must be of 16 bits.
//
//go:noescape
func quantiseHighNEON(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)

// extremesNEON is extremes of n numbers, n a multiple of 16 above zero.
//
//go:noescape
func extremesNEON(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
