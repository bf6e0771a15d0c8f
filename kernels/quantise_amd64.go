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

// quantiseTermsVector is quantiseTerms of the first numbers of x: it returns how
// many those are, and their sum.
func quantiseTermsVector(high, low []int8, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 31
	if n == 0 || !features.avx2 {
		return 0, 0
	}
	return n, quantiseTermsAVX2(&high[:n][0], &low[:n][0], &x[0], n, inverse)
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

// quantiseTermsAVX2 is, for n a multiple of 32 above zero,
//
//	for i := range n {
//		q := roundToInt(x[i] * inverse)
//		high[i] = int8((q + 32) >> 6)
//		low[i] = int8(q - int32(high[i])<<6)
//		sum += q
//	}
//
//go:noescape
func quantiseTermsAVX2(high, low *int8, x *float32, n int, inverse float32) (sum int32)
