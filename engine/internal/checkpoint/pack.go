package checkpoint

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// packing says how matrices are packed, and holds those still to be packed.
type packing struct {
	format packFormat
	floats packFormat // of the file's float matrices, when others are packed in 8 bits
	work   []linearWork
	widens bool // some matrices support channels of activations in 16 bits
}

// linearWork is a Linear still to be packed.
type linearWork struct {
	dst     *compute.Linear
	tensors []quant.Tensor // stacked
	out, in int
	format  packFormat
	err     error
}

// Pack packs all Linears on the workers of r, largest first, and releases the file's
// pages as it goes. It returns the packed size.
func (f *File) Pack(r *compute.Runner) (bytes int64, err error) {
	p := &packer{f, f.packing.work}
	f.packing.work = nil
	return p.run(r)
}

// PackTable packs a whole embedding table as a linear layer, such as a language model's
// head.
func (f *File) PackTable(r *compute.Runner, e *compute.Embedding) (*compute.Linear, error) {
	l := new(compute.Linear)
	p := &packer{f, []linearWork{{dst: l, tensors: []quant.Tensor{e.Tensor}, out: e.Rows, in: e.Cols, format: f.packing.format}}}
	_, err := p.run(r)
	return l, err
}

// A packer packs Linears on workers.
type packer struct {
	f    *File
	work []linearWork
}

func (p *packer) run(r *compute.Runner) (bytes int64, err error) {
	slices.SortStableFunc(p.work, func(a, b linearWork) int { return cmp.Compare(b.out*b.in, a.out*a.in) })
	if err := r.Run(context.Background(), p, len(p.work)); err != nil {
		return 0, err
	}
	for i := range p.work {
		w := &p.work[i]
		if w.err != nil {
			return 0, w.err
		}
		bytes += int64(w.dst.Weights.Bytes())
		p.f.packing.widens = p.f.packing.widens || kernels.CanWiden(w.dst.Weights)
	}
	return bytes, nil
}

// Widens reports whether some of the packed matrices multiply 8-bit activations, or
// can.
func (f *File) Widens() bool { return f.packing.widens }

// Tile packs one Linear.
func (p *packer) Tile(_ *compute.Context, i int) {
	w, f := &p.work[i], p.f
	defer func() {
		for _, t := range w.tensors {
			f.source.Release(t.Name)
		}
	}()
	if (w.format.bytes() || w.format == packNarrow) && w.blocks() {
		if w.err = f.packBlocks(w); w.dst.Weights != nil || w.err != nil {
			return
		}
	}
	if w.format.bytes() && w.floats() {
		w.format = f.packing.floats
	}
	perTensor := w.out / len(w.tensors)
	largest := uint32(0)
	row := func(i int, dst []float32) {
		t := w.tensors[i/perTensor]
		i %= perTensor
		bytes := t.Type.Bytes(w.in)
		err := dequantize(dst, t, t.Data[i*bytes:(i+1)*bytes])
		m := kernels.Largest(dst)
		if err == nil && m >= infinity {
			j := notFinite(dst)
			err = f.infinite(t, i, j, dst[j])
		}
		if err != nil && w.err == nil {
			w.err = err
		}
		largest = max(largest, m)
	}
	w.dst.Weights = w.format.pack(w.out, w.in, row)
	if w.format == packF16 && largest > math.Float32bits(maxF16) {
		w.dst.Weights = kernels.PackF32(w.out, w.in, row)
	}
}

// blocks reports whether the tensors are all of types that are multiplied as stored.
func (w *linearWork) blocks() bool {
	return !slices.ContainsFunc(w.tensors, func(t quant.Tensor) bool { return !kernels.CanPackBlocks(t.Type) })
}

// wide reports whether the tensors are all floats of more than 16 bits.
func (w *linearWork) wide() bool {
	return !slices.ContainsFunc(w.tensors, func(t quant.Tensor) bool { return t.Type != quant.F32 && t.Type != quant.F64 })
}

// floats reports whether the tensors are all floats.
func (w *linearWork) floats() bool {
	return !slices.ContainsFunc(w.tensors, func(t quant.Tensor) bool { return t.Type.BlockSize() > 1 })
}

