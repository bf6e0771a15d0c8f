//go:build (amd64 || arm64) && !purego

package kernels

import "unsafe"

// transposeRows transposes the rows and columns of src that vectors can: an even number of
// rows, and a multiple of 4 columns. It returns how many of each are done.
func transposeRows(dst []float32, stride int, src Matrix) (rows, cols int) {
	cols = src.Cols &^ 3
	if !hasSIMD() || cols == 0 {
		return 0, 0
	}
	rows = src.Rows &^ 1
	for l := 0; l < cols; l += transposeBlock {
		n := min(transposeBlock, cols-l)
		for i := 0; i < rows; {
			to, from := unsafe.Pointer(&dst[l*stride+i]), unsafe.Pointer(&src.Data[i*src.Stride+l])
			i += transposeSome(to, uintptr(4*stride), from, uintptr(4*src.Stride), n, rows-i)
		}
	}
	return rows, cols
}

// roundF16 computes dst[i] = quant.HalfBits(src[i]) for the first numbers of src. It
// returns how many are done.
func roundF16(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !hasSIMD() || n == 0 {
		return 0
	}
	roundF16SIMD(&dst[:n][0], &src[0], n)
	return n
}

// roundBF16 is roundF16 for quant.BFloat16Bits.
func roundBF16(dst []uint16, src []float32) int {
	n := len(src) &^ 7
	if !hasSIMD() || n == 0 {
		return 0
	}
	roundBF16SIMD(&dst[:n][0], &src[0], n)
	return n
}

// widenF16 computes dst[i] = quant.Half(src[i]) for the first numbers of src. It returns
// how many are done.
func widenF16(dst []float32, src []uint16) int {
	n := len(src) &^ 31
	if !hasSIMD() || n == 0 {
		return 0
	}
	widenF16SIMD(&dst[:n][0], &src[0], n)
	return n
}

// widenBF16 is widenF16 for quant.BFloat16.
func widenBF16(dst []float32, src []uint16) int {
	n := len(src) &^ 31
	if !hasSIMD() || n == 0 {
		return 0
	}
	widenBF16SIMD(&dst[:n][0], &src[0], n)
	return n
}

// transpose4SIMD turns 4 rows of k numbers, k a multiple of 4 above 0, into columns; both
// strides are in bytes:
//
//	for i := range 4 {
//		for l := range k {
//			dst[l*stride+i] = src[i*row+l]
//		}
//	}
//
//go:noescape
func transpose4SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)

// transpose2SIMD is transpose4SIMD for 2 rows.
//
//go:noescape
func transpose2SIMD(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k int)

// roundF16SIMD computes dst[i] = quant.HalfBits(src[i]) for i < n, a multiple of 8 above 0.
//
//go:noescape
func roundF16SIMD(dst *uint16, src *float32, n int)

// roundBF16SIMD is roundF16SIMD for quant.BFloat16Bits.
//
//go:noescape
func roundBF16SIMD(dst *uint16, src *float32, n int)

// widenF16SIMD computes dst[i] = quant.Half(src[i]) for i < n, a multiple of 32 above 0.
//
//go:noescape
func widenF16SIMD(dst *float32, src *uint16, n int)

// widenBF16SIMD is widenF16SIMD for quant.BFloat16.
//
//go:noescape
func widenBF16SIMD(dst *float32, src *uint16, n int)
