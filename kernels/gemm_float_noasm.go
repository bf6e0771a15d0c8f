//go:build purego || (!amd64 && !arm64)

package kernels

func (s floatShape) multiply(t *floatTile, format uint8) { multiplyPortable(t, s.cols, format) }

func (s floatShape) multiplyWide(t *floatTile, format uint8) {
	multiplyWidePortable(t, s.cols, format)
}
