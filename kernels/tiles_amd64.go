//go:build !purego

package kernels

import "unsafe"

// tileShapes is the operand of LDTILECFG: palette 1 has eight registers of up to 16 rows of
// 64 bytes.
type tileShapes struct {
	palette  uint8
	_        [15]uint8 // the start row, and reserved bytes
	rowBytes [16]uint16
	rows     [16]uint8
}

var (
	wholeTiles = tileShapes{
		palette:  1,
		rowBytes: [16]uint16{64, 64, 64, 64, 64, 64, 64, 64},
		rows:     [16]uint8{16, 16, 16, 16, 16, 16, 16, 16},
	}
	// blockTiles has registers of 8 rows; T4 holds rows of a, blocks of 32 bytes.
	blockTiles = tileShapes{
		palette:  1,
		rowBytes: [16]uint16{64, 64, 64, 64, 32, 64, 64, 64},
		rows:     [16]uint8{8, 8, 8, 8, 8, 8, 8, 8},
	}
)

// The instruction reads 64 bytes.
var _, _ [64]byte = [unsafe.Sizeof(wholeTiles)]byte{}, [unsafe.Sizeof(blockTiles)]byte{}
