//go:build purego || (!amd64 && !arm64)

package kernels

func transposeRows([]float32, int, Matrix) (rows, cols int) { return 0, 0 }

func roundF16([]uint16, []float32) int { return 0 }

func roundBF16([]uint16, []float32) int { return 0 }

func widenF16([]float32, []uint16) int { return 0 }

func widenBF16([]float32, []uint16) int { return 0 }
