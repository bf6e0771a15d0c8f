//go:build !purego

package kernels

// height returns the height of a micro-kernel's first tile of rows rows.
func (s intShape) height(rows int) int {
	switch s.rung {
	case intAVX2, intAVXVNNI:
		return pieceOf(rows, 6)
	case intAVX512VNNI:
		return pieceOf(rows, 12)
	}
	return rows
}

// tile computes t, whose number of rows is from height.
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

// The micro-kernels; intTile defines what they compute. depth must be above 0 and a
// multiple of the shape's.

// tileAVX512VNNI takes up to 12 rows and 32 columns.
//
//go:noescape
func tileAVX512VNNI(t *intTile)

// tileAVXVNNI takes up to 6 rows and 16 columns.
//
//go:noescape
func tileAVXVNNI(t *intTile)

// tileAVX2 takes up to 6 rows and 16 columns; a has 16-bit integers.
//
//go:noescape
func tileAVX2(t *intTile)

// tileAVX2Widened is tileAVX2 with 16-bit integers in b too.
//
//go:noescape
func tileAVX2Widened(t *intTile)

// widenBytes computes dst = src. Both have the same length, a multiple of 32.
func widenBytes(dst []int16, src []int8) {
	if n := len(src); n > 0 {
		widenBytesAVX2(&dst[:n][0], &src[0], n)
	}
}

// widenBytesAVX2 widens n bytes, n a multiple of 32 above 0.
//
//go:noescape
func widenBytesAVX2(dst *int16, src *int8, n int)

// tileAMX takes any number of rows and 32 columns; a is in tiles. It reads, but does
// not use, rows of a up to the next multiple of 16.
//
//go:noescape
func tileAMX(t *intTile)