// packBlocks packs tensors in blocks as stored. It packs nothing if their blocks are
// better, or can only be, multiplied another way.
func (f *File) packBlocks(w *linearWork) error {
	for _, t := range w.tensors {
		if err := f.finiteScales(t, w.in); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(w.tensors, func(t quant.Tensor) bool { return !rowScaled(t, w.in) }) {
		return nil
	}
	var packed []kernels.Weights
	outputs := w.out / len(w.tensors)
	for i := 0; i < len(w.tensors); {
		t := w.tensors[i]
		data := t.Data
		n := 1
		for ; i+n < len(w.tensors) && w.tensors[i+n].Type == t.Type; n++ {
			data = append(data[:len(data):len(data)], w.tensors[i+n].Data...)
		}
		packed = append(packed, kernels.PackBlocks(t.Type, n*outputs, w.in, data))
		i += n
	}
	if len(packed) == 1 {
		w.dst.Weights = packed[0]
	} else if stack := kernels.Stack(packed...); stack != nil {
		w.dst.Weights = stack
	}
	return nil
}

// rowScaled reports whether t is Q8_0 with one scale per row, as in files of models
// quantised with a scale per output. Their rows need no blocks.
func rowScaled(t quant.Tensor, in int) bool {
	if t.Type != quant.Q8_0 {
		return false
	}
	size, row := t.Type.BlockBytes(), t.Type.Bytes(in)
	for b := 0; b < len(t.Data); b += size {
		first := b / row * row
		if t.Data[b] != t.Data[first] || t.Data[b+1] != t.Data[first+1] {
			return false
		}
	}
	return true
}

// scaleOffsets are the offsets of the float16 numbers in a block.
func scaleOffsets(t quant.Type) []int {
	switch t {
	case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
		return []int{0, 2}
	case quant.Q6_K:
		return []int{208}
	}
	return []int{0}
}

// finiteScales checks the scales of blocks.
func (f *File) finiteScales(t quant.Tensor, in int) error {
	const infinite = 0x7c00 // the exponent of an infinite float16
	size, numbers := t.Type.BlockBytes(), t.Type.BlockSize()
	for _, at := range scaleOffsets(t.Type) {
		for b := at; b < len(t.Data); b += size {
			if binary.LittleEndian.Uint16(t.Data[b:])&infinite == infinite {
				n := b / size * numbers
				return f.infinite(t, n/in, n%in, float32(math.NaN()))
			}
		}
	}
	return nil
}

func (f *File) infinite(t quant.Tensor, row, column int, v float32) error {
	return f.badTensor(t, fmt.Sprintf("%v in row %d, column %d", v, row, column), "finite numbers")
}

func dequantize(dst []float32, t quant.Tensor, src []byte) error {
	if err := kernels.Dequantize(dst, t.Type, src); err != nil {
		return fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	return nil
}

// infinity is the bit pattern of +Inf; NaNs are above it.
const infinity = 0x7f800000

// notFinite is the index of the first NaN or infinity, or -1.
func notFinite(v []float32) int {
	if kernels.Largest(v) < infinity {
		return -1
	}
	return slices.IndexFunc(v, func(x float32) bool { return math.Float32bits(x)&infinity == infinity })
}

// deinterleaved returns the position of each head row in a matrix whose heads have
// their halves interleaved: row 2i is the i-th of the first half and 2i+1 that of the
// second. llama.cpp's converter does this to Llama, since its RoPE rotates neighbours.
func deinterleaved(rows, heads int) []int {
	order := make([]int, rows)
	dim := rows / heads
	for i := range order {
		head, within := i/dim, i%dim
		order[i] = head*dim + within%(dim/2)*2 + within/(dim/2)
	}
	return order
}

// headByHead returns the position of each row of queries, keys and values in a matrix
// that stores them head by head.
func headByHead(rows, heads int) []int {
	order := make([]int, 0, rows)
	dim := rows / (3 * heads)
	for part := range 3 {
		for head := range heads {
			for i := range dim {
				order = append(order, (3*head+part)*dim+i)
			}
		}
	}
	return order
}

// reorder returns a copy of t whose row i is t's row order[i].
func reorder(t quant.Tensor, cols int, order []int) quant.Tensor {
	size := t.Type.Bytes(cols)
	data := make([]byte, 0, len(t.Data))
	for _, row := range order {
		data = append(data, t.Data[row*size:(row+1)*size]...)
	}
	t.Data = data
	return t
}

// permuted returns a copy of v whose element i is v's element order[i].
func permuted(v []float32, order []int) []float32 {
	out := make([]float32, len(v))
	for i, j := range order {
		out[i] = v[j]
	}
	return out
}
