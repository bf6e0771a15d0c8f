//go:build purego || (!amd64 && !arm64)

package kernels

func largestVector([]float32) (int, uint32) { return 0, 0 }

func quantiseVector([]int8, []float32, float32) (int, int32) { return 0, 0 }

func quantiseWideVector([]int16, []float32, float32) (int, int32) { return 0, 0 }

func quantiseLowVector([]int8, []float32, float32, int32) int { return 0 }

func quantiseHighVector([]int8, []float32, float32, int32, int8) int { return 0 }

func extremesVector([]float32, []uint32) (n int, top int32, bottom, other uint32) { return 0, 0, 0, 0 }
