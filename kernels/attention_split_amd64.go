//go:build !purego

package kernels

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// splitAttention is the shape of Coarse attention, if the machine has one.
func splitAttention() (s attentionShape, ok bool) {
	return attentionShape{rows: splitTile, cols: splitGroup, split: true}, splits()
}

func splits() bool { return features.amx && cpu.X86.HasAMXBF16 }

// splitRow is splitRowPortable, with the same bits.
func splitRow(dst, src []float32) {
	if !splits() {
		splitRowPortable(dst, src)
		return
	}
	full := len(src) &^ (splitGroup - 1)
	if full > 0 {
		splitRowAVX512(&dst[:full][0], &src[0], full)
	}
	if full < len(src) {
		var group [splitGroup]float32
		copy(group[:], src[full:])
		splitRowAVX512(&dst[full : full+splitGroup][0], &group[0], splitGroup)
	}
}

// splitPair is splitPairPortable, with the same bits.
func splitPair(dst []float32, i int, x, y []float32) {
	if !splits() {
		splitPairPortable(dst, i, x, y)
		return
	}
	var none [splitGroup]float32
	width := max(len(x), len(y))
	px, py := &none[0], &none[0]
	if len(x) > 0 {
		px = &x[0]
	}
	if len(y) > 0 {
		py = &y[0]
	}
	splitPairAVX512(&dst[:4*splitTile*splitTile][i*splitTile], px, py, width)
}

// multiplySplit is multiplySplitPortable, but for the order of the sum within a
// group.
func multiplySplit(t *splitProduct) {
	if splits() {
		multiplySplitAMX(t)
	} else {
		multiplySplitPortable(t)
	}
}

// addWeighed is addWeighedPortable.
func addWeighed(y, x Matrix, states []softmaxState, before, after bool) {
	if !splits() {
		addWeighedPortable(y, x, states, before, after)
		return
	}
	w := weighedSum{y: unsafe.Pointer(&y.Data[0]), yRow: uintptr(4 * y.Stride), x: unsafe.Pointer(&x.Data[0]), xRow: uintptr(4 * x.Stride), rows: y.Rows, cols: y.Cols}
	if before {
		w.before = &states[0].factor
	}
	if after {
		w.after = &states[0].inverse
	}
	addWeighedAVX512(&w)
}

// weighedSum is the arguments of addWeighedAVX512: see addWeighedPortable. Strides
// are in bytes; factors, one a row, lie a softmaxState apart, or are nil.
type weighedSum struct {
	y             unsafe.Pointer
	yRow          uintptr
	x             unsafe.Pointer
	xRow          uintptr
	before, after *float32
	rows, cols    int // above 0
}

// splitRowAVX512 is splitRowPortable for n numbers, a multiple of 32 above 0.
//
//go:noescape
func splitRowAVX512(dst, src *float32, n int)

// splitPairAVX512 is splitPairPortable for rows of width numbers, 1 to 32; dst is
// the row of the first tile.
//
//go:noescape
func splitPairAVX512(dst, x, y *float32, width int)

// multiplySplitAMX is multiplySplitPortable; the numbers of a group are summed in
// the order of the instruction, all hi·hi before all lo·hi before all hi·lo.
//
//go:noescape
func multiplySplitAMX(t *splitProduct)

//go:noescape
func addWeighedAVX512(w *weighedSum)
