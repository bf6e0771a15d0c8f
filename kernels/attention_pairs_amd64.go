//go:build !purego

package kernels

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// pairAttention is the shape of Coarse attention, if the machine has one.
func pairAttention() (s attentionShape, ok bool) {
	return attentionShape{rows: pairTile, cols: pairGroup, pairs: true}, hasPairs()
}

func hasPairs() bool { return features.amx && cpu.X86.HasAMXBF16 }

// roundRows is roundRowsPortable, with the same bits.
func roundRows(dst, src Matrix) {
	if !hasPairs() || src.Rows == 0 || src.Cols == 0 {
		roundRowsPortable(dst, src)
		return
	}
	roundRowsAVX512(&dst.Data[0], uintptr(4*dst.Stride), &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols)
}

// roundPairs is roundPairsPortable, with the same bits.
func roundPairs(dst []float32, src Matrix) {
	if !hasPairs() || src.Rows == 0 || src.Cols == 0 {
		roundPairsPortable(dst, src)
		return
	}
	roundPairsAVX512(&dst[:pairGroup*pairTile][0], &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols)
}

// weighPairs is weighPairsPortable.
func weighPairs(s []softmaxState, scores []float32, stride, n int, c float32) {
	if !hasPairs() || len(s) == 0 || n == 0 {
		weighPairsPortable(s, scores, stride, n, c)
		return
	}
	weighRowsAVX512(&s[0], len(s), &scores[0], uintptr(4*stride), n, c, true)
}

// multiplyPairs is multiplyPairsPortable, but for the order of the sum within a
// group.
func multiplyPairs(t *pairProduct) {
	if hasPairs() {
		multiplyPairsAMX(t)
	} else {
		multiplyPairsPortable(t)
	}
}

// addWeighed is addWeighedPortable, with the same bits.
func addWeighed(y, x Matrix, states []softmaxState, before, after bool) {
	if !hasPairs() {
		addWeighedPortable(y, x, states, before, after)
		return
	}
	w := weighedSum{y: unsafe.Pointer(&y.Data[0]), yRow: uintptr(4 * y.Stride), x: unsafe.Pointer(&x.Data[0]),
		xRow: uintptr(4 * x.Stride), rows: y.Rows, cols: y.Cols}
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

// roundRowsAVX512 is roundRowsPortable for rows of cols numbers, both above 0;
// strides are in bytes.
//
//go:noescape
func roundRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, rows, cols int)

// roundPairsAVX512 is roundPairsPortable for rows of cols numbers, both 1 to 32; the
// stride is in bytes.
//
//go:noescape
func roundPairsAVX512(dst, src *float32, row uintptr, rows, cols int)

// multiplyPairsAMX is multiplyPairsPortable; the numbers of a group are summed in
// the order of the instruction.
//
//go:noescape
func multiplyPairsAMX(t *pairProduct)

//go:noescape
func addWeighedAVX512(w *weighedSum)
