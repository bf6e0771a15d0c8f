//go:build !purego

package kernels

// multiply computes t, whatever its height.
func (s intShape) multiply(t *intTile) {
	for i := 0; i < t.rows; {
		left := t.rows - i
		var piece intTile
		switch s.rung {
		case intI8MM:
			piece = t.below(i, min(left, 8)) // rows come in pairs
			tileI8MM(&piece)
		case intDotProd:
			piece = t.below(i, pieceOf(left, 8))
			tileDotProd(&piece)
		case intNEON:
			piece = t.below(i, pieceOf(left, 4))
			tileNEON(&piece)
		default:
			multiplyIntPortable(t, s.cols)
			return
		}
		i += piece.rows
	}
}

// The micro-kernels: intTile says what they compute, 8 columns of it. depth must
// be above zero and a multiple of 16.

// tileDotProd takes up to 8 rows.
//
//go:noescape
func tileDotProd(t *intTile)

// tileI8MM takes up to 8 rows, pairs of which are interleaved.
//
//go:noescape
func tileI8MM(t *intTile)

// tileNEON takes up to 4 rows.
//
//go:noescape
func tileNEON(t *intTile)
