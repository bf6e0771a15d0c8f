package engine

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/kernels"
)

// A decoder is the trunk that the causal models share:
//
//	x = word[id]·scale
//	for each layer:
//		h = RMS(x)
//		x = x + P(O·lookback(R(N(Q·h)), R(N(K·h)), V·h))
//		h = RMS(x)
//		x = x + P(Down·(act(Gate·h) ⊙ Up·h))
//	x = RMS(x)
//
// R turns each head by its position. N, RMS norms of each head of queries and keys
// (Qwen 3, Gemma 3), and P, RMS norms of what a block adds (Gemma 2 and 3), are
// left out where a family has none. Fewer keys than queries have heads: several
// query heads share a key head.
type decoder struct {
	Words  Table          `st:"embed_tokens" gguf:"token_embd" shape:"vocab hidden"`
	Layers []decoderLayer `st:"layers.%d." gguf:"blk.%d." each:"layers"`
	Norm   Norm           `st:"norm" gguf:"output_norm" shape:"hidden" bias:"none"`
	// Head is the language model's, of models that do not take Words for it.
	Head *Table `st:"lm_head" gguf:"output" shape:"vocab hidden" optional:"true"`

	wordScale  float32
	activation kernels.Activation
	attention  lookback // of a layer that sees everything
	windows    []int    // of each layer; 0: it sees everything
	ropes      []*rope  // of each layer
	logitCap   float32  // of the language model's logits; 0: none
}

type decoderLayer struct {
	InNorm Norm   `st:"input_layernorm" gguf:"attn_norm" shape:"hidden" bias:"none"`
	Q      Linear `st:"self_attn.q_proj" gguf:"attn_q" shape:"queries hidden" bias:"optional"`
	K      Linear `st:"self_attn.k_proj" gguf:"attn_k" shape:"keys hidden" bias:"optional"`
	V      Linear `st:"self_attn.v_proj" gguf:"attn_v" shape:"keys hidden" bias:"optional"`
	QNorm  *Norm  `st:"self_attn.q_norm" gguf:"attn_q_norm" shape:"head" bias:"none" if:"headnorms"`
	KNorm  *Norm  `st:"self_attn.k_norm" gguf:"attn_k_norm" shape:"head" bias:"none" if:"headnorms"`
	O      Linear `st:"self_attn.o_proj" gguf:"attn_output" shape:"hidden queries" bias:"optional"`
	PostO  *Norm  `st:"post_attention_layernorm" gguf:"post_attention_norm" shape:"hidden" bias:"none" if:"postnorms"`

	MidNorm  Norm   `st:"pre_feedforward_layernorm,post_attention_layernorm" gguf:"ffn_norm" shape:"hidden" bias:"none"`
	GateUp   Linear `st:"mlp.gate_proj mlp.up_proj" gguf:"ffn_gate ffn_up" shape:"intermediate hidden" bias:"none"`
	Down     Linear `st:"mlp.down_proj" gguf:"ffn_down" shape:"hidden intermediate" bias:"none"`
	PostDown *Norm  `st:"post_feedforward_layernorm" gguf:"post_ffw_norm" shape:"hidden" bias:"none" if:"postnorms"`
}

// states are the states of the tokens that the batch wants, one a row, after the
// last norm. Keys and values are kept where the batch says so.
func (m *decoder) states(c *Compute) Matrix {
	b := &c.Batch
	b.place()
	x := c.Embed(&m.Words, b.IDs)
	c.Scale(x, m.wordScale)
	c.trace(-1, x)

	wanted := c.New(len(b.Want), x.Cols)
	for i, l := range each(c, m.Layers) {
		h := c.RMS(x, &l.InNorm)
		k, v := c.Linear(&l.K, h, kernels.Identity), c.Linear(&l.V, h, kernels.Identity)
		c.Place(k, l.KNorm, m.ropes[i], b.Positions, m.attention.dim)
		c.Keep(i, k, v)

		// Of the last layer no more is computed than is wanted.
		positions, last := b.Positions, i == len(m.Layers)-1 && c.traced == nil
		if last && len(b.Want) == 0 {
			x = wanted
			break
		}
		if last {
			x, h = c.Rows(wanted, x, b.Want), c.Rows(c.New(len(b.Want), h.Cols), h, b.Want)
			positions = b.wantedPositions()
		}
		q := c.Linear(&l.Q, h, kernels.Identity)
		c.Place(q, l.QNorm, m.ropes[i], positions, m.attention.dim)

		a := c.LookBack(q, k, v, m.sees(i), last)
		if l.PostO != nil {
			c.AddRMS(x, c.Linear(&l.O, a, kernels.Identity), l.PostO)
		} else {
			c.AddLinear(x, &l.O, a)
		}

		h = c.RMS(x, &l.MidNorm)
		if l.PostDown != nil {
			c.AddRMS(x, c.Gated(h, &l.GateUp, m.activation, &l.Down), l.PostDown)
		} else {
			c.AddGated(x, h, &l.GateUp, m.activation, &l.Down)
		}
		c.trace(i, x)
	}
	if c.traced != nil {
		x = c.Rows(wanted, x, b.Want)
	}
	c.rmsTo(x, x, &m.Norm)
	return x
}

