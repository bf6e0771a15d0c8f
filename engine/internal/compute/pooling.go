package compute

import "github.com/winnow-rerank/winnow/kernels"

// A Pooling makes one vector of the states of a sequence's tokens.
type Pooling uint8

// The kinds of pooling.
const (
	PoolNone Pooling = iota // the states themselves
	PoolFirst
	PoolMean
	PoolLast
	PoolMax
)

var poolingNames = [...]string{PoolNone: "every token", PoolFirst: "first token", PoolMean: "mean of all tokens",
	PoolLast: "last token", PoolMax: "maxima of all tokens"}

func (how Pooling) String() string { return poolingNames[how] }

// Want is the rows of the last layer that the pooling reads.
func (how Pooling) Want() Want {
	switch how {
	case PoolFirst:
		return FirstToken
	case PoolLast:
		return LastToken
	}
	return EveryToken
}

// Pool makes a row for each sequence of the states x of its tokens, or, with PoolNone,
// gives x itself. x is all rows; for the first or the last token it may be those alone.
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
	y := c.New(b.Sequences(), x.Cols)
	for s := range y.Rows {
		sum := y.Slice(s, s+1)
		first, last := b.Range(s)
		copy(sum.Row(0), x.Row(first))
		if how == PoolMax {
			for i := first + 1; i < last; i++ {
				most := sum.Row(0)
				for j, v := range x.Row(i) {
					most[j] = max(most[j], v) // a NaN stays
				}
			}
			continue
		}
		for i := first + 1; i < last; i++ {
			kernels.Add(sum, sum, x.Slice(i, i+1))
		}
		kernels.Scale(sum, 1/float32(last-first))
	}
	return y
}
