//go:build !purego

package kernels

import "unsafe"

// transposeRows transposes the first rows and columns of src as far as vectors
// reach: 4 or 2 rows at a time, and a multiple of 4 columns. It returns how many of
// each are done.
func transposeRows(dst []float32, stride int, src Matrix) (rows, cols int) {
	cols = src.Cols &^ 3
	if !features.neon || cols == 0 {
		return 0, 0
	}
	rows = src.Rows &^ 1
	for l := 0; l < cols; l += transposeBlock {
		n := min(transposeBlock, cols-l)
		for i := 0; i < rows; {
			to, from := unsafe.Pointer(&dst[l*stride+i]), unsafe.Pointer(&src.Data[i*src.Stride+l])
			if rows-i >= 4 {
				transpose4NEON(to, uintptr(4*stride), from, uintptr(4*src.Stride), n)
				i += 4
			} else {
				transpose2NEON(to, uintptr(4*stride), from, uintptr(4*src.Stride), n)
				i += 2
			}
		}
	}
	return rows, cols
}

// roundHalves is dst[i] = quant.HalfBits(src[i]) for the first numbers of src. It returns
// how many are done.
func roundHalves(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	halvesNEON(&dst[:n][0], &src[0], n)
	return n
}

// roundBrains is roundHalves for quant.BrainBits.
func roundBrains(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	brainsNEON(&dst[:n][0], &src[0], n)
	return n
}

// widenHalves is dst[i] = quant.Half(src[i]) for the first numbers of src. It
// returns how many are done.
func widenHalves(dst []float32, src []uint16) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	widenHalvesNEON(&dst[:n][0], &src[0], n)
	return n
}

// widenBrains is widenHalves for quant.Brain.
func widenBrains(dst []float32, src []uint16) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	widenBrainsNEON(&dst[:n][0], &src[0], n)
	return n
}

// transpose4NEON turns 4 rows of k numbers, k a multiple of 4 above zero, into
// columns; both strides are in bytes:
//
//	for i := range 4 {
//		for l := range k {
//			dst[l*stride+i] = src[i*row+l]
//		}
//	}
//
//go:noescape
func transpose4NEON(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)

// transpose2NEON is transpose4NEON for 2 rows.
//
//go:noescape
func transpose2NEON(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)

// halvesNEON is dst[i] = quant.HalfBits(src[i]) for i < n, a multiple of 8 above zero.
//
//go:noescape
func halvesNEON(dst *uint16, src *float32, n int)

// brainsNEON is dst[i] = quant.BrainBits(src[i]) for i < n, a multiple of 8 above zero.
//
//go:noescape
func brainsNEON(dst *uint16, src *float32, n int)

// widenHalvesNEON is dst[i] = quant.Half(src[i]) for i < n, a multiple of 8 above
// zero.
//
//go:noescape
func widenHalvesNEON(dst *float32, src *uint16, n int)

// widenBrainsNEON is dst[i] = quant.Brain(src[i]) for i < n, a multiple of 8 above
// zero.
//
//go:noescape
func widenBrainsNEON(dst *float32, src *uint16, n int)