// sees is what the queries of a layer see.
func (m *decoder) sees(layer int) lookback {
	l := m.attention
	l.layer = layer
	l.window = m.windows[layer]
	return l
}

// head has a row for each word's logit.
func (m *decoder) head() *Table {
	if m.Head != nil {
		return m.Head
	}
	return &m.Words
}

// The settings of decoders, beside those of BERT.
var (
	keyRMS       = key{"rms_norm_eps", ".attention.layer_norm_rms_epsilon"}
	keyKeyHeads  = key{"num_key_value_heads", ".attention.head_count_kv"}
	keyHeadDim   = key{"head_dim", ".attention.key_length"}
	keyValueDim  = key{"", ".attention.value_length"}
	keyWindow    = key{"sliding_window", ".attention.sliding_window"}
	keyLocalBase = key{"rope_local_base_freq", ".rope.freq_base_swa"}
)

// configure reads the settings that the families share and makes them f's
// dimensions.
func (m *decoder) configure(f *file) {
	s := &f.settings
	heads := s.count(keyHeads, 1, maxHeads)
	shared := s.countOr(keyKeyHeads, 1, maxHeads, heads)
	hidden := s.count(keyHidden, 1, maxWidth)
	if heads%shared != 0 {
		s.fail(keyKeyHeads, fmt.Sprint(shared), fmt.Sprintf("a divisor of the %d heads", heads))
		shared = heads
	}
	dim := s.countOr(keyHeadDim, 2, maxWidth, hidden/heads)
	if dim%2 != 0 || dim == 0 {
		s.fail(keyHeadDim, fmt.Sprint(dim), "an even number")
		dim = 2
	}
	if heads*dim > maxWidth {
		s.fail(keyHeadDim, fmt.Sprint(dim), fmt.Sprintf("at most %d with %d heads", maxWidth/heads, heads))
		dim = 2
	}
	if v := s.countOr(keyValueDim, 1, maxWidth, dim); v != dim {
		f.unsupported(fmt.Sprintf("values of %d numbers a head where keys have %d", v, dim), "")
	}
	f.heads = heads
	f.eps = s.epsilon(keyRMS)
	layers := f.layers(keyLayers)
	f.maxLength = s.count(keyPositions, 1, maxPositions)
	f.dims = map[string]int{
		"hidden":       hidden,
		"intermediate": s.count(keyIntermediate, 1, maxWidth),
		"layers":       layers,
		"vocab":        f.vocabulary(keyVocab),
		"queries":      heads * dim,
		"keys":         shared * dim,
		"head":         dim,
		"types":        1,
	}
	f.oneType = true
	f.prefix = "model."
	m.wordScale = 1
	m.activation = kernels.SiLU
	m.attention = lookback{heads: heads, shared: shared, dim: dim, scale: float32(1 / math.Sqrt(float64(dim)))}
	m.windows = make([]int, layers)
	m.ropes = make([]*rope, layers)
}

// turn gives all layers one rope.
func (m *decoder) turn(r *rope) {
	for i := range m.ropes {
		m.ropes[i] = r
	}
}

// flag is a truth value of config.json.
func (f *file) flag(name string, absent bool) bool {
	if v, ok := f.config[name].(bool); ok {
		return v
	}
	return absent
}

// linear packs rows of a table in float32.
func (t *Table) linear(rows []int32) *Linear {
	return &Linear{weights: kernels.PackF32(len(rows), t.Cols, func(i int, dst []float32) { t.Row(dst, rows[i]) })}
}

// slides gives a window to the layers that do not see everything. The file may say
// layer by layer which these are.
func (f *file) slides(windows []int, window int, everything func(layer int) bool) {
	types, _ := f.config["layer_types"].([]any)
	var local []int64
	if f.gguf {
		local, _ = f.metadata.Ints(f.settings.arch + ".attention.sliding_window_pattern")
	}
	for i := range windows {
		all := everything(i)
		switch {
		case len(types) == len(windows):
			all = types[i] == "full_attention"
		case len(local) == len(windows):
			all = local[i] == 0
		}
		if !all {
			windows[i] = window
		}
	}
}
