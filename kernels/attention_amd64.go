//go:build !purego

package kernels

import "unsafe"

// product computes t, in panels of s.cols columns.
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

// copyPanel is copyPanelPortable for rows of s.cols numbers.
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

// biasRows is biasRowsPortable, with the same bits.
func biasRows(scores []float32, rows, stride, n int, scale float32, bias []float32, at int) {
	if n == 0 || !features.avx2 {
		biasRowsPortable(scores, rows, stride, n, scale, bias, at)
		return
	}
	_, _ = scores[(rows-1)*stride:][:n], bias[at-(rows-1)]
	first := &bias[at:][:n][0]
	if features.avx512 {
		biasRowsAVX512(&scores[0], rows, uintptr(4*stride), n, scale, first)
	} else {
		biasRowsAVX2(&scores[0], rows, uintptr(4*stride), n, scale, first)
	}
}

// The assembly depends on the size.
var _ = [1]struct{}{}[unsafe.Sizeof(attentionTile{})-11*8]

// productAVX512 is productPortable for panels of 32 columns and 1 to 12 rows.
//
//go:noescape
func productAVX512(t *attentionTile)

// productAVX2 is productPortable for panels of 16 columns and 1 to 6 rows.
//
//go:noescape
func productAVX2(t *attentionTile)

// biasRowsAVX512 is biasRowsPortable for rows > 0 and n > 0; stride is in bytes, and
// bias is for the first row.
//
//go:noescape
func biasRowsAVX512(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)

//go:noescape
func biasRowsAVX2(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)

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
