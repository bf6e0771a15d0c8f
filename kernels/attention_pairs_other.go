//go:build purego || !amd64

package kernels

// pairAttention is the shape of Coarse attention, if the machine has one.
func pairAttention() (s attentionShape, ok bool) { return attentionShape{}, false }

func roundRows(dst, src Matrix) { roundRowsPortable(dst, src) }

func roundPairs(dst []float32, src Matrix) { roundPairsPortable(dst, src) }

func weighPairs(s []softmaxState, scores []float32, stride, n int, c float32) {
	weighPairsPortable(s, scores, stride, n, c)
}

func multiplyPairs(t *pairProduct) { multiplyPairsPortable(t) }

func addWeighed(y, x Matrix, states []softmaxState, before, after bool) {
	addWeighedPortable(y, x, states, before, after)
}
