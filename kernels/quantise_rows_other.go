//go:build purego || !amd64

package kernels

func (w *int8Weights) prepareVector(*Input, Matrix, int, int) bool { return false }
