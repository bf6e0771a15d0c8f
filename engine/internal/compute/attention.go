package compute

import (
	"math"
	"math/bits"
	"slices"

	"github.com/winnow-rerank/winnow/kernels"
)

// AttentionMask says which keys a query sees and how scores fall off with distance.
type AttentionMask struct {
	Causal bool          // only the query's own token and earlier ones
	Window int           // only tokens up to this distance; if causal, only the last Window tokens; 0: all
	Slopes []float32     // ALiBi (Press et al. 2021): head h's score at distance d is reduced by Slopes[h]·d; or nil
	Bias   *RelativeBias // added to scores by distance; or nil
}

// Within is the mask of tokens that see up to distance tokens on each side; 0: only
// themselves.
func Within(distance int) AttentionMask {
	if distance <= 0 {
		return AttentionMask{Causal: true, Window: 1}
	}
	return AttentionMask{Window: distance}
}

// ALiBi returns the slopes of the given number of heads n: for a power of two,
// 2^(−8/n), its square, its cube and so on; otherwise those of the next lower power of
// two m, followed by every second slope of 2m heads.
func ALiBi(heads int) []float32 {
	m := 1 << (bits.Len(uint(heads)) - 1)
	slopes := make([]float32, 0, heads)
	for h := range m {
		slopes = append(slopes, float32(math.Exp2(-8*float64(h+1)/float64(m))))
	}
	for h := range heads - m {
		slopes = append(slopes, float32(math.Exp2(-8*float64(2*h+1)/float64(2*m))))
	}
	return slopes
}

// Attention is multi-head attention within each sequence and its prefix, or
// grouped-query attention if there are fewer key heads than query heads. Embedded in a
// layer, it is the layer's attention.
type Attention struct {
	Heads, KVHeads, HeadDim int // KVHeads divides Heads

	Scale   float32
	SoftCap float32 // of scores; 0: none
	Mask    AttentionMask

	// Coarse allows 16-bit products where activations are rounded to 8 bits and all rows
	// are requested: for few queries they cost more than they save.
	Coarse bool
}

// NewAttention is an encoder's multi-head attention, with scores divided by the square
// root of headDim. It may be coarse.
func NewAttention(heads, headDim int, mask AttentionMask) Attention {
	return Attention{Heads: heads, KVHeads: heads, HeadDim: headDim, Scale: float32(1 / math.Sqrt(float64(headDim))), Mask: mask, Coarse: true}
}

// Widths returns the columns of queries and of keys or values.
func (a *Attention) Widths() (q, kv int) { return a.Heads * a.HeadDim, a.KVHeads * a.HeadDim }

// attentionPairs is attention over all pairs of a sequence and a key head, in that
// order.
type attentionPairs struct {
	*Attention
	mask   AttentionMask
	bias   *biasTable // of mask.Bias, or nil
	out    Matrix
	qkv    QKV
	rows   Rows
	keys   *Batch // the batch whose tokens the keys belong to
	layer  int
	coarse bool
	owner  *Context
}

// Attend is attention of the queries of some tokens, one row per token, to the keys and
// values of all.
func (a *Attention) Attend(c *Context, qkv QKV, rows Rows) Matrix {
	return c.attend(attentionPairs{Attention: a, mask: a.Mask, qkv: qkv, rows: rows, keys: &c.Batch,
		coarse: a.Coarse && c.runner.options.Coarse && rows.All})
}

// AttendTo is cross-attention: from the queries of some tokens, one row per token, to
// all keys and values of the same sequence in the batch from before
// [Context.BeginDecoder]. Nothing is masked.
func (a *Attention) AttendTo(c *Context, q Matrix, rows Rows, k, v Matrix) Matrix {
	return c.attend(attentionPairs{Attention: a, qkv: QKV{Q: q, K: k, V: v}, rows: rows, keys: &c.encoded.batch})
}

