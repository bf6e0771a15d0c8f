//go:build purego || (!amd64 && !arm64)

package kernels

func (s attentionShape) product(t *attentionTile) { productPortable(t) }

func (s attentionShape) copyPanel(dst []float32, src Matrix) { copyPanelPortable(dst, s.cols, src) }
