package engine

import (
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// What DeBERTa needs of Compute and of the loader beside what all transformers do.

// disentangledPieces is disentangled attention of all sequences and heads, in
// pieces of some sequences of some heads: the kernel likes to see one head's
// sequences one after the other.
type disentangledPieces struct {
	kernels   []kernels.Disentangled // one a head
	out, q    Matrix
	kv        Matrix
	keys      int // first column of the keys in kv; the values follow all keys
	firstOnly bool
	offsets   []int32
	step      int // (head, sequence) pairs of a piece
	lanes     []lane
}

func (a *disentangledPieces) tile(i, w int) {
	sequences, heads := len(a.offsets)-1, len(a.kernels)
	width := a.q.Cols
	d := width / heads
	for p := i * a.step; p < min((i+1)*a.step, sequences*heads); p++ {
		h, s := p/sequences, p%sequences
		first, last := int(a.offsets[s]), int(a.offsets[s+1])
		kv := a.kv.Slice(first, last)
		if a.firstOnly {
			first, last = s, s+1
		}
		column, key := h*d, a.keys+h*d
		a.kernels[h].Run(a.out.Slice(first, last).Columns(column, column+d), a.q.Slice(first, last).Columns(column, column+d),
			kv.Columns(key, key+d), kv.Columns(key+width, key+width+d), &a.lanes[w].disentangled)
	}
}

// Disentangled is attention within each sequence that knows distances. A row of
// qkv holds the queries of all heads, then the keys, then the values.
func (c *Compute) Disentangled(qkv Matrix, heads []kernels.Disentangled) Matrix {
	width := qkv.Cols / 3
	return c.disentangle(qkv.Columns(0, width), qkv, heads, false)
}

// DisentangledFirst is Disentangled for the first token of each sequence: row s of
// q begins with its queries, rows of qkv hold keys and values as in Disentangled.
func (c *Compute) DisentangledFirst(q, qkv Matrix, heads []kernels.Disentangled) Matrix {
	return c.disentangle(q.Columns(0, qkv.Cols/3), qkv, heads, true)
}

func (c *Compute) disentangle(q, kv Matrix, heads []kernels.Disentangled, firstOnly bool) Matrix {
	out := c.New(q.Rows, q.Cols)
	a, pairs := &c.disentangled, c.Batch.Sequences()*len(heads)
	*a = disentangledPieces{kernels: heads, out: out, q: q, kv: kv, keys: q.Cols, firstOnly: firstOnly,
		offsets: c.Batch.Offsets, step: pairs, lanes: c.lanes}
	work := 0
	for s := range c.Batch.Sequences() {
		n := int(c.Batch.Offsets[s+1] - c.Batch.Offsets[s])
		queries := n
		if firstOnly {
			queries = 1
		}
		work += queries * n * (4*q.Cols*floatWork + len(heads)*expWork)
	}
	if !c.divides(work) {
		a.tile(0, c.worker)
		return out
	}
	a.step = max(1, pairs/(c.pool.size*piecesPerWorker))
	c.divide(a, (pairs+a.step-1)/a.step, work)
	return out
}

// Neighbours is what a convolution of an odd number of taps is multiplied by: row i
// holds, for each column of x, its numbers in the rows around row i of its
// sequence. Beyond the ends there are zeros.
func (c *Compute) Neighbours(x Matrix, taps int) Matrix {
	y := c.New(x.Rows, x.Cols*taps)
	for s := range c.Batch.Sequences() {
		first, last := int(c.Batch.Offsets[s]), int(c.Batch.Offsets[s+1])
		for i := first; i < last; i++ {
			row := y.Row(i)
			clear(row)
			for t := range taps {
				if j := i + t - taps/2; j >= first && j < last {
					for l, v := range x.Row(j) {
						row[l*taps+t] = v
					}
				}
			}
		}
	}
	return y
}

// projections are the linear layers that one layer's buckets go through. They are
// not packed: each is used once.
type projections struct {
	keys, queries projection
}

type projection struct {
	tensor quant.Tensor
	bias   []float32
}

// gather notes the projections of the buckets, while the tensors are known, and
// has own ones not packed.
func (r *relative) gather(f *file, m *deberta) {
	hidden := f.dims["hidden"]
	part := func(l *Linear, parts []quant.Tensor, i int) projection {
		return projection{parts[i], l.Bias[i*hidden : (i+1)*hidden]}
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		var p projections
		if qkv := f.parts(&l.QKV); r.shared {
			p.queries, p.keys = part(&l.QKV, qkv, 0), part(&l.QKV, qkv, 1)
		}
		if l.BucketKeys != nil {
			p.keys = part(l.BucketKeys, f.parts(l.BucketKeys), 0)
		}
		if l.BucketQueries != nil {
			p.queries = part(l.BucketQueries, f.parts(l.BucketQueries), 0)
		}
		f.work = slices.DeleteFunc(f.work, func(w packing) bool { return w.dst == l.BucketKeys || w.dst == l.BucketQueries })
		l.BucketKeys, l.BucketQueries = nil, nil
		r.layers = append(r.layers, p)
	}
}

// parts are the tensors that a Linear is to be packed from.
func (l *loader) parts(dst *Linear) []quant.Tensor {
	i := slices.IndexFunc(l.work, func(w packing) bool { return w.dst == dst })
	return l.work[i].parts
}

// prepare computes the vectors of the buckets, which depend on nothing but the
// weights, layer by layer on the workers of p. It gives their size.
//
// They are computed once, in float32 whatever the precision: they would otherwise
// cost, for each batch, as much as some hundred tokens more, and what rounding
// does to them would be the same error for all pairs of tokens.
func (m *deberta) prepare(f *file, p *pool) (bytes int64, err error) {
	r := &m.relative
	d := f.dims["hidden"] / m.heads
	if !r.c2p && !r.p2c {
		for i := range m.Layers {
			m.Layers[i].attention = make([]kernels.Disentangled, m.heads)
			for h := range m.heads {
				m.Layers[i].attention[h] = kernels.Disentangled{Scale: r.scale}
			}
		}
		return 0, nil
	}
	x := Matrix{Data: make([]float32, m.Buckets.Rows*m.Buckets.Cols), Rows: m.Buckets.Rows, Cols: m.Buckets.Cols, Stride: m.Buckets.Cols}
	for i := range x.Rows {
		m.Buckets.Row(x.Row(i), int32(i))
	}
	if i := notFinite(x.Data); i >= 0 {
		return 0, f.infinite(m.Buckets.tensor, i/x.Cols, i%x.Cols, x.Data[i])
	}
	if m.BucketsNorm != nil {
		kernels.LayerNorm(x, x, m.BucketsNorm.Weight, m.BucketsNorm.Bias, m.BucketsNorm.Eps)
	}
	work := &bucketVectors{model: m, file: f, x: x, headDim: d, errors: make([]error, len(m.Layers)), bytes: make([]int64, len(m.Layers))}
	p.run(new(job), work, len(m.Layers))
	r.layers = nil
	for i, err := range work.errors {
		if err != nil {
			return 0, err
		}
		bytes += work.bytes[i]
	}
	return bytes, nil
}

// bucketVectors is the work of prepare, by layers.
type bucketVectors struct {
	model   *deberta
	file    *file
	x       Matrix
	headDim int
	errors  []error
	bytes   []int64
}

func (b *bucketVectors) tile(i, _ int) {
	r, l := &b.model.relative, &b.model.Layers[i]
	var keys, queries Matrix
	if r.c2p {
		keys = b.project(i, r.layers[i].keys)
	}
	if r.p2c {
		queries = b.project(i, r.layers[i].queries)
	}
	b.bytes[i] = 4 * int64(len(keys.Data)+len(queries.Data))
	l.attention = make([]kernels.Disentangled, b.model.heads)
	for h := range l.attention {
		from, to := h*b.headDim, (h+1)*b.headDim
		l.attention[h] = kernels.Disentangled{Scale: r.scale, Buckets: r.buckets, Keys: keys.Columns(from, to), Queries: queries.Columns(from, to)}
	}
}

func (b *bucketVectors) project(layer int, p projection) Matrix {
	n := b.x.Cols
	w := kernels.PackF32(n, n, func(i int, dst []float32) {
		size := p.tensor.Type.Bytes(n)
		err := dequantize(dst, p.tensor, p.tensor.Data[i*size:(i+1)*size])
		if j := notFinite(dst); err == nil && j >= 0 {
			err = b.file.infinite(p.tensor, i, j, dst[j])
		}
		if err != nil {
			b.errors[layer] = err
		}
	})
	y := Matrix{Data: make([]float32, len(b.x.Data)), Rows: b.x.Rows, Cols: n, Stride: n}
	var in kernels.Input
	w.Reserve(&in, b.x.Rows)
	w.Prepare(&in, b.x, 0, b.x.Rows)
	w.Multiply(y, &in, 0, n, &kernels.Epilogue{Bias: p.bias})
	b.file.source.Release(p.tensor.Name)
	return y
}
