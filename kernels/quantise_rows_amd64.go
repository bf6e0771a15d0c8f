//go:build !purego

package kernels

import "unsafe"

// quantiseRows says to a kernel which rows of activations to quantise for
// int8Weights of an unsigned shape.
//
//	for i := range rows {
//		row, high := x[i*xRow:][:n], dst[i*stride:]
//		inverse, scales[i], zero := w.stepsOf(p, row)
//		zeros[i] = -zero
//		w.quantiseHigh(p, high[:wide], row, 0, inverse, zero)
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

// prepareVector is Prepare for a part of the inputs, if there is a kernel for whole
// rows of it.
func (w *int8Weights) prepareVector(s intShape, p *intPart, in *Input, scales []float32, zeros []int32, x Matrix, from, to int) bool {
	if p.k != p.depth || p.k%64 != 0 || from >= to ||
		s.rung != intAVX512VNNI && s.rung != intAMX {
		return false
	}
	stride := w.stride(s)
	_, _ = x.Row(to - 1)[p.from+p.k-1], in.bytes[(to-1)*stride+w.row-1]
	_, _ = scales[to-1], zeros[to-1]
	r := quantiseRows{
		n: p.k, wide: p.wide, xRow: uintptr(4 * x.Stride), narrow: unsafe.Pointer(&w.narrow[p.from:][:p.k][0]),
		stride: uintptr(stride), step: tileInputs, low: uintptr(p.wide), wideStep: p.wideStep,
	}
	if p.index != nil {
		r.index = unsafe.Pointer(&p.index[:p.wide][0])
	}
	at := p.at
	if s.tiles {
		r.stride, r.step = tileInputs, tileRows*tileInputs
		r.low *= tileRows
		at *= tileRows
	}
	for ; from < to; from += r.rows {
		// A few rows at a time, because the kernel cannot be interrupted, and no
		// more than those of a tile.
		r.rows = min(tileRows-from%tileRows, to-from)
		first := from * stride
		if s.tiles {
			first = w.tileOf(from)
		}
		r.x, r.dst = unsafe.Pointer(&x.Row(from)[p.from]), unsafe.Pointer(&in.bytes[first+at])
		r.scales, r.zeros = unsafe.Pointer(&scales[from]), unsafe.Pointer(&zeros[from])
		quantiseRowsAVX512VNNI(&r)
	}
	return true
}
