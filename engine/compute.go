package engine

import (
	"context"
	"iter"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// Matrix is rows of activations, one a token.
type Matrix = kernels.Matrix

// A Compute is what a family's forward pass is written in: it takes one batch
// through the layers on one worker, hands out the memory for it, and opens its
// operations to idle workers where that pays.
//
// Every number that it computes depends on its own sequence only, not on the
// batch or on how an operation is divided.
type Compute struct {
	Batch Batch

	pool   *pool
	worker int
	ctx    context.Context
	arena  arena
	input  kernels.Input
	peers  []Compute                 // of all workers of the model, by worker
	lanes  []lane                    // likewise
	alone  bool                      // in a piece of another's operation: nothing is divided
	coarse bool                      // matrices are of 8 bits, and attention need not be more exact than 16
	pause  func()                    // or nil: see Options
	traced func(layer int, x Matrix) // for tests: sees the states after each layer

	// The operations that can be divided are kept here so that none of them
	// allocates.
	product   product
	norm      normRows
	attention attentionPieces
	rms       rmsRows
	glu       gluRows
	causal    causalPieces
	heads     headRows
	rowwise   tiler

	disentangled disentangledPieces
}

// A lane is scratch memory of one worker for its pieces of anybody's operation.
type lane struct {
	row       []float32
	attention kernels.AttentionScratch

	disentangled kernels.DisentangledScratch
}

// Work is counted in about picoseconds of one worker. Operations of less than
// these are not worth dividing: the first with workers that are awake, the
// second with ones that sleep.
const (
	divideWork = 4e6
	wakeWork   = 40e6

	floatWork = 8   // a multiplication and addition of floats
	intWork   = 1   // of 8-bit integers
	readWork  = 30  // a weight that is read from memory
	normWork  = 300 // a number of a norm
	expWork   = 250 // an exponential of a softmax
)

// divides says whether an operation of that much work is to be divided.
func (c *Compute) divides(work int) bool {
	return !c.alone && work >= divideWork && c.pool.size > 1 && c.pool.helpers(work >= wakeWork)
}

// divide has idle workers help with work.
func (c *Compute) divide(work tiler, pieces, size int) {
	c.pool.divide(c.worker, work, pieces, size >= wakeWork)
}

// Cancelled says whether the caller has gone away; a forward pass then returns
// at once, whatever its numbers are.
func (c *Compute) Cancelled() bool { return c.ctx.Err() != nil }

// each is a loop over layers. Memory that is taken in one turn is given back
// before the next. The loop ends early when the caller has gone away.
func each[L any](c *Compute, layers []L) iter.Seq2[int, *L] {
	return func(yield func(int, *L) bool) {
		mark := c.arena.mark()
		for i := range layers {
			if c.Cancelled() || !yield(i, &layers[i]) {
				break
			}
			if c.pause != nil {
				c.pause()
			}
			c.arena.release(mark)
		}
	}
}

// trace shows the states after a layer, or after the embeddings (-1), to a test.
func (c *Compute) trace(layer int, x Matrix) {
	if c.traced != nil {
		c.traced(layer, x)
	}
}

// New is an uninitialised matrix.
func (c *Compute) New(rows, cols int) Matrix { return c.arena.matrix(rows, cols) }

// Embed is the tables' rows of the given numbers, one a token.
func (c *Compute) Embed(t *Table, rows []int32) Matrix {
	x := c.New(len(rows), t.Cols)
	for i, row := range rows {
		t.Row(x.Row(i), row)
	}
	return x
}

// AddRows adds to each row of x the table's row of the given number, or nothing
// where it is negative.
func (c *Compute) AddRows(x Matrix, t *Table, rows []int32) {
	l := &c.lanes[c.worker]
	l.row = grow(l.row, t.Cols)
	for i, row := range rows {
		if row < 0 {
			continue
		}
		t.Row(l.row, row)
		dst := x.Row(i)
		for j, v := range l.row {
			dst[j] += v
		}
	}
}

func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// Linear is act(x·Wᵀ + b).
func (c *Compute) Linear(l *Linear, x Matrix, act kernels.Activation) Matrix {
	y := c.New(x.Rows, l.Outputs())
	c.multiply(y, l, x, act, Matrix{}, 0, l.Outputs())
	return y
}

// LinearTo writes x·Wᵀ + b to y.
func (c *Compute) LinearTo(y Matrix, l *Linear, x Matrix) {
	c.multiply(y, l, x, kernels.Identity, Matrix{}, 0, l.Outputs())
}

// LinearPart is x·Wᵀ + b for outputs from to to-1 only; the columns of the
// result are numbered as in Linear, but only those are written.
func (c *Compute) LinearPart(l *Linear, x Matrix, from, to int) Matrix {
	y := c.New(x.Rows, l.Outputs())
	panel := l.weights.Panel()
	from = from / panel * panel
	to = min(l.Outputs(), (to+panel-1)/panel*panel)
	c.multiply(y, l, x, kernels.Identity, Matrix{}, from, to)
	return y
}

// AddLinear is x += a·Wᵀ + b.
func (c *Compute) AddLinear(x Matrix, l *Linear, a Matrix) {
	c.multiply(x, l, a, kernels.Identity, x, 0, l.Outputs())
}

// product is a matrix product in pieces: first the preparation of the input, by
// rows, then the multiplication, by columns.
type product struct {
	weights      kernels.Weights
	input        *kernels.Input
	x, y         Matrix
	epilogue     kernels.Epilogue
	from, to     int
	step         int // rows or columns of a piece
	preparations bool
}

func (p *product) tile(i, _ int) {
	if p.preparations {
		from := i * p.step
		p.weights.Prepare(p.input, p.x, from, min(from+p.step, p.x.Rows))
		return
	}
	from := p.from + i*p.step
	p.weights.Multiply(p.y, p.input, from, min(from+p.step, p.to), &p.epilogue)
}

// piecesPerWorker makes up for workers that start late.
const piecesPerWorker = 3

// blockRows is how many rows are multiplied at a time: enough to read the
// weights seldom, and few enough that what lies between two products of a long
// sequence takes little memory.
const blockRows = 512

// blocks is a loop over rows from to to−1 of a long text, few enough to stay in the
// cache from one operation to the next. Memory that is taken in one turn is given
// back before the next.
func (c *Compute) blocks(rows int) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		mark, step := c.arena.mark(), blockRows
		if rows > blockRows {
			step /= 2
		}
		for from := 0; from < rows && yield(from, min(from+step, rows)); from += step {
			c.arena.release(mark)
		}
		c.arena.release(mark)
	}
}

