package compute

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// A blockLayer is a pre-norm block with everything that families have: one matrix or
// three for queries, keys and values, norms of heads, RoPE, and a gated feed-forward.
type blockLayer struct {
	Attention
	in, mid      *Norm
	fused        *Linear // or
	q, k, v      *Linear
	qNorm, kNorm *Norm
	rope         *RoPE
	out          *Linear
	gateUp, down *Linear

	by       *[8]atomic.Int32 // how many blocks each worker finished
	panicsAt int              // row of a block with so many panics, if not 0
}

func (l *blockLayer) Project(c *Context, x Matrix, to QKV) {
	h := c.Normed(x, l.in)
	if l.fused != nil {
		c.Project(to, l.fused, h)
	} else {
		c.ProjectTo(to.Q, l.q, h)
		c.ProjectTo(to.K, l.k, h)
		c.ProjectTo(to.V, l.v, h)
	}
	if l.rope != nil {
		c.RotateNormed(to.Q, l.qNorm, l.rope, to.Positions, l.HeadDim)
		c.RotateNormed(to.K, l.kNorm, l.rope, to.Positions, l.HeadDim)
	}
}

func (l *blockLayer) Finish(c *Context, x, a Matrix) {
	if l.by != nil {
		l.by[c.worker].Add(1)
	}
	if l.panicsAt != 0 && x.Rows >= l.panicsAt {
		panic("a layer's error")
	}
	c.AddLinear(x, l.out, a)
	c.AddGated(x, c.RMS(x, l.mid), l.gateUp, kernels.GELU, l.down)
}

// A distanceLayer is a post-norm block with disentangled attention.
type distanceLayer struct {
	DisentangledAttention
	qkv, out, up, down *Linear
	norm               *Norm
}

func (l *distanceLayer) Project(c *Context, x Matrix, to QKV) { c.Project(to, l.qkv, x) }

func (l *distanceLayer) Finish(c *Context, x, a Matrix) {
	c.AddLinear(x, l.out, a)
	c.Norm(x, l.norm)
	c.AddFeedForward(x, x, l.up, kernels.GELU, l.down)
	c.Norm(x, l.norm)
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

type weights struct{ *rand.Rand }

func (r weights) matrix(rows, cols int) Matrix {
	m := Matrix{Data: make([]float32, rows*cols), Rows: rows, Cols: cols, Stride: cols}
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64()) / 4
	}
	return m
}

func (r weights) linear(out, in int, int8 bool) *Linear {
	w := r.matrix(out, in)
	row := func(i int, dst []float32) { copy(dst, w.Row(i)) }
	if int8 {
		return &Linear{Weights: kernels.PackInt8(out, in, []int{1, 7}, row), Bias: r.matrix(1, out).Data}
	}
	return &Linear{Weights: kernels.PackF32(out, in, row), Bias: r.matrix(1, out).Data}
}

func (r weights) norm(width int) *Norm {
	n := &Norm{Weight: r.matrix(1, width).Data, Eps: 1e-6}
	for i := range n.Weight {
		n.Weight[i]++
	}
	return n
}

func (r weights) embedding(rows, cols int) Embedding {
	t := quant.Tensor{Name: "words", Type: quant.F32, Shape: []int{rows, cols}}
	for _, v := range r.matrix(rows, cols).Data {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return NewEmbedding(t)
}

// A model is some layers behind an embedding.
type model struct {
	name   string
	words  Embedding
	layers []Layer
	causal bool
	kv     int
}

const (
	testVocabulary = 100
	testWidth      = 48
)

// models are one of each kind.
func models() []*model {
	r := weights{newRand()}
	var list []*model
	block := func(name string, int8, fused, rope bool, attentions ...Attention) {
		m := &model{name: name, words: r.embedding(testVocabulary, testWidth), causal: attentions[0].Mask.Causal}
		layers := make([]blockLayer, len(attentions))
		for i, a := range attentions {
			q, kv := a.Widths()
			m.kv = kv
			l := blockLayer{Attention: a, in: r.norm(testWidth), mid: r.norm(testWidth),
				out: r.linear(testWidth, q, int8), gateUp: r.linear(2*80, testWidth, int8), down: r.linear(testWidth, 80, int8)}
			if fused {
				l.fused = r.linear(q+2*kv, testWidth, int8)
			} else {
				l.q, l.k, l.v = r.linear(q, testWidth, int8), r.linear(kv, testWidth, int8), r.linear(kv, testWidth, int8)
				l.qNorm, l.kNorm = r.norm(a.HeadDim), r.norm(a.HeadDim)
			}
			if rope {
				l.rope = NewRoPE(a.HeadDim, DefaultRoPESettings(1e4))
			}
			layers[i] = l
		}
		m.layers = Stack(layers)
		list = append(list, m)
	}
	full, window := NewAttention(4, 12, AttentionMask{}), NewAttention(4, 12, AttentionMask{Window: 20})
	coarse := full
	coarse.Coarse = true
	alibi := NewAttention(4, 12, AttentionMask{Slopes: ALiBi(4)})
	biased := NewAttention(4, 12, AttentionMask{Bias: NewRelativeBias(r.matrix(32, 4), func(d int) int { return RelativeBucket(d, 32, 128, true) })})
	grouped := Attention{Heads: 6, KVHeads: 2, HeadDim: 16, Scale: 0.3, SoftCap: 20, Mask: AttentionMask{Causal: true}}
	sliding := grouped
	sliding.Mask.Window = 30
	sloping := grouped
	sloping.Mask.Slopes = ALiBi(6)
	biasedBack := grouped
	biasedBack.Mask.Bias = NewRelativeBias(r.matrix(32, 6), func(d int) int { return RelativeBucket(d, 32, 128, false) })
	groupedBoth := Attention{Heads: 6, KVHeads: 2, HeadDim: 16, Scale: 0.3}
	block("encoder", false, true, true, full, window, full)
	block("encoder in 8 bits", true, true, false, coarse, coarse)
	block("encoder with ALiBi", false, true, false, alibi, alibi)
	block("encoder with a bias by distance", false, true, false, biased, biased)
	block("decoder with a bias by distance", false, false, false, biasedBack, biasedBack)
	block("encoder with a window last", false, false, true, full, window)
	block("grouped queries both ways", false, false, true, groupedBoth, groupedBoth)
	block("decoder", false, false, true, sliding, grouped, grouped)
	block("decoder with a window last", false, true, true, grouped, sliding)
	block("decoder with ALiBi", false, true, false, sloping, sloping)

	const longest = 1200
	buckets := make([]int32, 2*longest-1)
	for i := range buckets {
		buckets[i] = int32(min(max(i-longest+1, -8), 7) + 8)
	}
	distances := make([]distanceLayer, 2)
	for i := range distances {
		l := distanceLayer{qkv: r.linear(3*testWidth, testWidth, false), out: r.linear(testWidth, testWidth, false),
			up: r.linear(96, testWidth, false), down: r.linear(testWidth, 96, false), norm: r.norm(testWidth)}
		l.HeadDim, l.Heads = 12, make([]kernels.Disentangled, 4)
		for h := range l.Heads {
			l.Heads[h] = kernels.Disentangled{Scale: 0.2, Buckets: buckets, Keys: r.matrix(16, 12), Queries: r.matrix(16, 12)}
		}
		distances[i] = l
	}
	return append(list, &model{name: "disentangled", words: r.embedding(testVocabulary, testWidth), layers: Stack(distances)})
}
