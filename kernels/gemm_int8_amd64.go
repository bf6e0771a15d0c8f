//go:build !purego

package kernels

// height is of how many of rows rows a micro-kernel computes a tile.
func (s intShape) height(rows int) int {
	switch s.rung {
	case intAVX2, intAVXVNNI:
		return pieceOf(rows, 6)
	case intAVX512VNNI:
		return pieceOf(rows, 12)
	}
	return rows
}

// tile computes t, which has as many rows as height says.
func (s intShape) tile(t *intTile) {
	switch s.rung {
	case intAMX:
		tileAMX(t)
	case intAVX512VNNI:
		tileAVX512VNNI(t)
	case intAVXVNNI:
		tileAVXVNNI(t)
	case intAVX2:
		if s.widened {
			tileAVX2Widened(t)
			return
		}
		tileAVX2(t)
	default:
		multiplyIntPortable(t, s.cols)
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

// tileAVX2Widened is tileAVX2 where b is of 16-bit integers, too.
//
//go:noescape
func tileAVX2Widened(t *intTile)

// widenBytes is dst = src, whose lengths are one multiple of 32.
func widenBytes(dst []int16, src []int8) {
	if n := len(src); n > 0 {
		widenBytesAVX2(&dst[:n][0], &src[0], n)
	}
}

// widenBytesAVX2 widens n bytes, n a multiple of 32 above zero.
//
//go:noescape
func widenBytesAVX2(dst *int16, src *int8, n int)

// tileAMX takes any number of rows and 32 columns; a is in tiles. It reads, but
// does not use, rows of a up to the next multiple of 16.
//
//go:noescape
func tileAMX(t *intTile)
