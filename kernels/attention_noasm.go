//go:build purego || (!amd64 && !arm64)

package kernels

func (s attentionShape) product(t *attentionTile) { productPortable(t) }

func (s attentionShape) copyPanel(dst []float32, src Matrix) { copyPanelPortable(dst, s.cols, src) }

func biasRows(scores []float32, rows, stride, n int, scale float32, bias []float32, at int) {
	biasRowsPortable(scores, rows, stride, n, scale, bias, at)
}
