//go:build !purego

package kernels

import "unsafe"

func chooseAttentionShape() attentionShape {
	switch {
	case features.avx512:
		return attentionShape{rows: 12, cols: 32, rung: floatAVX512}
	case features.avx2:
		return attentionShape{rows: 6, cols: 16, rung: floatAVX2}
	}
	return portableAttention
}

// product computes t, cut in panels of s.cols columns.
func (s attentionShape) product(t *attentionTile) {
	switch s.rung {
	case floatAVX512:
		productAVX512(t)
	case floatAVX2:
		productAVX2(t)
	default:
		productPortable(t)
	}
}

// copyPanel copies rows of src, width numbers each, to rows of s.cols numbers that
// lie one after the other in dst; what is left of those becomes 0.
func (s attentionShape) copyPanel(dst []float32, src Matrix) {
	if src.Rows == 0 || src.Cols == 0 {
		return
	}
	_ = dst[src.Rows*s.cols-1]
	switch s.rung {
	case floatAVX512:
		copyPanelAVX512(&dst[0], &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols)
	case floatAVX2:
		copyPanelAVX2(&dst[0], &src.Data[0], uintptr(4*src.Stride), src.Rows, src.Cols)
	default:
		copyPanelPortable(dst, s.cols, src)
	}
}

// addGathered is addGatheredPortable, with the same bits.
func addGathered(row []float32, index []int32, src []float32, stride int) {
	n := len(row)
	full := 0
	switch {
	case features.avx512:
		if full = n &^ 15; full > 0 {
			addGatheredAVX512(&row[0], &index[n-16], &src[0], uintptr(4*stride), full)
		}
	case features.avx2:
		if full = n &^ 7; full > 0 {
			addGatheredAVX2(&row[0], &index[n-8], &src[0], uintptr(4*stride), full)
		}
	}
	if full < n {
		addGatheredPortable(row[full:], index[:n-full], src[full*stride:], stride)
	}
}

// The assembly knows where the fields are.
var _ = [1]struct{}{}[unsafe.Sizeof(attentionTile{})-11*8]

// productAVX512 is productPortable for panels of 32 columns and 1 to 12 rows.
//
//go:noescape
func productAVX512(t *attentionTile)

// productAVX2 is productPortable for panels of 16 columns and 1 to 6 rows.
//
//go:noescape
func productAVX2(t *attentionTile)

// copyPanelAVX512 is copyPanelPortable for panels of 32 columns, rows > 0 and width
// from 1 to 32; stride is in bytes.
//
//go:noescape
func copyPanelAVX512(dst, src *float32, stride uintptr, rows, width int)

// copyPanelAVX2 is copyPanelPortable for panels of 16 columns, rows > 0 and width
// from 1 to 16; stride is in bytes.
//
//go:noescape
func copyPanelAVX2(dst, src *float32, stride uintptr, rows, width int)

// addGatheredAVX512 is addGatheredPortable for n numbers, a multiple of 16 above 0.
// index are the last 16 of the columns; stride is in bytes.
//
//go:noescape
func addGatheredAVX512(row *float32, index *int32, src *float32, stride uintptr, n int)

// addGatheredAVX2 is addGatheredAVX512 for multiples of 8 and the last 8 columns.
//
//go:noescape
func addGatheredAVX2(row *float32, index *int32, src *float32, stride uintptr, n int)

// forwards counts lanes up.
//
//lint:ignore U1000 the assembly reads it
var forwards = [16]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// backwards turns 16 lanes round, its second half 8.
//
//lint:ignore U1000 the assembly reads it
var backwards = [16]int32{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
