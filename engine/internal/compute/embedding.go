package compute

import (
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// An Embedding is an embedding table that stays in the model file: rows are read as
// needed.
type Embedding struct {
	Rows, Cols int
	Tensor     quant.Tensor
	rowBytes   int
}

// NewEmbedding returns the table of a matrix of a type that can be dequantized.
func NewEmbedding(t quant.Tensor) Embedding {
	rows, cols := t.Shape[0], t.Shape[1]
	return Embedding{Rows: rows, Cols: cols, Tensor: t, rowBytes: t.Type.Bytes(cols)}
}

// Row writes row i, which must be in range, to dst.
func (e *Embedding) Row(dst []float32, i int32) {
	src := e.Tensor.Data[int(i)*e.rowBytes:][:e.rowBytes]
	if err := kernels.Dequantize(dst, e.Tensor.Type, src); err != nil {
		panic("compute: " + err.Error())
	}
}

// Linear packs the given rows in float32 as a linear layer with one output per row.
func (e *Embedding) Linear(rows []int32) *Linear {
	return &Linear{Weights: kernels.PackF32(len(rows), e.Cols, func(i int, dst []float32) { e.Row(dst, rows[i]) })}
}

// Embed looks up the ids in the table, one row per token.
func (c *Context) Embed(e *Embedding, ids []int32) Matrix {
	x := c.New(len(ids), e.Cols)
	for i, id := range ids {
		e.Row(x.Row(i), id)
	}
	return x
}

// AddEmbedding adds to each row of x the table row of the given number, or nothing
// where it is negative.
func (c *Context) AddEmbedding(x Matrix, e *Embedding, rows []int32) {
	c.row = grow(c.row, e.Cols)
	added := Matrix{Data: c.row, Rows: 1, Cols: e.Cols, Stride: e.Cols}
	for i, row := range rows {
		if row < 0 {
			continue
		}
		e.Row(c.row, row)
		y := x.Slice(i, i+1)
		kernels.Add(y, y, added)
	}
}

// Scale multiplies x by factor.
func (c *Context) Scale(x Matrix, factor float32) {
	if factor != 1 {
		kernels.Scale(x, factor)
	}
}

// Windows is the input of a convolution with an odd number of taps (im2col): row i
// holds, for each column of x, its values in the rows around row i of its sequence,
// with zeros beyond the ends.
func (c *Context) Windows(x Matrix, taps int) Matrix {
	y := c.New(x.Rows, x.Cols*taps)
	for s := range c.Batch.Sequences() {
		first, last := c.Batch.Range(s)
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
