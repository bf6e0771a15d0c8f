//go:build !purego

package kernels

import "unsafe"

// product computes t, in panels of s.cols columns.
func (s attentionShape) product(t *attentionTile) {
	if s.rung == floatNEON {
		productNEON(t)
	} else {
		productPortable(t)
	}
}

// productNEON is productPortable for 1 to 6 rows: tiles of the float GEMM, with the factors
// applied before and after.
func productNEON(t *attentionTile) {
	const panel = 16
	var sums [6 * panel]float32
	f := floatTile{rows: t.rows, k: t.k, a: t.a, aRow: t.aRow, aCol: 4, bRow: 4 * panel, y: unsafe.Pointer(&sums), yRow: 4 * panel}
	for j := 0; j < t.cols; j += panel {
		width := min(panel, t.cols-j)
		f.b = unsafe.Add(t.b, uintptr(j/panel)*t.bPanel)
		if width == panel && t.before == nil && t.after == nil {
			direct := f
			direct.c, direct.cRow = unsafe.Pointer(&zeros), 0
			direct.y, direct.yRow = unsafe.Add(t.y, 4*uintptr(j)), t.yRow
			tileNEONF32(&direct)
			continue
		}
		f.c, f.cRow = unsafe.Pointer(&zeros), 0
		if t.before != nil {
			f.c, f.cRow = f.y, f.yRow
			for i := range t.rows {
				row := sums[i*panel:][:width]
				copy(row, t.row(i, j, width))
				scaleRow(row, factorOf(t.before, i))
			}
		}
		tileNEONF32(&f)
		for i := range t.rows {
			row := sums[i*panel:][:width]
			if t.after != nil {
				scaleRow(row, factorOf(t.after, i))
			}
			copy(t.row(i, j, width), row)
		}
	}
}

// row returns width numbers of row i of y, from column j on.
func (t *attentionTile) row(i, j, width int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(t.y, uintptr(i)*t.yRow+4*uintptr(j))), width)
}

// factorOf returns the factor of row i.
func factorOf(first *float32, i int) float32 {
	return *(*float32)(unsafe.Add(unsafe.Pointer(first), uintptr(i)*unsafe.Sizeof(softmaxState{})))
}

func (s attentionShape) copyPanel(dst []float32, src Matrix) { copyPanelPortable(dst, s.cols, src) }

// biasRows is biasRowsPortable, with the same bits.
func biasRows(scores []float32, rows, stride, n int, scale float32, bias []float32, at int) {
	if n == 0 || !features.neon {
		biasRowsPortable(scores, rows, stride, n, scale, bias, at)
		return
	}
	_, _ = scores[(rows-1)*stride:][:n], bias[at-(rows-1)]
	biasRowsNEON(&scores[0], rows, uintptr(4*stride), n, scale, &bias[at:][:n][0])
}

// biasRowsNEON is biasRowsPortable for rows > 0 and n > 0; stride is in bytes, and bias is
// for the first row.
//
//go:noescape
func biasRowsNEON(scores *float32, rows int, stride uintptr, n int, scale float32, bias *float32)
