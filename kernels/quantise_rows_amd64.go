//go:build !purego

package kernels

import "unsafe"

// quantiseRows is the argument of a kernel that quantises rows of activations for
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
// All strides are in bytes; n is a multiple of 64 above 0, wide a multiple of 16.
// Without an index, wide is n. Each 64 bytes begin step bytes after the previous 64;
// the low bytes begin low bytes after the first high byte.
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

// prepareVector is Prepare for a part of the inputs. It returns false if there is no kernel
// for whole rows of it.
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
		// A few rows at a time, because the kernel cannot be preempted, and no more
		// than the rest of a tile.
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
