package kernels

import (
	"unsafe"

	"github.com/winnow-rerank/winnow/quant"
)

// transpose writes the rows of src as columns: dst[l*stride+i] = src[i][l].
func transpose(dst []float32, stride int, src Matrix) {
	if stride == 1 && src.Rows == 1 {
		copy(dst, src.Row(0))
		return
	}
	rows, cols := transposeRows(dst, stride, src)
	for i := range src.Rows {
		done := cols
		if i >= rows {
			done = 0
		}
		row := src.Row(i)
		for l := done; l < len(row); l++ {
			dst[l*stride+i] = row[l]
		}
	}
}

// transposeBlock is how many columns are transposed for all rows before the next ones: few
// enough that written cache lines stay in the first-level cache until they are full. It is
// a multiple of 4.
const transposeBlock = 128

// f16Of rounds src to binary16 numbers.
func f16Of(dst []uint16, src []float32) {
	for i := roundF16(dst, src); i < len(src); i++ {
		dst[i] = quant.HalfBits(src[i])
	}
}

// bf16Of rounds src to bfloat16 numbers.
func bf16Of(dst []uint16, src []float32) {
	for i := roundBF16(dst, src); i < len(src); i++ {
		dst[i] = quant.BFloat16Bits(src[i])
	}
}

// Dequantize is [quant.Dequantize], vectorised for float16.
func Dequantize(dst []float32, t quant.Type, src []byte) error {
	if t == quant.F16 && len(src) == 2*len(dst) {
		fromF16(dst, src)
		return nil
	}
	return quant.Dequantize(dst, t, src)
}

// fromF16 converts the little-endian float16 numbers in src.
func fromF16(dst []float32, src []byte) {
	bytes := unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(src))), len(src))
	n := len(dst) / 8 * 8 // in whole vectors
	if n > 0 {
		widenScales(dst[:n], bytes[:2*n])
	}
	widenScalesPortable(dst[n:], bytes[2*n:])
}

// floatsOf converts src, numbers of a 16-bit format, to float32.
func floatsOf(dst []float32, src []uint16, format uint8) {
	if format == formatF16 {
		for i := widenF16(dst, src); i < len(src); i++ {
			dst[i] = quant.Half(src[i])
		}
		return
	}
	for i := widenBF16(dst, src); i < len(src); i++ {
		dst[i] = quant.BFloat16(src[i])
	}
}
