//go:build purego || !amd64

package kernels

func roundRows(dst, src Matrix, factor float32) { roundRowsPortable(dst, src, factor) }

func roundTiles(dst []float32, src Matrix) { roundTilesPortable(dst, src) }

func weighBF16(s []softmaxState, scores []float32, stride, n int, last bool) {
	weighBF16Portable(s, scores, stride, n, last)
}

func multiplyBF16(t *bf16Product) { multiplyBF16Portable(t) }

func scaleRows(dst, src Matrix, states []softmaxState, inverse bool) {
	scaleRowsPortable(dst, src, states, inverse)
}

func prefetchRows(Matrix) {}
