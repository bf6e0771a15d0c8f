//go:build !purego

package kernels

import "golang.org/x/sys/cpu"

// pairAttention is the shape of Coarse attention, if the machine has one.
func pairAttention() (s attentionShape, ok bool) {
	return attentionShape{rows: pairRows, cols: pairGroup, pairs: true}, hasPairs()
}

func hasPairs() bool { return features.amx && cpu.X86.HasAMXBF16 }

// roundRows is roundRowsPortable, with the same bits.
func roundRows(dst, src Matrix, factor float32) {
	if !hasPairs() || src.Rows == 0 || src.Cols == 0 {
		roundRowsPortable(dst, src, factor)
		return
	}
	roundRowsAVX512(&dst.Data[0], uintptr(4*dst.Stride), &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols, factor)
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
func weighPairs(s []softmaxState, scores []float32, stride, n int, last bool) {
	if !hasPairs() || len(s) == 0 || n == 0 {
		weighPairsPortable(s, scores, stride, n, last)
		return
	}
	weighRowsAVX512(&s[0], len(s), &scores[0], uintptr(4*stride), n, 1, true, last)
}

// prefetchRows says that m will be written.
func prefetchRows(m Matrix) {
	if hasPairs() && m.Rows > 0 && m.Cols > 0 {
		prefetchRowsAMD64(&m.Data[0], uintptr(4*m.Stride), m.Rows, 4*m.Cols)
	}
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

// scaleRows is scaleRowsPortable, with the same bits.
func scaleRows(dst, src Matrix, states []softmaxState, inverse bool) {
	if !hasPairs() || src.Rows == 0 || src.Cols == 0 {
		scaleRowsPortable(dst, src, states, inverse)
		return
	}
	factor := &states[0].factor
	if inverse {
		factor = &states[0].inverse
	}
	scaleRowsAVX512(&dst.Data[0], uintptr(4*dst.Stride), &src.Data[0], uintptr(4*src.Stride), factor, src.Rows, src.Cols)
}

// roundRowsAVX512 is roundRowsPortable for rows of cols numbers, both above 0;
// strides are in bytes.
//
//go:noescape
func roundRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, rows, cols int, factor float32)

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

// scaleRowsAVX512 is scaleRowsPortable for rows of cols numbers, both above 0; the
// strides are in bytes, the factors lie a softmaxState apart.
//
//go:noescape
func scaleRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, factor *float32, rows, cols int)

// prefetchRowsAMD64 asks for the cache lines of rows of so many bytes, both above 0,
// to write to; the stride is in bytes.
//
//go:noescape
func prefetchRowsAMD64(p *float32, row uintptr, rows, bytes int)
