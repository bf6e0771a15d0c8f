//go:build purego || (!amd64 && !arm64)

package kernels

func largestVector([]float32) (int, uint32) { return 0, 0 }

func quantiseVector([]int8, []float32, float32) (int, int32) { return 0, 0 }

func quantiseWideVector([]int16, []float32, float32) (int, int32) { return 0, 0 }

func quantiseTermsVector(_, _ []int8, _ []float32, _ float32) (int, int32) { return 0, 0 }
