//go:build !purego

package kernels

// height is of how many of rows rows a micro-kernel computes a tile.
func (s intShape) height(rows int) int {
	switch s.rung {
	case intI8MM:
		return min(rows, 8) // rows come in pairs
	case intDotProd:
		return pieceOf(rows, 8)
	case intNEON:
		return pieceOf(rows, 4)
	}
	return rows
}

// tile computes t, which has as many rows as height says.
func (s intShape) tile(t *intTile) {
	switch s.rung {
	case intI8MM:
		tileI8MM(t)
	case intDotProd:
		tileDotProd(t)
	case intNEON:
		tileNEON(t)
	default:
		multiplyIntPortable(t, s.cols)
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

// widenBytes is for shapes that can take widened weights; there are none here.
func widenBytes([]int16, []int8) {}