func (c *Compute) multiply(y Matrix, l *Linear, x Matrix, act kernels.Activation, residual Matrix, from, to int) {
	for r := 0; r < x.Rows; r += blockRows {
		end := min(r+blockRows, x.Rows)
		part := residual
		if residual.Rows > 0 {
			part = residual.Slice(r, end)
		}
		c.multiplyBlock(y.Slice(r, end), l, x.Slice(r, end), act, part, from, to)
	}
}

func (c *Compute) multiplyBlock(y Matrix, l *Linear, x Matrix, act kernels.Activation, residual Matrix, from, to int) {
	p, w := &c.product, l.weights
	*p = product{weights: w, input: &c.input, x: x, y: y, from: from, to: to,
		epilogue: kernels.Epilogue{Bias: l.Bias, Act: act, Residual: residual}}
	w.Reserve(p.input, x.Rows)
	work := (x.Rows*l.work() + readWork) * w.Inputs() * (to - from)
	if !c.divides(work) {
		w.Prepare(p.input, x, 0, x.Rows)
		w.Multiply(y, p.input, from, to, &p.epilogue)
		return
	}
	pieces := c.pool.size * piecesPerWorker
	const rows = 16 // what Prepare can be divided by
	if x.Rows >= 4*rows {
		p.step = (x.Rows/pieces + rows - 1) / rows * rows
		p.preparations = true
		c.divide(p, (x.Rows+p.step-1)/p.step, work)
		p.preparations = false
	} else {
		w.Prepare(p.input, x, 0, x.Rows)
	}
	panel := w.Panel()
	p.step = max(1, (to-from)/pieces/panel) * panel
	c.divide(p, (to-from+p.step-1)/p.step, work)
}

