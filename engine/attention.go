package engine

import (
	"math"

	"github.com/winnow-rerank/winnow/kernels"
)

// attentionPieces is attention of all sequences and heads, in pieces of some
// heads of some sequences.
type attentionPieces struct {
	kernel      kernels.Attention
	out, q, kv  Matrix
	keys        int       // first column of the keys in kv; the values follow all keys
	queryOffset []int32   // first row in q of each sequence, or nil: row s is all of sequence s
	offsets     []int32   // rows of sequence s in kv
	seen        []int32   // how many of them have a weight
	slopes      []float32 // ALiBi's, of each head; or nil
	coarse      bool      // long sequences may be multiplied in 16 bits
	heads, step int       // heads of a sequence; (sequence, head) pairs of a piece
	lanes       []lane
}

// coarseTokens is the length from which on 16-bit products pay.
const coarseTokens = 128

func (a *attentionPieces) tile(i, w int) {
	d := a.kernel.HeadDim
	width := a.heads * d
	pairs := (len(a.offsets) - 1) * a.heads
	scratch := &a.lanes[w].attention
	for p := i * a.step; p < min((i+1)*a.step, pairs); p++ {
		s, column := p/a.heads, p%a.heads*d
		kv := a.kv.Slice(int(a.offsets[s]), int(a.offsets[s]+a.seen[s]))
		first, last := s, s+1
		if a.queryOffset != nil {
			first, last = int(a.queryOffset[s]), int(a.queryOffset[s+1])
		}
		key := a.keys + column
		kernel := a.kernel
		if a.slopes != nil {
			kernel.Slope = a.slopes[p%a.heads]
		}
		kernel.Coarse = a.coarse && kv.Rows >= coarseTokens
		kernel.Run(a.out.Slice(first, last).Columns(column, column+d),
			a.q.Slice(first, last).Columns(column, column+d),
			kv.Columns(key, key+d), kv.Columns(key+width, key+width+d), scratch)
	}
}

// A sight is what the heads of a layer see.
type sight struct {
	heads  int
	window int       // only tokens that are no further away; 0: all
	slopes []float32 // ALiBi (Press et al. 2021): head h's score of a token at distance d is less by slopes[h]·d; or nil
}

// Attention is multi-head attention within each sequence. A row of qkv holds the
// queries of all heads, then the keys, then the values.
func (c *Compute) Attention(qkv Matrix, see sight) Matrix {
	width := qkv.Cols / 3
	return c.attend(qkv.Columns(0, width), qkv, width, c.Batch.Offsets, see)
}

// AttentionFirst is Attention for the first token of each sequence: row s of q
// begins with its queries, rows of qkv hold keys and values as in Attention.
func (c *Compute) AttentionFirst(q, qkv Matrix, see sight) Matrix {
	width := qkv.Cols / 3
	return c.attend(q.Columns(0, width), qkv, width, nil, see)
}

func (c *Compute) attend(q, kv Matrix, keys int, queryOffset []int32, see sight) Matrix {
	heads := see.heads
	d := q.Cols / heads
	out := c.New(q.Rows, q.Cols)
	a, sequences := &c.attention, c.Batch.Sequences()
	*a = attentionPieces{out: out, q: q, kv: kv, keys: keys, queryOffset: queryOffset, offsets: c.Batch.Offsets, seen: c.Batch.Seen,
		slopes: see.slopes, heads: heads, step: sequences * heads, lanes: c.lanes,
		kernel: kernels.Attention{HeadDim: d, Scale: float32(1 / math.Sqrt(float64(d))), Window: see.window}}
	// For few queries, 16-bit products cost more than they save.
	a.coarse = c.coarse && queryOffset != nil
	work := 0
	for s := range sequences {
		n := int(c.Batch.Offsets[s+1] - c.Batch.Offsets[s])
		queries := n
		if queryOffset == nil {
			queries = 1
		}
		if see.window > 0 {
			n = min(n, 2*see.window+1)
		}
		work += queries * n * heads * (2*d*floatWork + expWork)
	}
	if !c.divides(work) {
		a.tile(0, c.worker)
		return out
	}
	a.step = max(1, sequences*heads/(c.pool.size*piecesPerWorker))
	c.divide(a, (sequences*heads+a.step-1)/a.step, work)
	return out
}
