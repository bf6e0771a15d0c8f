//go:build !purego

package kernels

// quantiseStep is how many numbers the kernels quantise at a time.
const quantiseStep = 32

// quantiseWideVector is quantiseVector for 16-bit integers.
func quantiseWideVector(dst []int16, x []float32, inverse float32) (int, int32) {
	n := len(x) &^ 15
	if n == 0 || !features.avx2 {
		return 0, 0
	}
	return n, quantiseWideAVX2(&dst[:n][0], &x[0], n, inverse)
}

// quantiseWideAVX2 is quantiseSIMD for 16-bit integers and n a multiple of 16.
//
//go:noescape
func quantiseWideAVX2(dst *int16, x *float32, n int, inverse float32) (sum int32)
