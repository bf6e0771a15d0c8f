//go:build purego || (!amd64 && !arm64)

package kernels

func rotateHalves(x, y, cos, sin []float32) { rotateHalvesPortable(x, y, cos, sin) }
