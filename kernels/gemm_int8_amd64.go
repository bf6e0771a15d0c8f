//go:build !purego

package kernels

// multiply computes t, whatever its height.
func (s intShape) multiply(t *intTile) {
	height := 6
	switch s.rung {
	case intPortable:
		multiplyIntPortable(t, s.cols)
		return
	case intAMX:
		tileAMX(t)
		return
	case intAVX512VNNI:
		height = 12
	}
	for i := 0; i < t.rows; {
		piece := t.below(i, pieceOf(t.rows-i, height))
		switch s.rung {
		case intAVXVNNI:
			tileAVXVNNI(&piece)
		case intAVX2:
			tileAVX2(&piece)
		default:
			tileAVX512VNNI(&piece)
		}
		i += piece.rows
	}
}

// The micro-kernels: intTile says what they compute. depth must be above zero
// and a multiple of the shape's.

// tileAVX512VNNI takes up to 12 rows and 32 columns.
//
//go:noescape
func tileAVX512VNNI(t *intTile)

// tileAVXVNNI takes up to 6 rows and 16 columns.
//
//go:noescape
func tileAVXVNNI(t *intTile)

// tileAVX2 takes up to 6 rows and 16 columns; a is of 16-bit integers.
//
//go:noescape
func tileAVX2(t *intTile)

// tileAMX takes any number of rows and 32 columns; a is in tiles. It reads, but
// does not use, rows of a up to the next multiple of 16.
//
//go:noescape
func tileAMX(t *intTile)
