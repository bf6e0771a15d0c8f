//go:build purego || !amd64

package kernels

// pairAttention is the shape of Coarse attention, if the machine has one.
func pairAttention() (s attentionShape, ok bool) { return attentionShape{}, false }

func roundRows(dst, src Matrix, factor float32) { roundRowsPortable(dst, src, factor) }

func roundPairs(dst []float32, src Matrix) { roundPairsPortable(dst, src) }

func weighPairs(s []softmaxState, scores []float32, stride, n int, last bool) {
	weighPairsPortable(s, scores, stride, n, last)
}

func multiplyPairs(t *pairProduct) { multiplyPairsPortable(t) }

func scaleRows(dst, src Matrix, states []softmaxState, inverse bool) {
	scaleRowsPortable(dst, src, states, inverse)
}

func prefetchRows(Matrix) {}
