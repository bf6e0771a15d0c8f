package compute

import "github.com/winnow-rerank/winnow/kernels"

// DisentangledAttention is DeBERTa's attention within each sequence, which depends on
// relative positions. Embedded in a layer, it is the layer's attention.
type DisentangledAttention struct {
	HeadDim int
	Heads   []kernels.Disentangled // one per head
}

// Widths returns the columns of queries and of keys or values.
func (a *DisentangledAttention) Widths() (q, kv int) {
	width := a.HeadDim * len(a.Heads)
	return width, width
}

// disentangledPairs is disentangled attention over all heads and sequences, in that
// order: the kernel is faster with one head's sequences in succession.
type disentangledPairs struct {
	*DisentangledAttention
	out   Matrix
	qkv   QKV
	rows  Rows
	owner *Context
}

// Attend is attention of the queries of some tokens, one row per token, to the keys and
// values of all.
func (a *DisentangledAttention) Attend(c *Context, qkv QKV, rows Rows) Matrix {
	b := &c.Batch
	p := &c.relative
	*p = disentangledPairs{DisentangledAttention: a, out: c.New(qkv.Q.Rows, qkv.Q.Cols), qkv: qkv, rows: rows, owner: c}
	work := 0
	for s := range b.Sequences() {
		first, last := b.Range(s)
		from, to := rows.within(first, last)
		work += (to - from) * (last - first) * (4*qkv.Q.Cols*floatWork + len(a.Heads)*expWork)
	}
	c.spread(p, b.Sequences()*len(a.Heads), 1, work)
	return p.out
}

func (p *disentangledPairs) doRange(from, to, w int) {
	c := &p.owner.runner.contexts[w]
	for i := from; i < to; i++ {
		sequences := p.owner.Batch.Sequences()
		p.pair(i/sequences, i%sequences, c)
	}
}

// pair is attention of one head of one sequence, with the scratch memory of c.
func (p *disentangledPairs) pair(h, s int, c *Context) {
	first, last := p.owner.Batch.Range(s)
	from, to := p.rows.within(first, last)
	column, end := h*p.HeadDim, (h+1)*p.HeadDim
	q, out := p.qkv.Q.Slice(from, to).Columns(column, end), p.out.Slice(from, to).Columns(column, end)
	k, v := p.qkv.K.Slice(first, last).Columns(column, end), p.qkv.V.Slice(first, last).Columns(column, end)
	if p.rows.All || to == from || int(p.rows.Numbers[to-1])-first == to-from-1 {
		p.Heads[h].Run(out, q, k, v, &c.disentangled)
		return
	}
	// The kernel takes a query's position from its row: unselected rows are 0.
	positions := p.rows.Numbers[from:to]
	rows, d := int(positions[len(positions)-1])-first+1, p.HeadDim
	c.row = grow(c.row, 2*rows*d)
	clear(c.row)
	padded := Matrix{Data: c.row[:rows*d], Rows: rows, Cols: d, Stride: d}
	results := Matrix{Data: c.row[rows*d:], Rows: rows, Cols: d, Stride: d}
	for i, n := range positions {
		copy(padded.Row(int(n)-first), q.Row(i))
	}
	p.Heads[h].Run(results, padded, k, v, &c.disentangled)
	for i, n := range positions {
		copy(out.Row(i), results.Row(int(n)-first))
	}
}
