package engine

import (
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// What causal models need of Compute beside what all transformers do.

// Rows copies the rows of x of the given numbers to y.
func (c *Compute) Rows(y, x Matrix, numbers []int32) Matrix {
	for i, n := range numbers {
		copy(y.Row(i), x.Row(int(n)))
	}
	return y
}

// Scale multiplies x by factor.
func (c *Compute) Scale(x Matrix, factor float32) {
	if factor != 1 {
		kernels.Scale(x, factor)
	}
}

// rmsRows is an RMS norm in pieces, by rows.
type rmsRows struct {
	y, x Matrix
	norm *Norm
	step int
}

func (n *rmsRows) tile(i, _ int) {
	from := i * n.step
	to := min(from+n.step, n.x.Rows)
	kernels.RMSNorm(n.y.Slice(from, to), n.x.Slice(from, to), n.norm.Weight, n.norm.Eps)
}

// RMS is x/√(mean x² + ε)·g, row by row.
func (c *Compute) RMS(x Matrix, norm *Norm) Matrix {
	y := c.New(x.Rows, x.Cols)
	c.rmsTo(y, x, norm)
	return y
}

func (c *Compute) rmsTo(y, x Matrix, norm *Norm) {
	n := &c.rms
	*n = rmsRows{y: y, x: x, norm: norm, step: x.Rows}
	work := x.Rows * x.Cols * normWork
	if !c.divides(work) {
		n.tile(0, c.worker)
		return
	}
	n.step = max(1, x.Rows/(c.pool.size*piecesPerWorker))
	c.divide(n, (x.Rows+n.step-1)/n.step, work)
}

// AddRMS is x += RMS(y); y is overwritten.
func (c *Compute) AddRMS(x, y Matrix, norm *Norm) {
	c.rmsTo(y, y, norm)
	kernels.Add(x, x, y)
}

// Rotate turns the heads of each row of x by the row's position.
func (c *Compute) Rotate(x Matrix, r *rope, positions []int32, headDim int) {
	c.Place(x, nil, r, positions, headDim)
}

// headRows is what queries and keys go through before attention, in pieces, by
// rows: norms of heads, if there are any, then rotation.
type headRows struct {
	x         Matrix
	norm      *Norm // or nil
	table     *ropeTable
	positions []int32
	dim, step int
}

func (h *headRows) tile(i, _ int) {
	from := i * h.step
	to := min(from+h.step, h.x.Rows)
	x := h.x.Slice(from, to)
	if h.norm != nil {
		kernels.RMSNormHeads(x, x, h.dim, h.norm.Weight, h.norm.Eps)
	}
	kernels.Rotate(x, h.positions[from:to], h.table.cos, h.table.sin, h.dim, false)
}

// Place replaces each head of each row of x, dim numbers, by its RMS norm, if
// there is one, and turns it by the row's position.
func (c *Compute) Place(x Matrix, norm *Norm, r *rope, positions []int32, dim int) {
	if x.Rows == 0 {
		return
	}
	h := &c.heads
	*h = headRows{x: x, norm: norm, table: r.upTo(int(slices.Max(positions)) + 1), positions: positions, dim: dim, step: x.Rows}
	work := x.Rows * x.Cols * normWork
	if !c.divides(work) || x.Rows == 1 {
		h.tile(0, c.worker)
		return
	}
	h.step = max(1, x.Rows/(c.pool.size*piecesPerWorker))
	c.divide(h, (x.Rows+h.step-1)/h.step, work)
}

// gluRows is act(u)·g in pieces, by rows.
type gluRows struct {
	x    Matrix
	act  kernels.Activation
	step int
}

func (g *gluRows) tile(i, _ int) {
	from := i * g.step
	x := g.x.Slice(from, min(from+g.step, g.x.Rows))
	kernels.GLU(x.Columns(0, x.Cols/2), x, g.act)
}

// gatedWork is a number of a gated product.
const gatedWork = 400

// AddGated is x += Down·(act(Gate·h) ⊙ Up·h); gateUp is Gate on Up.
func (c *Compute) AddGated(x, h Matrix, gateUp *Linear, act kernels.Activation, down *Linear) {
	c.gated(x, x, h, gateUp, act, down)
}

// Gated is Down·(act(Gate·h) ⊙ Up·h).
func (c *Compute) Gated(h Matrix, gateUp *Linear, act kernels.Activation, down *Linear) Matrix {
	y := c.New(h.Rows, down.Outputs())
	c.gated(y, Matrix{}, h, gateUp, act, down)
	return y
}

// gated goes a block of rows at a time.
func (c *Compute) gated(y, residual, h Matrix, gateUp *Linear, act kernels.Activation, down *Linear) {
	mark := c.arena.mark()
	hidden := c.New(min(blockRows, h.Rows), gateUp.Outputs())
	for r := 0; r < h.Rows; r += blockRows {
		end := min(r+blockRows, h.Rows)
		u := hidden.Slice(0, end-r)
		c.multiply(u, gateUp, h.Slice(r, end), kernels.Identity, Matrix{}, 0, gateUp.Outputs())
		c.glue(u, act)
		part := residual
		if residual.Rows > 0 {
			part = residual.Slice(r, end)
		}
		c.multiply(y.Slice(r, end), down, u.Columns(0, u.Cols/2), kernels.Identity, part, 0, down.Outputs())
	}
	c.arena.release(mark)
}

func (c *Compute) glue(u Matrix, act kernels.Activation) {
	g := &c.glu
	*g = gluRows{x: u, act: act, step: u.Rows}
	work := u.Rows * u.Cols / 2 * gatedWork
	if !c.divides(work) || u.Rows == 1 {
		g.tile(0, c.worker)
		return
	}
	g.step = max(1, u.Rows/(c.pool.size*piecesPerWorker))
	c.divide(g, (u.Rows+g.step-1)/g.step, work)
}

// A lookback says what the queries of a layer see.
type lookback struct {
	layer         int
	heads, shared int // query heads, and the key heads that they share
	dim           int // of a head
	scale         float32
	softCap       float32 // 0: none
	window        int     // 0: everything before
	bothWays      bool    // what comes after, too
}

// causalPieces is attention of all sequences and heads, in pieces of some heads
// of some sequences.
type causalPieces struct {
	lookback
	out, q, k, v Matrix
	batch        *Batch
	wanted       bool // rows of q are those of batch.Want, otherwise all
	step         int  // (sequence, key head) pairs of a piece
	lanes        []lane
}

func (a *causalPieces) tile(i, w int) {
	pairs := a.batch.Sequences() * a.shared
	for p := i * a.step; p < min((i+1)*a.step, pairs); p++ {
		a.group(p/a.shared, p%a.shared, &a.lanes[w].attention)
	}
}

// group is attention of the query heads of one sequence that share key head h.
func (a *causalPieces) group(s, h int, scratch *kernels.AttentionScratch) {
	b, d := a.batch, a.dim
	first, last := int(b.Offsets[s]), int(b.Offsets[s+1])
	k := a.k.Slice(first, last).Columns(h*d, (h+1)*d)
	v := a.v.Slice(first, last).Columns(h*d, (h+1)*d)
	kernel := kernels.Attention{HeadDim: d, Scale: a.scale, SoftCap: a.softCap, Window: a.window, Causal: !a.bothWays}
	before := 0
	if past, n := b.past(s); n > 0 {
		before = n
		kp, vp := past.rows(a.layer, n)
		kernel.KPrefix, kernel.VPrefix = kp.Columns(h*d, (h+1)*d), vp.Columns(h*d, (h+1)*d)
	}
	group := a.heads / a.shared
	if !a.wanted && last-first > 1 {
		kernel.Offset = before
		for j := h * group; j < (h+1)*group; j++ {
			kernel.Run(a.out.Slice(first, last).Columns(j*d, (j+1)*d), a.q.Slice(first, last).Columns(j*d, (j+1)*d), k, v, scratch)
		}
		return
	}
	// One row at a time: the query heads of a group are as many rows.
	from, to := first, last
	if a.wanted {
		from, to = b.wanted(s)
	}
	for r := from; r < to; r++ {
		row := r
		if a.wanted {
			row = int(b.Want[r])
		}
		q, out := stack(a.q.Row(r)[h*group*d:], group, d), stack(a.out.Row(r)[h*group*d:], group, d)
		seen := row - first + 1
		if a.window == 0 && !a.bothWays {
			kernel.Causal = false
			kernel.Run(out, q, k.Slice(0, seen), v.Slice(0, seen), scratch)
			continue
		}
		kernel.Offset = before + row - first
		for j := range group {
			kernel.Run(out.Slice(j, j+1), q.Slice(j, j+1), k, v, scratch)
		}
	}
}

// stack is a row of rows heads as a matrix of so many rows.
func stack(row []float32, rows, cols int) Matrix {
	return Matrix{Data: row[:rows*cols], Rows: rows, Cols: cols, Stride: cols}
}

// LookBack is attention of each query to the keys before it in its sequence, and
// to what the batch has of the sequence's past. Rows of q are those that the
// batch wants if wanted is set, otherwise all.
func (c *Compute) LookBack(q, k, v Matrix, l lookback, wanted bool) Matrix {
	out := c.New(q.Rows, q.Cols)
	a, b := &c.causal, &c.Batch
	sequences := b.Sequences()
	*a = causalPieces{lookback: l, out: out, q: q, k: k, v: v, batch: b, wanted: wanted, step: sequences * l.shared, lanes: c.lanes}
	work := 0
	for s := range sequences {
		_, before := b.past(s)
		n := int(b.Offsets[s+1] - b.Offsets[s])
		queries := n
		if wanted {
			from, to := b.wanted(s)
			queries = to - from
		}
		work += queries * (before + (n+1)/2) * l.heads * (2*l.dim*floatWork + expWork)
	}
	if !c.divides(work) {
		a.tile(0, c.worker)
		return out
	}
	a.step = max(1, sequences*l.shared/(c.pool.size*piecesPerWorker))
	c.divide(a, (sequences*l.shared+a.step-1)/a.step, work)
	return out
}

// Keep stores the keys and values of a layer where the batch asks for it.
func (c *Compute) Keep(layer int, k, v Matrix) {
	b := &c.Batch
	for s := range b.Sequences() {
		if p := b.keep(s); p != nil {
			first, last := int(b.Offsets[s]), int(b.Offsets[s+1])
			p.add(layer, k.Slice(first, last), v.Slice(first, last))
		}
	}
}
