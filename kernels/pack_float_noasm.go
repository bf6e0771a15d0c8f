//go:build purego || (!amd64 && !arm64)

package kernels

func transposeRows([]float32, int, Matrix) (rows, cols int) { return 0, 0 }

func roundHalves([]uint16, []float32) int { return 0 }

func roundBrains([]uint16, []float32) int { return 0 }

func widenHalves([]float32, []uint16) int { return 0 }

func widenBrains([]float32, []uint16) int { return 0 }
