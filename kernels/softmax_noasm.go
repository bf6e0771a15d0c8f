//go:build purego || (!amd64 && !arm64)

package kernels

func weighRows(s []softmaxState, scores []float32, stride, n int, c float32) {
	weighRowsPortable(s, scores, stride, n, c)
}
