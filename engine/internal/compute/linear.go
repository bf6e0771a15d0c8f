package compute

import "github.com/winnow-rerank/winnow/kernels"

// A Linear is a linear layer: weights packed for the kernels, and a bias.
type Linear struct {
	Weights kernels.Weights
	Bias    []float32 // or nil
}

// Outputs is the number of outputs.
func (l *Linear) Outputs() int { return l.Weights.Outputs() }

// Inputs is the number of inputs.
func (l *Linear) Inputs() int { return l.Weights.Inputs() }

// work is the cost of a multiply-add of the product.
func (l *Linear) work() int {
	switch l.Weights.Kind() {
	case "f32", "f16", "bf16":
		return floatWork
	}
	return intWork
}

// Linear is act(x·Wᵀ + b).
func (c *Context) Linear(l *Linear, x Matrix, act kernels.Activation) Matrix {
	y := c.New(x.Rows, l.Outputs())
	c.multiply(y, l, x, act, Matrix{}, 0, l.Outputs())
	return y
}

// LinearTo writes x·Wᵀ + b to y.
func (c *Context) LinearTo(y Matrix, l *Linear, x Matrix) {
	c.multiply(y, l, x, kernels.Identity, Matrix{}, 0, l.Outputs())
}

// AddLinear is x += a·Wᵀ + b.
func (c *Context) AddLinear(x Matrix, l *Linear, a Matrix) {
	c.multiply(x, l, a, kernels.Identity, x, 0, l.Outputs())
}

// AddFeedForward is x += Down·act(Up·h), a block of rows at a time. h may be x.
func (c *Context) AddFeedForward(x, h Matrix, up *Linear, act kernels.Activation, down *Linear) {
	mark := c.arena.mark()
	hidden := c.New(min(blockRows, h.Rows), up.Outputs())
	for r := 0; r < h.Rows; r += blockRows {
		end := min(r+blockRows, h.Rows)
		u := hidden.Slice(0, end-r)
		c.multiply(u, up, h.Slice(r, end), act, Matrix{}, 0, up.Outputs())
		c.AddLinear(x.Slice(r, end), down, u)
	}
	c.arena.release(mark)
}

// blockRows is how many rows are multiplied at a time: enough to read the weights
// rarely, and few enough that the intermediate states of a long sequence take little
// memory.
const blockRows = 512

// multiply writes outputs from to to-1 of act(x·Wᵀ + b) + residual to those columns of
// y.
func (c *Context) multiply(y Matrix, l *Linear, x Matrix, act kernels.Activation, residual Matrix, from, to int) {
	if c.watch != nil {
		c.watch.before(l, x, residual)
		defer c.watch.after(y)
	}
	for r := 0; r < x.Rows; r += blockRows {
		end := min(r+blockRows, x.Rows)
		addend := residual
		if residual.Rows > 0 {
			addend = residual.Slice(r, end)
		}
		c.multiplyBlock(y.Slice(r, end), l, x.Slice(r, end), act, addend, from, to)
	}
}

// product is a matrix product: first the input is prepared, by rows, then multiplied,
// by columns.
type product struct {
	weights   kernels.Weights
	input     *kernels.Input
	x, y      Matrix
	epilogue  kernels.Epilogue
	first     int // column
	preparing bool
}

func (p *product) doRange(from, to, _ int) {
	if p.preparing {
		p.weights.Prepare(p.input, p.x, from, to)
		return
	}
	p.weights.Multiply(p.y, p.input, p.first+from, p.first+to, &p.epilogue)
}

func (c *Context) multiplyBlock(y Matrix, l *Linear, x Matrix, act kernels.Activation, residual Matrix, from, to int) {
	p, w := &c.product, l.Weights
	*p = product{weights: w, input: &c.input, x: x, y: y, first: from, preparing: true,
		epilogue: kernels.Epilogue{Bias: l.Bias, Act: act, Residual: residual}}
	w.Reserve(p.input, x.Rows)
	c.operations.Add(2 * int64(x.Rows) * int64(w.Inputs()) * int64(to-from))
	work := (x.Rows*l.work() + readWork) * w.Inputs() * (to - from)
	const rows = 16 // granularity of Prepare
	if x.Rows >= 4*rows {
		c.spread(p, x.Rows, rows, work)
	} else {
		p.doRange(0, x.Rows, c.worker)
	}
	p.preparing = false
	c.spread(p, to-from, w.Panel(), work)
}
