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

// roundF16 is dst[i] = quant.HalfBits(src[i]) for the first numbers of src. It returns
// how many are done.
func roundF16(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	roundF16NEON(&dst[:n][0], &src[0], n)
	return n
}

// roundBF16 is roundF16 for quant.BFloat16Bits.
func roundBF16(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !features.neon || n == 0 {
		return 0
	}
	roundBF16NEON(&dst[:n][0], &src[0], n)
	return n
}

// widenF16 is dst[i] = quant.Half(src[i]) for the first numbers of src. It
// returns how many are done.
func widenF16(dst []float32, src []uint16) int {
	n := len(src) &^ 31
	if !features.neon || n == 0 {
		return 0
	}
	widenF16NEON(&dst[:n][0], &src[0], n)
	return n
}

// widenBF16 is widenF16 for quant.BFloat16.
func widenBF16(dst []float32, src []uint16) int {
	n := len(src) &^ 31
	if !features.neon || n == 0 {
		return 0
	}
	widenBF16NEON(&dst[:n][0], &src[0], n)
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

// roundF16NEON is dst[i] = quant.HalfBits(src[i]) for i < n, a multiple of 8 above zero.
//
//go:noescape
func roundF16NEON(dst *uint16, src *float32, n int)

// roundBF16NEON is dst[i] = quant.BFloat16Bits(src[i]) for i < n, a multiple of 8 above zero.
//
//go:noescape
func roundBF16NEON(dst *uint16, src *float32, n int)

// widenF16NEON is dst[i] = quant.Half(src[i]) for i < n, a multiple of 32 above
// zero.
//
//go:noescape
func widenF16NEON(dst *float32, src *uint16, n int)

// widenBF16NEON is dst[i] = quant.BFloat16(src[i]) for i < n, a multiple of 32 above
// zero.
//
//go:noescape
func widenBF16NEON(dst *float32, src *uint16, n int)
