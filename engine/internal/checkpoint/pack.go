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

// packing is how matrices are packed, and those that are still to be.
type packing struct {
	format packFormat
	floats packFormat // of matrices that the file has as floats, where others are packed in 8 bits
	work   []linearWork
	widens bool // some matrices can have channels of activations in 16 bits
}

// linearWork is a Linear that is still to be packed.
type linearWork struct {
	dst     *compute.Linear
	parts   []quant.Tensor // stacked
	out, in int
	format  packFormat
	err     error
}

// Pack packs all Linears, the largest first, on the workers of r, and releases
// the file's pages behind itself. It gives the packed size.
func (f *File) Pack(r *compute.Runner) (bytes int64, err error) {
	p := &packer{f, f.packing.work}
	f.packing.work = nil
	return p.run(r)
}

// PackTable packs a whole table of embeddings as a linear layer, such as a
// language model's head.
func (f *File) PackTable(r *compute.Runner, e *compute.Embedding) (*compute.Linear, error) {
	l := new(compute.Linear)
	p := &packer{f, []linearWork{{dst: l, parts: []quant.Tensor{e.Tensor}, out: e.Rows, in: e.Cols, format: f.packing.format}}}
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

// Widens says whether some of the matrices that Pack has packed multiply activations of
// 8 bits, or can.
func (f *File) Widens() bool { return f.packing.widens }

// Tile packs one Linear.
func (p *packer) Tile(_ *compute.Context, i int) {
	w, f := &p.work[i], p.f
	defer func() {
		for _, t := range w.parts {
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
	perPart := w.out / len(w.parts)
	most := uint32(0)
	row := func(i int, dst []float32) {
		t := w.parts[i/perPart]
		i %= perPart
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
		most = max(most, m)
	}
	w.dst.Weights = w.format.pack(w.out, w.in, row)
	if w.format == packF16 && most > math.Float32bits(maxF16) {
		w.dst.Weights = kernels.PackF32(w.out, w.in, row)
	}
}

// blocks says whether the tensors are all of types that are multiplied as they
// are in the file.
func (w *linearWork) blocks() bool {
	return !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return !kernels.CanPackBlocks(t.Type) })
}

// wide says whether the tensors are all of floats of more than 16 bits.
func (w *linearWork) wide() bool {
	return !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return t.Type != quant.F32 && t.Type != quant.F64 })
}

// floats says whether the tensors are all of floats.
func (w *linearWork) floats() bool {
	return !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return t.Type.BlockSize() > 1 })
}

// packBlocks packs tensors in blocks as they are. It packs nothing where their
// blocks are better, or only, multiplied otherwise.
func (f *File) packBlocks(w *linearWork) error {
	for _, t := range w.parts {
		if err := f.finiteScales(t, w.in); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return !evenRows(t, w.in) }) {
		return nil
	}
	var parts []kernels.Weights
	outputs := w.out / len(w.parts)
	for i := 0; i < len(w.parts); {
		t := w.parts[i]
		data := t.Data
		n := 1
		for ; i+n < len(w.parts) && w.parts[i+n].Type == t.Type; n++ {
			data = append(data[:len(data):len(data)], w.parts[i+n].Data...)
		}
		parts = append(parts, kernels.PackBlocks(t.Type, n*outputs, w.in, data))
		i += n
	}
	if len(parts) == 1 {
		w.dst.Weights = parts[0]
	} else if stack := kernels.Stack(parts...); stack != nil {
		w.dst.Weights = stack
	}
	return nil
}

// evenRows says whether t is of Q8_0 and the blocks of each row have one scale, as
// in files of models that were made with a scale for each output. Their rows need
// no blocks.
func evenRows(t quant.Tensor, in int) bool {
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

// halves are where the float16 numbers of a block are.
func halves(t quant.Type) []int {
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
	for _, at := range halves(t.Type) {
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

// infinity is the bits of +Inf; NaNs have more.
const infinity = 0x7f800000

// notFinite is the index of the first NaN or infinity, or -1.
func notFinite(v []float32) int {
	if kernels.Largest(v) < infinity {
		return -1
	}
	return slices.IndexFunc(v, func(x float32) bool { return math.Float32bits(x)&infinity == infinity })
}

// deinterleaved is where each row of heads stands in a matrix whose heads have
// their halves interleaved: row 2i is the i-th of the first half and 2i+1 that of
// the second. llama.cpp's converter does so with Llama, since its rotation turns
// neighbours.
func deinterleaved(rows, heads int) []int {
	order := make([]int, rows)
	dim := rows / heads
	for i := range order {
		head, within := i/dim, i%dim
		order[i] = head*dim + within%(dim/2)*2 + within/(dim/2)
	}
	return order
}

// headByHead is where each row of queries, keys and values stands in a matrix that has
// those of one head after those of the one before.
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

// reorder is a copy of t of which row i is t's row order[i].
func reorder(t quant.Tensor, cols int, order []int) quant.Tensor {
	size := t.Type.Bytes(cols)
	data := make([]byte, 0, len(t.Data))
	for _, row := range order {
		data = append(data, t.Data[row*size:(row+1)*size]...)
	}
	t.Data = data
	return t
}

// permuted is a copy of v whose number i is v's number order[i].
func permuted(v []float32, order []int) []float32 {
	out := make([]float32, len(v))
	for i, j := range order {
		out[i] = v[j]
	}
	return out
}
