//go:build !purego

package kernels

import "unsafe"

// transposeSome transposes k numbers of up to rows rows, as transpose4SIMD does. It returns
// how many rows are done.
func transposeSome(dst unsafe.Pointer, stride uintptr, src unsafe.Pointer, row uintptr, k, rows int) int {
	if rows >= 4 {
		transpose4SIMD(dst, stride, src, row, k)
		return 4
	}
	transpose2SIMD(dst, stride, src, row, k)
	return 2
}
