//go:build !purego

package kernels

// rotateHalves is rotateHalvesPortable, with the same bits.
func rotateHalves(x, y, cos, sin []float32) {
	n := len(x)
	y, cos, sin = y[:n], cos[:n], sin[:n]
	full := 0
	if features.neon {
		if full = n &^ 3; full > 0 {
			rotateNEON(&x[0], &y[0], &cos[0], &sin[0], full)
		}
	}
	if full < n {
		rotateHalvesPortable(x[full:], y[full:], cos[full:], sin[full:])
	}
}

// rotateNEON is rotateHalvesPortable for n numbers, a multiple of 4 above 0.
//
//go:noescape
func rotateNEON(x, y, cos, sin *float32, n int)
