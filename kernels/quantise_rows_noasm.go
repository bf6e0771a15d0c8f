//go:build purego || !amd64

package kernels

func (w *int8Weights) prepareVector(intShape, *Input, Matrix, int, int) bool { return false }
