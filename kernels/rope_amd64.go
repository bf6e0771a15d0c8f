//go:build !purego

package kernels

// rotateHalves is rotateHalvesPortable, with the same bits.
func rotateHalves(x, y, cos, sin []float32) {
	n := len(x)
	y, cos, sin = y[:n], cos[:n], sin[:n]
	full := 0
	switch {
	case features.avx512:
		full = n &^ 15
		if full > 0 {
			rotateAVX512(&x[0], &y[0], &cos[0], &sin[0], full)
		}
	case features.avx2:
		full = n &^ 7
		if full > 0 {
			rotateAVX2(&x[0], &y[0], &cos[0], &sin[0], full)
		}
	}
	if full < n {
		rotateHalvesPortable(x[full:], y[full:], cos[full:], sin[full:])
	}
}

// rotateAVX512 is rotateHalvesPortable for n numbers, a multiple of 16 above 0.
//
//go:noescape
func rotateAVX512(x, y, cos, sin *float32, n int)

// rotateAVX2 is rotateHalvesPortable for n numbers, a multiple of 8 above 0.
//
//go:noescape
func rotateAVX2(x, y, cos, sin *float32, n int)
