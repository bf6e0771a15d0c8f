//go:build purego || (!amd64 && !arm64)

package kernels

func (s intShape) multiply(t *intTile) { multiplyIntPortable(t, s.cols) }