func (c *Context) attend(pairs attentionPairs) Matrix {
	p, b := &c.attends, &c.Batch
	pairs.out = c.New(pairs.qkv.Q.Rows, pairs.qkv.Q.Cols)
	pairs.owner, pairs.layer = c, c.layer
	*p = pairs
	work, longest := 0, 0
	for s := range b.Sequences() {
		from, to := p.rows.within(b.Range(s))
		first, last := p.keys.Range(s)
		keys, reach := last-first, p.mask.Window
		longest = max(longest, p.keys.Prefix[s].Tokens+keys)
		if p.mask.Causal {
			keys = (keys + 1) / 2
		} else {
			reach = 2*reach + 1
		}
		keys += p.keys.Prefix[s].Tokens
		if p.mask.Window > 0 {
			keys = min(keys, reach)
		}
		work += (to - from) * keys * p.Heads * (2*p.HeadDim*floatWork + expWork)
	}
	if p.mask.Bias != nil {
		p.bias = p.mask.Bias.tableFor(longest)
	}
	c.spread(p, b.Sequences()*p.KVHeads, 1, work)
	return p.out
}

// within is the range, among the rows, of those from first to last-1 of the batch.
func (r Rows) within(first, last int) (from, to int) {
	if r.All {
		return first, last
	}
	from, _ = slices.BinarySearch(r.Numbers, int32(first))
	to, _ = slices.BinarySearch(r.Numbers, int32(last))
	return from, to
}

func (p *attentionPairs) doRange(from, to, w int) {
	scratch := &p.owner.runner.contexts[w].attention
	for i := from; i < to; i++ {
		p.group(i/p.KVHeads, i%p.KVHeads, scratch)
	}
}

// group is attention of the query heads of sequence s that share key head h.
func (p *attentionPairs) group(s, h int, scratch *kernels.AttentionScratch) {
	d := p.HeadDim
	first, last := p.owner.Batch.Range(s)
	begin, _ := p.keys.Range(s)
	visible := begin + int(p.keys.Visible[s])
	k, v := p.qkv.K.Slice(begin, visible).Columns(h*d, (h+1)*d), p.qkv.V.Slice(begin, visible).Columns(h*d, (h+1)*d)
	kernel := kernels.Attention{HeadDim: d, Scale: p.Scale, SoftCap: p.SoftCap, Window: p.mask.Window, Causal: p.mask.Causal}
	before := 0
	if prefix := p.keys.Prefix[s]; prefix.Tokens > 0 {
		before = prefix.Tokens
		kp, vp := prefix.Cache.rows(p.layer, before)
		kernel.KPrefix, kernel.VPrefix = kp.Columns(h*d, (h+1)*d), vp.Columns(h*d, (h+1)*d)
	}
	group := p.Heads / p.KVHeads
	if p.rows.All && last-first > 1 {
		kernel.Offset = before
		kernel.Coarse = p.coarse
		for j := h * group; j < (h+1)*group; j++ {
			p.setBias(&kernel, j)
			kernel.Run(p.out.Slice(first, last).Columns(j*d, (j+1)*d), p.qkv.Q.Slice(first, last).Columns(j*d, (j+1)*d), k, v, scratch)
		}
		return
	}
	// One token at a time: the query heads of a group become rows.
	from, to := p.rows.within(first, last)
	for r := from; r < to; r++ {
		position := r - first // the token's position in its sequence
		if !p.rows.All {
			position = int(p.rows.Numbers[r]) - first
		}
		q, out := splitHeads(p.qkv.Q.Row(r)[h*group*d:], group, d), splitHeads(p.out.Row(r)[h*group*d:], group, d)
		if p.mask.Window == 0 && p.mask.Slopes == nil && p.bias == nil {
			n := k.Rows
			if p.mask.Causal {
				n = min(n, position+1)
			}
			kernel.Causal = false
			kernel.Run(out, q, k.Slice(0, n), v.Slice(0, n), scratch)
			continue
		}
		kernel.Offset = before + position
		for j := range group {
			p.setBias(&kernel, h*group+j)
			kernel.Run(out.Slice(j, j+1), q.Slice(j, j+1), k, v, scratch)
		}
	}
}

// setBias sets what is added to a head's scores by distance.
func (p *attentionPairs) setBias(kernel *kernels.Attention, head int) {
	if p.mask.Slopes != nil {
		kernel.Slope = p.mask.Slopes[head]
	}
	if p.bias != nil {
		kernel.Bias, kernel.BiasOffset = p.bias.rows.Row(head), p.bias.reach
	}
}

// splitHeads returns the heads at the start of a row as rows of their own.
func splitHeads(row []float32, heads, dim int) Matrix {
	return Matrix{Data: row[:heads*dim], Rows: heads, Cols: dim, Stride: dim}
}
