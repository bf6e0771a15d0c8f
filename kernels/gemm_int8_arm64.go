//go:build !purego

package kernels

// height returns the height of a micro-kernel's first tile of rows rows.
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

// tile computes t, whose number of rows is from height.
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

// The micro-kernels; intTile defines what they compute, for 8 columns. depth must be
// above 0 and a multiple of 16.

// tileDotProd takes up to 8 rows.
//
//go:noescape
func tileDotProd(t *intTile)

// tileI8MM takes up to 8 rows, interleaved in pairs.
//
//go:noescape
func tileI8MM(t *intTile)

// tileNEON takes up to 4 rows.
//
//go:noescape
func tileNEON(t *intTile)

// widenBytes is for shapes with canWiden; there are none here.
func widenBytes([]int16, []int8) {}
