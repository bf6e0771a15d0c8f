//go:build purego || (!amd64 && !arm64)

package kernels

func vector(dst, x, up []float32, act Activation) { vectorPortable(dst, x, up, act) }

func scaleRow(row []float32, factor float32) { scaleRowPortable(row, factor) }

func addRow(dst, x, y []float32) { addRowPortable(dst, x, y) }