// AddFeedForward is x += Down·act(Up·x), a block of rows at a time.
func (c *Compute) AddFeedForward(x Matrix, up *Linear, act kernels.Activation, down *Linear) {
	mark := c.arena.mark()
	h := c.New(min(blockRows, x.Rows), up.Outputs())
	for r := 0; r < x.Rows; r += blockRows {
		block := x.Slice(r, min(r+blockRows, x.Rows))
		hidden := h.Slice(0, block.Rows)
		c.multiply(hidden, up, block, act, Matrix{}, 0, up.Outputs())
		c.AddLinear(block, down, hidden)
	}
	c.arena.release(mark)
}

// normRows is a layer norm in pieces, by rows.
type normRows struct {
	y, x Matrix
	norm *Norm
	step int
}

func (n *normRows) tile(i, _ int) {
	from := i * n.step
	to := min(from+n.step, n.x.Rows)
	kernels.LayerNorm(n.y.Slice(from, to), n.x.Slice(from, to), n.norm.Weight, n.norm.Bias, n.norm.Eps)
}

// Norm replaces each row of x by its layer norm.
func (c *Compute) Norm(x Matrix, norm *Norm) { c.normTo(x, x, norm) }

// Normed is the layer norm of each row of x.
func (c *Compute) Normed(x Matrix, norm *Norm) Matrix {
	y := c.New(x.Rows, x.Cols)
	c.normTo(y, x, norm)
	return y
}

func (c *Compute) normTo(y, x Matrix, norm *Norm) {
	n := &c.norm
	*n = normRows{y: y, x: x, norm: norm, step: x.Rows}
	work := x.Rows * x.Cols * normWork
	if !c.divides(work) {
		n.tile(0, c.worker)
		return
	}
	n.step = max(1, x.Rows/(c.pool.size*piecesPerWorker))
	c.divide(n, (x.Rows+n.step-1)/n.step, work)
}

// First copies the row of x of each sequence's first token to y.
func (c *Compute) First(y, x Matrix) {
	for s := range y.Rows {
		copy(y.Row(s), x.Row(int(c.Batch.Offsets[s])))
	}
}

// Mean writes to y the mean of each sequence's rows of x.
func (c *Compute) Mean(y, x Matrix) {
	for s := range y.Rows {
		sum := y.Slice(s, s+1)
		first, last := int(c.Batch.Offsets[s]), int(c.Batch.Offsets[s+1])
		copy(sum.Row(0), x.Row(first))
		for i := first + 1; i < last; i++ {
			kernels.Add(sum, sum, x.Slice(i, i+1))
		}
		kernels.Scale(sum, 1/float32(last-first))
	}
}

// A Table is an embedding table that stays in the model file: rows are read as
// they are needed.
type Table struct {
	Rows, Cols int
	tensor     quant.Tensor
	rowBytes   int
}

// Row writes row i, which must be in range, to dst.
func (t *Table) Row(dst []float32, i int32) {
	o := int(i) * t.rowBytes
	// The type was checked when the table was loaded.
	if err := quant.Dequantize(dst, t.tensor.Type, t.tensor.Data[o:o+t.rowBytes]); err != nil {
		panic("engine: " + err.Error())
	}
}

// A Linear is a linear layer: weights packed for the kernels, and a bias.
type Linear struct {
	weights kernels.Weights
	Bias    []float32 // or nil
}

// Outputs is the number of outputs.
func (l *Linear) Outputs() int { return l.weights.Outputs() }

// work is what a multiplication and addition of the product costs.
func (l *Linear) work() int {
	switch l.weights.Kind() {
	case "f32", "f16", "bf16":
		return floatWork
	}
	return intWork
}

// A Norm is a layer norm.
type Norm struct {
	Weight, Bias []float32 // Bias may be nil
	Eps          float32
}

// rows says of which tokens the states after the last layer are wanted.
type rows uint8

const (
	allRows   rows = iota
	firstRows      // of each sequence's first token
)
