//go:build !purego

package kernels

// roundRows is roundRowsPortable, with the same bits.
func roundRows(dst, src Matrix, factor float32) {
	if features.bf16 == 0 || src.Rows == 0 || src.Cols == 0 {
		roundRowsPortable(dst, src, factor)
		return
	}
	roundRowsAVX512(&dst.Data[0], uintptr(4*dst.Stride), &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols, factor)
}

// roundTiles is roundTilesPortable, with the same bits.
func roundTiles(dst []float32, src Matrix) {
	if features.bf16 == 0 || src.Rows == 0 || src.Cols == 0 {
		roundTilesPortable(dst, src)
		return
	}
	roundTilesAVX512(&dst[:bf16Group*bf16Tile][0], &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols)
}

// weighBF16 is weighBF16Portable.
func weighBF16(s []softmaxState, scores []float32, stride, n int, last bool) {
	if features.bf16 == 0 || len(s) == 0 || n == 0 {
		weighBF16Portable(s, scores, stride, n, last)
		return
	}
	weighRowsAVX512(&s[0], len(s), &scores[0], uintptr(4*stride), n, 1, true, last)
}

// prefetchRows prefetches m for writing.
func prefetchRows(m Matrix) {
	if features.bf16 != 0 && m.Rows > 0 && m.Cols > 0 {
		prefetchRowsAMD64(&m.Data[0], uintptr(4*m.Stride), m.Rows, 4*m.Cols)
	}
}

// multiplyBF16 is multiplyBF16Portable, except for the order of sums within a group.
func multiplyBF16(t *bf16Product) {
	switch features.bf16 {
	case bf16Tiles:
		multiplyBF16AMX(t)
	case bf16Vectors:
		multiplyAVX512BF16(t)
	default:
		multiplyBF16Portable(t)
	}
}

// scaleRows is scaleRowsPortable, with the same bits.
func scaleRows(dst, src Matrix, states []softmaxState, inverse bool) {
	if features.bf16 == 0 || src.Rows == 0 || src.Cols == 0 {
		scaleRowsPortable(dst, src, states, inverse)
		return
	}
	factor := &states[0].factor
	if inverse {
		factor = &states[0].inverse
	}
	scaleRowsAVX512(&dst.Data[0], uintptr(4*dst.Stride), &src.Data[0], uintptr(4*src.Stride), factor, src.Rows, src.Cols)
}

// roundRowsAVX512 is roundRowsPortable for rows rows of cols numbers, both above 0; strides
// are in bytes.
//
//go:noescape
func roundRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, rows, cols int, factor float32)

// roundTilesAVX512 is roundTilesPortable for rows rows of cols numbers, both 1 to 32; the
// stride is in bytes.
//
//go:noescape
func roundTilesAVX512(dst, src *float32, row uintptr, rows, cols int)

// multiplyBF16AMX is multiplyBF16Portable, with the instruction's order of sums within a
// group.
//
//go:noescape
func multiplyBF16AMX(t *bf16Product)

// scaleRowsAVX512 is scaleRowsPortable for rows rows of cols numbers, both above 0; strides
// are in bytes, and the factors are a softmaxState apart.
//
//go:noescape
func scaleRowsAVX512(dst *float32, dstRow uintptr, src *float32, srcRow uintptr, factor *float32, rows, cols int)

// prefetchRowsAMD64 prefetches the cache lines of rows of that many bytes, both above
// 0, for writing; the stride is in bytes.
//
//go:noescape
func prefetchRowsAMD64(p *float32, row uintptr, rows, bytes int)

// multiplyAVX512BF16 is multiplyBF16AMX without tile registers.
//
//go:noescape
func multiplyAVX512BF16(t *bf16Product)
