package compute

import (
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// A Norm is a layer norm or, depending on the method called, an RMS norm.
type Norm struct {
	Weight, Bias []float32 // Bias may be nil
	Eps          float32
}

// normRows is a norm of rows.
type normRows struct {
	y, x Matrix
	norm *Norm
	rms  bool
}

func (n *normRows) doRange(from, to, _ int) {
	if n.rms {
		kernels.RMSNorm(n.y.Slice(from, to), n.x.Slice(from, to), n.norm.Weight, n.norm.Eps)
		return
	}
	kernels.LayerNorm(n.y.Slice(from, to), n.x.Slice(from, to), n.norm.Weight, n.norm.Bias, n.norm.Eps)
}

func (c *Context) normTo(y, x Matrix, norm *Norm, rms bool) {
	c.norm = normRows{y: y, x: x, norm: norm, rms: rms}
	c.spread(&c.norm, x.Rows, 1, x.Rows*x.Cols*normWork)
}

// Norm replaces each row of x by its layer norm.
func (c *Context) Norm(x Matrix, norm *Norm) { c.normTo(x, x, norm, false) }

// Normed returns the layer norm of each row of x.
func (c *Context) Normed(x Matrix, norm *Norm) Matrix {
	y := c.New(x.Rows, x.Cols)
	c.normTo(y, x, norm, false)
	return y
}

// RMS is x/√(mean x² + ε)·g, row by row.
func (c *Context) RMS(x Matrix, norm *Norm) Matrix {
	y := c.New(x.Rows, x.Cols)
	c.normTo(y, x, norm, true)
	return y
}

// RMSInPlace replaces each row of x by its RMS norm.
func (c *Context) RMSInPlace(x Matrix, norm *Norm) { c.normTo(x, x, norm, true) }

// AddRMS is x += RMS(y); y is overwritten.
func (c *Context) AddRMS(x, y Matrix, norm *Norm) {
	c.RMSInPlace(y, norm)
	kernels.Add(x, x, y)
}

// AddScaled is x += scale·y; y is overwritten.
func (c *Context) AddScaled(x, y Matrix, scale float32) {
	c.Scale(y, scale)
	kernels.Add(x, x, y)
}

// headRows is what queries and keys go through before attention, by rows: per-head
// norms, then rotation; either may be absent.
type headRows struct {
	x         Matrix
	norm      *Norm      // or nil
	table     *ropeTable // or nil
	positions []int32
	dim       int
}

func (h *headRows) doRange(from, to, _ int) {
	x := h.x.Slice(from, to)
	if h.norm != nil {
		kernels.RMSNormHeads(x, x, h.dim, h.norm.Weight, h.norm.Eps)
	}
	if h.table != nil {
		kernels.Rotate(x, h.positions[from:to], h.table.cos, h.table.sin, h.dim, false)
	}
}

// NormHeads replaces each head of each row of x, headDim numbers, by its RMS norm. It
// does nothing if there are no rows.
func (c *Context) NormHeads(x Matrix, norm *Norm, headDim int) {
	c.RotateNormed(x, norm, nil, nil, headDim)
}

// Rotate applies RoPE to the heads of each row of x at the row's position. It does
// nothing if there are no rows.
func (c *Context) Rotate(x Matrix, r *RoPE, positions []int32, headDim int) {
	c.RotateNormed(x, nil, r, positions, headDim)
}

// RotateNormed is NormHeads, unless norm is nil, and then Rotate, unless r is.
func (c *Context) RotateNormed(x Matrix, norm *Norm, r *RoPE, positions []int32, headDim int) {
	if x.Rows == 0 {
		return
	}
	c.heads = headRows{x: x, norm: norm, positions: positions, dim: headDim}
	if r != nil {
		c.heads.table = r.tableFor(int(slices.Max(positions)) + 1)
	}
	c.spread(&c.heads, x.Rows, 1, x.Rows*x.Cols*normWork)
}
