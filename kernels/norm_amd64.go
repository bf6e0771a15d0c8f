//go:build !purego

package kernels

// laneMasks is 16 lanes that are set, then 16 that are not: a load that begins n lanes
// before the middle is the mask of the first n lanes.
//
//lint:ignore U1000 the assembly reads it
var laneMasks = func() (m [32]uint32) {
	for i := range 16 {
		m[i] = 1<<32 - 1
	}
	return m
}()

func layerNorm(dst, x, gain, bias []float32, eps float32) {
	n := len(x)
	switch {
	case n == 0 || !features.avx2:
		layerNormPortable(dst, x, gain, bias, eps)
	case features.avx512:
		layerNormAVX512(&dst[:n][0], &x[0], pointer(gain, n), pointer(bias, n), n, eps)
	default:
		layerNormAVX2(&dst[:n][0], &x[0], pointer(gain, n), pointer(bias, n), n, eps)
	}
}

func rmsNorm(dst, x, gain []float32, eps float32) {
	n := len(x)
	switch {
	case n == 0 || !features.avx2:
		rmsNormPortable(dst, x, gain, eps)
	case features.avx512:
		rmsNormAVX512(&dst[:n][0], &x[0], pointer(gain, n), n, eps)
	default:
		rmsNormAVX2(&dst[:n][0], &x[0], pointer(gain, n), n, eps)
	}
}

// layerNormAVX512 is layerNormPortable for n > 0 numbers, with float32 sums: four of 16
// lanes each, or of 8 with AVX2. gain and bias may be nil.
//
//go:noescape
func layerNormAVX512(dst, x, gain, bias *float32, n int, eps float32)

//go:noescape
func layerNormAVX2(dst, x, gain, bias *float32, n int, eps float32)

// rmsNormAVX512 is rmsNormPortable for n > 0 numbers, with the sums of layerNormAVX512.
// gain may be nil.
//
//go:noescape
func rmsNormAVX512(dst, x, gain *float32, n int, eps float32)

//go:noescape
func rmsNormAVX2(dst, x, gain *float32, n int, eps float32)
