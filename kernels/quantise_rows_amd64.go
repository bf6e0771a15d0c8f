//go:build !purego

package kernels

import "unsafe"

// quantiseRows says to a kernel which rows of activations to quantise for
// int8Weights of an unsigned shape.
//
//	for i := range rows {
//		row, high := x[i*xRow:][:n], dst[i*stride:]
//		inverse, scales[i], zero := w.stepsOf(row)
//		zeros[i] = -zero
//		w.quantiseHigh(high[:wide], row, 0, inverse, zero)
//		quantiseLow(high[wide:][:n], row, inverse, zero)
//	}
//
// All strides are in bytes; n is a multiple of 64 above zero, wide one of 16. If
// there is no index, wide is n. Each 64 bytes are step bytes after those before
// them, where low bytes are low bytes after the first high one.
type quantiseRows struct {
	rows, n, wide int
	x             unsafe.Pointer
	xRow          uintptr
	narrow        unsafe.Pointer
	index         unsafe.Pointer
	dst           unsafe.Pointer
	stride        uintptr
	step          uintptr
	low           uintptr
	scales        unsafe.Pointer
	zeros         unsafe.Pointer
	wideStep      float32
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
		n: w.k, wide: w.wide, xRow: uintptr(4 * x.Stride), narrow: unsafe.Pointer(&w.narrow[:w.k][0]),
		stride: uintptr(stride), step: tileInputs, low: uintptr(w.wide), wideStep: w.wideStep,
	}
	if !w.allWide() && w.wide > 0 {
		r.index = unsafe.Pointer(&w.index[:w.wide][0])
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
		r.scales, r.zeros = unsafe.Pointer(&in.scales[from]), unsafe.Pointer(&in.sums[from])
		quantiseRowsAVX512VNNI(&r)
	}
	return true
}
