//go:build !purego

package kernels

import "unsafe"

// quantiseRows says to a kernel which rows of activations to quantise for
// unsigned weights.
//
//	for i := range rows {
//		row := x[i*xRow:][:n]
//		inverse, scales[i] = scaleOf(largestPortable(row))
//		sums[i] = -128 * quantise(dst[i*stride:], row, inverse)
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
	scales  unsafe.Pointer
	sums    unsafe.Pointer
}

//go:noescape
func quantiseRowsAVX512VNNI(r *quantiseRows)

// prepareVector is Prepare, if there is a kernel for whole rows of these weights.
func (w *int8Weights) prepareVector(in *Input, x Matrix, from, to int) bool {
	if w.k != w.depth || w.k%64 != 0 || from >= to ||
		w.shape.rung != intAVX512VNNI && w.shape.rung != intAMX {
		return false
	}
	stride := w.stride()
	_, _ = x.Row(to-1), in.bytes[(to-1)*stride+w.k-1]
	_, _ = in.scales[to-1], in.sums[to-1]
	r := quantiseRows{n: w.k, xRow: uintptr(4 * x.Stride), stride: uintptr(stride), step: tileInputs}
	if w.shape.tiles {
		r.stride, r.step = tileInputs, tileRows*tileInputs
	}
	for ; from < to; from += r.rows {
		// A few rows at a time, because the kernel cannot be interrupted, and no
		// more than those of a tile.
		r.rows = min(tileRows-from%tileRows, to-from)
		at := from * stride
		if w.shape.tiles {
			at = w.tileOf(from)
		}
		r.x, r.dst = unsafe.Pointer(&x.Row(from)[0]), unsafe.Pointer(&in.bytes[at])
		r.scales, r.sums = unsafe.Pointer(&in.scales[from]), unsafe.Pointer(&in.sums[from])
		quantiseRowsAVX512VNNI(&r)
	}
	return true
}
