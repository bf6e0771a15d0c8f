//go:build !purego

package kernels

import "unsafe"

// quantiseRows says to a kernel which rows of activations to quantise for
// unsigned weights.
//
//	for i := range rows {
//		row, high := x[i*xRow:][:n], dst[i*stride:]
//		inverse, scales[i] = scaleOf(largestPortable(row), limit)
//		if low == 0 {
//			sums[i] = factor * quantise(high, row, inverse)
//		} else {
//			sums[i] = factor * quantiseTerms(high, high[low:], row, inverse)
//		}
//	}
//
// Both strides are in bytes; n is a multiple of 64 above zero. Each 64 integers
// are step bytes after those before them.
type quantiseRows struct {
	rows, n int
	x       unsafe.Pointer
	xRow    uintptr
	dst     unsafe.Pointer
	stride  uintptr
	step    uintptr
	low     uintptr
	scales  unsafe.Pointer
	sums    unsafe.Pointer
	limit   float32
	factor  int32
}

//go:noescape
func quantiseRowsAVX512VNNI(r *quantiseRows)

// prepareVector is Prepare, if there is a kernel for whole rows of these weights.
func (w *int8Weights) prepareVector(s intShape, in *Input, x Matrix, from, to int) bool {
	if w.k != w.depth || w.k%64 != 0 || from >= to ||
		s.rung != intAVX512VNNI && s.rung != intAMX {
		return false
	}
	stride := w.stride(s)
	_, _ = x.Row(to-1), in.bytes[(to-1)*stride+w.bytes()-1]
	_, _ = in.scales[to-1], in.sums[to-1]
	r := quantiseRows{
		n: w.k, xRow: uintptr(4 * x.Stride), stride: uintptr(stride), step: tileInputs,
		limit: w.limit, factor: -128 >> (termBits * (w.terms - 1)),
	}
	if w.terms == 2 {
		r.low = uintptr(w.depth)
	}
	if s.tiles {
		r.stride, r.step = tileInputs, tileRows*tileInputs
		r.low *= tileRows
	}
	for ; from < to; from += r.rows {
		// A few rows at a time, because the kernel cannot be interrupted, and no
		// more than those of a tile.
		r.rows = min(tileRows-from%tileRows, to-from)
		at := from * stride
		if s.tiles {
			at = w.tileOf(from)
		}
		r.x, r.dst = unsafe.Pointer(&x.Row(from)[0]), unsafe.Pointer(&in.bytes[at])
		r.scales, r.sums = unsafe.Pointer(&in.scales[from]), unsafe.Pointer(&in.sums[from])
		quantiseRowsAVX512VNNI(&r)
	}
	return true
}
