//go:build !purego

package kernels

func layerNorm(dst, x, gain, bias []float32, eps float32) {
	n := len(x)
	if n == 0 || !features.neon {
		layerNormPortable(dst, x, gain, bias, eps)
		return
	}
	layerNormNEON(&dst[:n][0], &x[0], pointer(gain, n), pointer(bias, n), n, eps)
}

func rmsNorm(dst, x, gain []float32, eps float32) {
	n := len(x)
	if n == 0 || !features.neon {
		rmsNormPortable(dst, x, gain, eps)
		return
	}
	rmsNormNEON(&dst[:n][0], &x[0], pointer(gain, n), n, eps)
}

// layerNormNEON is layerNormPortable for n > 0 numbers, with float32 sums: four of 4 lanes
// each. gain and bias may be nil.
//
//go:noescape
func layerNormNEON(dst, x, gain, bias *float32, n int, eps float32)

// rmsNormNEON is rmsNormPortable for n > 0 numbers, with the sums of layerNormNEON.
// gain may be nil.
//
//go:noescape
func rmsNormNEON(dst, x, gain *float32, n int, eps float32)
