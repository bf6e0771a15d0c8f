//go:build !purego

package kernels

// multiplyBlocks computes t, of any height.
func (s intShape) multiplyBlocks(t *blockTile, kind blockKind) {
	if s.rung == intPortable || kind.super() && t.blocks == 0 {
		multiplyBlocksPortable(t, kind, s)
		return
	}
	for i := 0; i < t.rows; {
		piece := t.below(i, pieceOf(t.rows-i, 4))
		i += piece.rows
		switch {
		case s.rung == intDotProd && kind == blocks32:
			blocks32DotProd(&piece)
		case s.rung == intDotProd && kind == blocks32Offsets:
			blocks32OffsetsDotProd(&piece)
		case s.rung == intDotProd && kind == super16:
			super16DotProd(&piece)
		case s.rung == intDotProd:
			super32OffsetsDotProd(&piece)
		case kind == blocks32:
			blocks32NEON(&piece)
		case kind == blocks32Offsets:
			blocks32OffsetsNEON(&piece)
		case kind == super16:
			super16NEON(&piece)
		default:
			super32OffsetsNEON(&piece)
		}
	}
}

// quantiseBlocksVector leaves all numbers to quantiseBlocks, whose parts are
// vectorised.
func quantiseBlocksVector([]int8, []float32, blockKind, intShape) int { return 0 }

// quantiseSuperVector leaves all superblocks to quantiseSuper, likewise.
func quantiseSuperVector([]int8, []float32, float32, []int16, intShape) bool { return false }

// multiplyTiles leaves everything to Multiply: there are no tile registers.
func (w *blockWeights) multiplyTiles(Matrix, *Input, int, int, *Epilogue) bool { return false }

// The micro-kernels; blockTile defines what they compute. They take up to 4 rows.

//go:noescape
func blocks32DotProd(t *blockTile)

//go:noescape
func blocks32OffsetsDotProd(t *blockTile)

//go:noescape
func super16DotProd(t *blockTile)

//go:noescape
func super32OffsetsDotProd(t *blockTile)

//go:noescape
func blocks32NEON(t *blockTile)

//go:noescape
func blocks32OffsetsNEON(t *blockTile)

//go:noescape
func super16NEON(t *blockTile)

//go:noescape
func super32OffsetsNEON(t *blockTile)
