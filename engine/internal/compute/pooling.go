package compute

import (
	"math"
	"strings"

	"github.com/winnow-rerank/winnow/kernels"
)

// A Pooling reduces the hidden states of a sequence's tokens to one vector: by one
// kind, or by several whose vectors are concatenated. Several kinds take four bits
// each, the first the lowest.
type Pooling uint32

// The kinds of pooling.
const (
	PoolNone Pooling = iota // no reduction
	PoolFirst
	PoolMean
	PoolLast
	PoolMax
	PoolWeighted // mean weighted by position, from 1
	PoolRoot     // sum divided by the square root of the number of tokens
)

const (
	poolingBits = 4
	maxPoolings = 8 // capacity of a Pooling
)

var poolingNames = [...]string{PoolNone: "every token", PoolFirst: "first token", PoolMean: "mean of all tokens",
	PoolLast: "last token", PoolMax: "maxima of all tokens", PoolWeighted: "mean of all tokens, weighted by place",
	PoolRoot: "sum of all tokens / √their number"}

// JoinPoolings combines several kinds of pooling; ok is false if there are too many.
func JoinPoolings(kinds []Pooling) (how Pooling, ok bool) {
	for i, kind := range kinds {
		how |= kind << (poolingBits * i)
	}
	return how, len(kinds) <= maxPoolings
}

// Kinds returns the number of kinds that are concatenated.
func (how Pooling) Kinds() int {
	n := 1
	for how >>= poolingBits; how != 0; how >>= poolingBits {
		n++
	}
	return n
}

// Kind returns kind i, from 0.
func (how Pooling) Kind(i int) Pooling { return how >> (poolingBits * i) & (1<<poolingBits - 1) }

func (how Pooling) String() string {
	names := make([]string, how.Kinds())
	for i := range names {
		names[i] = poolingNames[how.Kind(i)]
	}
	return strings.Join(names, " and ")
}

// Want returns the rows of the last layer that the pooling reads.
func (how Pooling) Want() Want {
	switch how {
	case PoolFirst:
		return FirstToken
	case PoolLast:
		return LastToken
	}
	return EveryToken
}

// Pool reduces the states x of each sequence's tokens to a row or, with PoolNone,
// returns x itself. x has all rows or, for first or last token pooling, possibly just
// those.
func (c *Context) Pool(x Matrix, how Pooling) Matrix {
	b := &c.Batch
	if how == PoolNone {
		return x
	}
	if want := how.Want(); want != EveryToken {
		if x.Rows == b.Sequences() {
			return x
		}
		return c.Select(x, want)
	}
	y := c.New(b.Sequences(), x.Cols*how.Kinds())
	for s := range y.Rows {
		first, last := b.Range(s)
		for k := range how.Kinds() {
			poolRow(y.Columns(k*x.Cols, (k+1)*x.Cols).Slice(s, s+1), x.Slice(first, last), how.Kind(k))
		}
	}
	return y
}

// poolRow writes the pooled states x of a sequence to the row y.
func poolRow(y, x Matrix, kind Pooling) {
	switch row := y.Row(0); kind {
	case PoolFirst, PoolLast:
		i := 0
		if kind == PoolLast {
			i = x.Rows - 1
		}
		copy(row, x.Row(i))
	case PoolMax:
		copy(row, x.Row(0))
		for i := 1; i < x.Rows; i++ {
			for j, v := range x.Row(i) {
				row[j] = max(row[j], v) // a NaN stays
			}
		}
	case PoolWeighted:
		clear(row)
		for i := range x.Rows {
			for j, v := range x.Row(i) {
				row[j] += float32(float32(i+1) * v)
			}
		}
		kernels.Scale(y, 1/float32(x.Rows*(x.Rows+1)/2))
	default:
		copy(row, x.Row(0))
		for i := 1; i < x.Rows; i++ {
			kernels.Add(y, y, x.Slice(i, i+1))
		}
		if kind == PoolRoot {
			kernels.Scale(y, float32(1/math.Sqrt(float64(x.Rows))))
		} else {
			kernels.Scale(y, 1/float32(x.Rows))
		}
	}
}
