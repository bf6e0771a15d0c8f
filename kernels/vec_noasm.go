//go:build purego || (!amd64 && !arm64)

package kernels

func vector(dst, x, up []float32, f vecFunc) { vectorPortable(dst, x, up, f) }

func scaleRow(row []float32, factor float32) { scaleRowPortable(row, factor) }
