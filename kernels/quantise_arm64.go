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

// quantiseTermsVector is quantiseTerms of the first numbers of x: it returns how
// many those are, and their sum.
func quantiseTermsVector(high, low []int8, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 15
	if n == 0 || !features.neon {
		return 0, 0
	}
	return n, quantiseTermsNEON(&high[:n][0], &low[:n][0], &x[0], n, inverse)
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

// quantiseTermsNEON is, for n a multiple of 16 above zero,
//
//	for i := range n {
//		q := roundToInt(x[i] * inverse)
//		high[i] = int8((q + 32) >> 6)
//		low[i] = int8(q - int32(high[i])<<6)
//		sum += q
//	}
//
//go:noescape
func quantiseTermsNEON(high, low *int8, x *float32, n int, inverse float32) (sum int32)
