package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// ModernBERT (Warner et al. 2024), as transformers'
// ModernBertForSequenceClassification:
//
//	x = LN(word[id])
//	for each layer:
//		x = x + Out·attention(R(QKV·LN(x)))     the first layer: no LN
//		u, g = GateUp·LN(x)
//		x = x + Down·(act(u) ⊙ g)
//	x = LN(x)
//	logits = classifier·LN(act(dense·pool(x)))
//
// R turns queries and keys by their positions. Every third layer or so sees the
// whole text; the others see a band around each token, and turn slower and faster
// by another base. pool takes the first token or the mean of all.

// modernTrunk is the part without the head.
type modernTrunk struct {
	Words     Table         `st:"embeddings.tok_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	WordsNorm Norm          `st:"embeddings.norm" gguf:"token_embd_norm" shape:"hidden" bias:"optional"`
	Layers    []modernLayer `st:"layers.%d." gguf:"blk.%d." each:"layers"`
	Norm      Norm          `st:"final_norm" gguf:"output_norm" shape:"hidden" bias:"optional"`

	headDim    int
	activation kernels.Activation
	sights     []sight // of each layer
	ropes      []*rope // of each layer
}

type modernLayer struct {
	InNorm *Norm  `st:"attn_norm" gguf:"attn_norm" shape:"hidden" bias:"optional" optional:"true"`
	QKV    Linear `st:"attn.Wqkv" gguf:"attn_qkv" shape:"qkv hidden" bias:"optional"`
	Out    Linear `st:"attn.Wo" gguf:"attn_output" shape:"hidden hidden" bias:"optional"`

	MidNorm Norm   `st:"mlp_norm" gguf:"ffn_norm" shape:"hidden" bias:"optional"`
	GateUp  Linear `st:"mlp.Wi" gguf:"ffn_up" shape:"gated hidden" bias:"optional"`
	Down    Linear `st:"mlp.Wo" gguf:"ffn_down" shape:"hidden intermediate" bias:"optional"`
}

func (m *modernTrunk) states(c *Compute, want rows) Matrix {
	b := &c.Batch
	b.place()
	x := c.Embed(&m.Words, b.IDs)
	c.Norm(x, &m.WordsNorm)
	c.trace(-1, x)

	first := c.New(b.Sequences(), x.Cols)
	steps := rowwiseOf[modernRows](c)
	for i, l := range each(c, m.Layers) {
		if want == firstRows && i == len(m.Layers)-1 && c.traced == nil {
			l.first(c, m, i, x, first)
			break
		}
		qkv := c.New(x.Rows, l.QKV.Outputs())
		steps.layer = modernRows{m, i, b.Positions, x, qkv, Matrix{}}
		steps.run(c, x.Rows, (*modernRows).before)
		steps.layer.a = c.Attention(qkv, m.sights[i])
		steps.run(c, x.Rows, (*modernRows).after)
		c.trace(i, x)
	}
	if want == firstRows {
		if c.traced != nil {
			c.First(first, x)
		}
		x = first
	}
	c.Norm(x, &m.Norm)
	return x
}

// modernRows is a layer's work on each token by itself, before attention gives a and
// after it.
type modernRows struct {
	m         *modernTrunk
	layer     int
	positions []int32
	x, qkv, a Matrix
}

func (r *modernRows) before(c *Compute, from, to int) {
	l, x, y := &r.m.Layers[r.layer], r.x.Slice(from, to), r.qkv.Slice(from, to)
	if l.InNorm != nil {
		x = c.Normed(x, l.InNorm)
	}
	c.LinearTo(y, &l.QKV, x)
	c.Rotate(y.Columns(0, 2*x.Cols), r.m.ropes[r.layer], r.positions[from:to], r.m.headDim)
}

func (r *modernRows) after(c *Compute, from, to int) {
	l, x := &r.m.Layers[r.layer], r.x.Slice(from, to)
	c.AddLinear(x, &l.Out, r.a.Slice(from, to))
	c.AddGated(x, c.Normed(x, &l.MidNorm), &l.GateUp, r.m.activation, &l.Down)
}

// first is layer i for the first token of each sequence only: keys and values of
// all tokens, the rest of one token each.
func (l *modernLayer) first(c *Compute, m *modernTrunk, i int, x, y Matrix) {
	b, hidden := &c.Batch, x.Cols
	h := x
	if l.InNorm != nil {
		h = c.Normed(x, l.InNorm)
	}
	kv := c.LinearPart(&l.QKV, h, hidden, 3*hidden)
	c.Rotate(kv.Columns(hidden, 2*hidden), m.ropes[i], b.Positions, m.headDim)
	c.First(y, h)
	q := c.LinearPart(&l.QKV, y, 0, hidden)
	b.Positions = b.Positions[:y.Rows]
	clear(b.Positions)
	c.Rotate(q.Columns(0, hidden), m.ropes[i], b.Positions, m.headDim)

	c.First(y, x)
	c.AddLinear(y, &l.Out, c.AttentionFirst(q, kv, m.sights[i]))
	c.AddGated(y, c.Normed(y, &l.MidNorm), &l.GateUp, m.activation, &l.Down)
}

// The settings of ModernBERT beside BERT's.
var (
	keyNormEps        = key{"norm_eps", ".attention.layer_norm_epsilon"}
	keyGateActivation = key{"hidden_activation", ".hidden_activation"}
	keyBand           = key{"local_attention", ".attention.sliding_window"}
	keyGlobalEvery    = key{"global_attn_every_n_layers", ".attention.sliding_window_pattern"}
	keyGlobalTheta    = key{"global_rope_theta", ".rope.freq_base"}
	keyLocalTheta     = key{"local_rope_theta", ".rope.freq_base_swa"}
	keyHeadPooling    = key{"classifier_pooling", ".classifier.pooling_type"}
	keyHeadActivation = key{"classifier_activation", ".classifier.activation"}
)

// configure reads the settings of the trunk and makes them f's dimensions.
func (m *modernTrunk) configure(f *file) {
	s := &f.settings
	heads := s.count(keyHeads, 1, maxHeads)
	hidden := s.count(keyHidden, 1, maxWidth)
	intermediate := s.count(keyIntermediate, 1, maxWidth)
	f.heads = heads
	f.eps = s.epsilon(keyNormEps)
	f.maxLength = s.count(keyPositions, 1, maxPositions)
	layers := f.layers(keyLayers)
	f.dims = map[string]int{
		"hidden":       hidden,
		"qkv":          3 * hidden,
		"intermediate": intermediate,
		"gated":        2 * intermediate,
		"layers":       layers,
		"types":        1,
		"vocab":        f.vocabulary(keyVocab),
	}
	f.oneType = true
	f.prefix = "model."
	if hidden%(2*heads) != 0 {
		s.fail(keyHeads, fmt.Sprint(heads), fmt.Sprintf("heads of an even width in %d", hidden))
		heads = hidden
	}
	m.headDim = hidden / heads
	m.activation = s.activation(keyGateActivation, "gelu")
	m.bands(f, layers, heads)
}

// bands sets up what each layer sees, and how it turns.
func (m *modernTrunk) bands(f *file, layers, heads int) {
	s := &f.settings
	windows := make([]int, layers)
	if !f.gguf || s.countOr(keyBand, 0, maxPositions, 0) > 0 {
		band := s.countOr(keyBand, 2, maxPositions, 128)
		every := 3
		if !f.lists(keyGlobalEvery) {
			every = s.countOr(keyGlobalEvery, 1, maxLayers, every)
		}
		f.slides(windows, band/2, func(i int) bool { return i%every == 0 })
	}
	global := f.ropeOf("full_attention", keyGlobalTheta, 160000, true, m.headDim, f.maxLength)
	local := f.ropeOf("sliding_attention", keyLocalTheta, 10000, false, m.headDim, f.maxLength)
	m.sights, m.ropes = make([]sight, layers), make([]*rope, layers)
	for i, window := range windows {
		m.sights[i] = sight{heads: heads, window: window}
		m.ropes[i] = global
		if window > 0 {
			m.ropes[i] = local
		}
	}
}

// lists says whether a setting of a GGUF file is a list.
func (f *file) lists(k key) bool {
	if !f.gguf {
		return false
	}
	_, ok := f.metadata.Ints(f.settings.name(k))
	return ok
}

// check misses the norm before attention in all layers but the first, which has
// none.
func (m *modernTrunk) check(f *file) error {
	for i, l := range m.Layers {
		if i > 0 && l.InNorm == nil {
			name := fmt.Sprintf("layers.%d.attn_norm.weight", i)
			if f.gguf {
				name = fmt.Sprintf("blk.%d.attn_norm.weight", i)
			}
			return &fault.FormatError{Path: f.loader.path, Field: "tensors", Offset: -1,
				Found: "1 missing (" + name + ")", Want: "the tensors of ModernBERT"}
		}
	}
	return nil
}

// modernBERT is the trunk with its classification head.
type modernBERT struct {
	modernTrunk
	Dense      *Linear `st:"head.dense" gguf:"cls" shape:"hidden hidden" bias:"optional" keep:"exact"`
	DenseNorm  Norm    `st:"head.norm" gguf:"cls.norm" shape:"hidden" bias:"optional"`
	Classifier *Linear `st:"classifier" gguf:"cls.output" shape:"labels hidden" bias:"optional" keep:"exact"`

	mean            bool // pooling takes the mean of all tokens
	denseActivation kernels.Activation
}

func newModernBERT(f *file) (network, error) {
	if f.headless() {
		return newModernEmbedder(f)
	}
	m := new(modernBERT)
	m.configure(f)
	m.denseActivation = f.settings.activation(keyHeadActivation, "gelu")
	m.mean = f.headPoolsMean()
	f.classifier("cls.output.weight")
	if err := f.load(m, "ModernBERT"); err != nil {
		return nil, err
	}
	if err := m.check(f); err != nil {
		return nil, err
	}
	f.head = "first token → dense → activation → norm → classifier"
	if m.mean {
		f.head = "mean of all tokens → dense → activation → norm → classifier"
	}
	return m, nil
}

// headPoolsMean says whether the head reads the mean of all tokens or the first
// one.
func (f *file) headPoolsMean() bool {
	s := &f.settings
	if f.gguf {
		const mean, first = 1, 2
		return s.countOr(keyHeadPooling, mean, first, mean) == mean
	}
	pooling := s.text(keyHeadPooling, "cls")
	if pooling != "cls" && pooling != "mean" {
		s.fail(keyHeadPooling, s.describe(keyHeadPooling), `"cls" or "mean"`)
	}
	return pooling == "mean"
}

func (m *modernBERT) logits(c *Compute) Matrix {
	var x Matrix
	if m.mean {
		x = c.New(c.Batch.Sequences(), len(m.Norm.Weight))
		c.Mean(x, m.states(c, allRows))
	} else {
		x = m.states(c, firstRows)
	}
	x = c.Linear(m.Dense, x, m.denseActivation)
	c.Norm(x, &m.DenseNorm)
	return c.Linear(m.Classifier, x, kernels.Identity)
}
