//go:build (amd64 || arm64) && !purego

package kernels

// largestVector returns largestPortable of the first numbers of x, and how many those are.
func largestVector(x []float32) (int, uint32) {
	n := len(x) / quantiseStep * quantiseStep
	if n == 0 || !hasSIMD() {
		return 0, 0
	}
	return n, largestSIMD(&x[0], n)
}

// quantiseVector is quantisePortable for the first numbers of x. It returns how many
// those are, and their sum.
func quantiseVector(dst []int8, x []float32, inverse float32) (int, int32) {
	n := len(x) / quantiseStep * quantiseStep
	if n == 0 || !hasSIMD() {
		return 0, 0
	}
	return n, quantiseSIMD(&dst[:n][0], &x[0], n, inverse)
}

// quantiseLowVector is quantiseLow for the first numbers of x. It returns how many those
// are.
func quantiseLowVector(dst []int8, x []float32, inverse float32, zero int32) int {
	n := len(x) / quantiseStep * quantiseStep
	if n == 0 || !hasSIMD() {
		return 0
	}
	quantiseLowSIMD(&dst[:n][0], &x[0], n, inverse, zero)
	return n
}

// quantiseHighVector is quantiseHigh for the first numbers of x. It returns how many
// those are.
func quantiseHighVector(dst []int8, x []float32, inverse float32, zero int32, flip int8) int {
	n := len(x) / quantiseStep * quantiseStep
	if n == 0 || !hasSIMD() {
		return 0
	}
	quantiseHighSIMD(&dst[:n][0], &x[0], n, inverse, zero, flip)
	return n
}

// extremesVector returns extremes of the first numbers of x, and how many those are.
func extremesVector(x []float32, mask []uint32) (n int, top int32, bottom, other uint32) {
	n = len(x) &^ 15
	if n == 0 || !hasSIMD() {
		return 0, 0, 0, 0
	}
	top, bottom, other = extremesSIMD(&x[0], &mask[:n][0], n)
	return n, top, bottom, other
}

// In the following, n is a multiple of quantiseStep above 0, unless stated otherwise.

// largestSIMD returns the bits of the largest magnitude of n numbers.
//
//go:noescape
func largestSIMD(x *float32, n int) uint32

// quantiseSIMD computes
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i] * inverse))
//		sum += int32(dst[i])
//	}
//
//go:noescape
func quantiseSIMD(dst *int8, x *float32, n int, inverse float32) (sum int32)

// quantiseLowSIMD computes
//
//	for i := range n {
//		dst[i] = int8(roundToInt(x[i]*inverse) + zero)
//	}
//
// Products must be below 2¹⁵.
//
//go:noescape
func quantiseLowSIMD(dst *int8, x *float32, n int, inverse float32, zero int32)

// quantiseHighSIMD computes
//
//	for i := range n {
//		dst[i] = int8((roundToInt(x[i]*inverse)+zero)>>8) ^ flip
//	}
//
// The shifted sums must fit in 16 bits.
//
//go:noescape
func quantiseHighSIMD(dst *int8, x *float32, n int, inverse float32, zero int32, flip int8)

// extremesSIMD is extremes for n numbers, n a multiple of 16 above 0.
//
//go:noescape
func extremesSIMD(x *float32, mask *uint32, n int) (top int32, bottom, other uint32)
