//go:build purego || (!amd64 && !arm64)

package kernels

func chooseIntShape() intShape { return portableIntShape }

func (s intShape) multiply(t *intTile) { multiplyIntPortable(t, s.cols) }
