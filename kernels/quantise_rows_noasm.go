//go:build purego || !amd64

package kernels

func (w *int8Weights) prepareVector(intShape, *intPart, *Input, []float32, []int32, Matrix, int, int) bool {
	return false
}
