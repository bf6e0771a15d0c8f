package compute

import "github.com/winnow-rerank/winnow/kernels"

// gluRows is act(gate)·up of rows that hold both.
type gluRows struct {
	x       Matrix
	act     kernels.Activation
	upFirst bool
}

func (g *gluRows) doRange(from, to, _ int) {
	x, half := g.x.Slice(from, to), g.x.Cols/2
	gate, up := x.Columns(0, half), x.Columns(half, 2*half)
	if g.upFirst {
		gate, up = up, gate
	}
	kernels.Gate(x.Columns(0, half), gate, up, g.act)
}

// AddGated is x += Down·(act(Gate·h) ⊙ Up·h). The first half of gateUp's outputs is the
// gate. h may be x.
func (c *Context) AddGated(x, h Matrix, gateUp *Linear, act kernels.Activation, down *Linear) {
	c.gated(x, x, h, gateUp, false, act, down)
}

// AddUpGated is AddGated with the gate in the second half of upGate's outputs.
func (c *Context) AddUpGated(x, h Matrix, upGate *Linear, act kernels.Activation, down *Linear) {
	c.gated(x, x, h, upGate, true, act, down)
}

// Gated is Down·(act(Gate·h) ⊙ Up·h). The first half of gateUp's outputs is the gate.
func (c *Context) Gated(h Matrix, gateUp *Linear, act kernels.Activation, down *Linear) Matrix {
	y := c.New(h.Rows, down.Outputs())
	c.gated(y, Matrix{}, h, gateUp, false, act, down)
	return y
}

// gated works on one block of rows at a time.
func (c *Context) gated(y, residual, h Matrix, gateUp *Linear, upFirst bool, act kernels.Activation, down *Linear) {
	mark := c.arena.mark()
	hidden := c.New(min(blockRows, h.Rows), gateUp.Outputs())
	for r := 0; r < h.Rows; r += blockRows {
		end := min(r+blockRows, h.Rows)
		u := hidden.Slice(0, end-r)
		c.multiply(u, gateUp, h.Slice(r, end), kernels.Identity, Matrix{}, 0, gateUp.Outputs())
		c.glu = gluRows{x: u, act: act, upFirst: upFirst}
		c.spread(&c.glu, u.Rows, 1, u.Rows*u.Cols/2*gatedWork)
		addend := residual
		if residual.Rows > 0 {
			addend = residual.Slice(r, end)
		}
		c.multiply(y.Slice(r, end), down, u.Columns(0, u.Cols/2), kernels.Identity, addend, 0, down.Outputs())
	}
	c.arena.release(mark)
}
