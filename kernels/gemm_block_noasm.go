//go:build purego || (!amd64 && !arm64)

package kernels

func (s intShape) multiplyBlocks(t *blockTile, kind blockKind) { multiplyBlocksPortable(t, kind, s) }

func quantiseBlocksVector([]int8, []float32, blockKind, intShape) int { return 0 }

func quantiseSuperVector([]int8, []float32, float32, []int16, intShape) bool { return false }

func (w *blockWeights) multiplyTiles(Matrix, *Input, int, int, *Epilogue) bool { return false }
