//go:build purego || !amd64

package kernels

// splitAttention is the shape of Coarse attention, if the machine has one.
func splitAttention() (s attentionShape, ok bool) { return attentionShape{}, false }

func splitRow(dst, src []float32) { splitRowPortable(dst, src) }

func splitPair(dst []float32, i int, x, y []float32) { splitPairPortable(dst, i, x, y) }

func multiplySplit(t *splitProduct) { multiplySplitPortable(t) }

func addWeighed(y, x Matrix, states []softmaxState, before, after bool) {
	addWeighedPortable(y, x, states, before, after)
}
