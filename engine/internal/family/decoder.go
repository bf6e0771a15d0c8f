package family

import (
	"cmp"
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

// A decoder is the trunk shared by the causal models:
//
//	x = word[id]·scale
//	for each layer:
//		h = RMS(x)
//		x = x + P(O·attention(R(N(Q·h)), R(N(K·h)), V·h))
//		h = RMS(x)
//		x = x + P(Down·(act(Gate·h) ⊙ Up·h))
//	x = RMS(x)
//
// R is rotary embedding (RoPE) of each head. N, per-head RMS norms of queries and keys
// (Qwen 3, Gemma 3), and P, RMS norms of a block's output (Gemma 2 and 3), are omitted
// where a family has none. With fewer key heads than query heads, several query heads
// share a key head (grouped-query attention). Attention is causal unless a checkpoint
// says that it is bidirectional.
type decoder struct {
	Words  compute.Embedding `hf:"embed_tokens" gguf:"token_embd" shape:"vocab hidden"`
	Layers []decoderLayer    `hf:"layers.%d." gguf:"blk.%d." each:"layers"`
	Norm   compute.Norm      `hf:"norm" gguf:"output_norm" shape:"hidden" bias:"none" plus:"normoffset"`

	wordScale float32
	stack     []compute.Layer

	// Before each of these layers, ascending, compression neighbouring tokens of a
	// document are merged; see headLayers.
	compressed  []int
	compression int
}

type decoderLayer struct {
	compute.Attention
	InNorm compute.Norm   `hf:"input_layernorm" gguf:"attn_norm" shape:"hidden" bias:"none" plus:"normoffset"`
	Q      compute.Linear `hf:"self_attn.q_proj" gguf:"attn_q" shape:"queries hidden" bias:"optional" interleave:"interleavedqueries"`
	K      compute.Linear `hf:"self_attn.k_proj" gguf:"attn_k" shape:"keys hidden" bias:"optional" interleave:"interleavedkeys"`
	V      compute.Linear `hf:"self_attn.v_proj" gguf:"attn_v" shape:"keys hidden" bias:"optional"`
	QNorm  *compute.Norm  `hf:"self_attn.q_norm" gguf:"attn_q_norm" shape:"headdim" bias:"none" plus:"normoffset" if:"headnorms"`
	KNorm  *compute.Norm  `hf:"self_attn.k_norm" gguf:"attn_k_norm" shape:"headdim" bias:"none" plus:"normoffset" if:"headnorms"`
	O      compute.Linear `hf:"self_attn.o_proj" gguf:"attn_output" shape:"hidden queries" bias:"optional"`
	PostO  *compute.Norm  `hf:"post_attention_layernorm" gguf:"post_attention_norm" shape:"hidden" bias:"none" plus:"normoffset" if:"postnorms"`

	MidNorm  compute.Norm   `hf:"pre_feedforward_layernorm,post_attention_layernorm" gguf:"ffn_norm" shape:"hidden" bias:"none" plus:"normoffset"`
	GateUp   compute.Linear `hf:"mlp.gate_proj mlp.up_proj" gguf:"ffn_gate ffn_up" shape:"intermediate hidden" bias:"optional"`
	Down     compute.Linear `hf:"mlp.down_proj" gguf:"ffn_down" shape:"hidden intermediate" bias:"optional"`
	PostDown *compute.Norm  `hf:"post_feedforward_layernorm" gguf:"post_ffw_norm" shape:"hidden" bias:"none" plus:"normoffset" if:"postnorms"`

	rope       *compute.RoPE
	activation kernels.Activation
	scale      float32 // of a block's output; 0: 1
}

// documentType is the token type of document tokens where they are compressed.
const documentType = 1

func (m *decoder) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	c.Scale(x, m.wordScale)
	done := 0
	for _, layer := range m.compressed {
		x = c.Layers(x, m.stack[done:layer], compute.EveryToken)
		x = c.AverageTokens(x, documentType, m.compression)
		done = layer
	}
	x = c.Layers(x, m.stack[done:], want)
	c.RMSInPlace(x, &m.Norm)
	return x
}

func (l *decoderLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	h := c.RMS(x, &l.InNorm)
	c.ProjectTo(to.Q, &l.Q, h)
	c.ProjectTo(to.K, &l.K, h)
	c.ProjectTo(to.V, &l.V, h)
	c.RotateNormed(to.Q, l.QNorm, l.rope, to.Positions, l.HeadDim)
	c.RotateNormed(to.K, l.KNorm, l.rope, to.Positions, l.HeadDim)
}

func (l *decoderLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	if l.scale != 0 {
		c.AddScaled(x, c.Linear(&l.O, a, kernels.Identity), l.scale)
		c.AddScaled(x, c.Gated(c.RMS(x, &l.MidNorm), &l.GateUp, l.activation, &l.Down), l.scale)
		return
	}
	if l.PostO != nil {
		c.AddRMS(x, c.Linear(&l.O, a, kernels.Identity), l.PostO)
	} else {
		c.AddLinear(x, &l.O, a)
	}
	h := c.RMS(x, &l.MidNorm)
	if l.PostDown != nil {
		c.AddRMS(x, c.Gated(h, &l.GateUp, l.activation, &l.Down), l.PostDown)
	} else {
		c.AddGated(x, h, &l.GateUp, l.activation, &l.Down)
	}
}

// decoderSettings are those shared by the decoder families.
type decoderSettings struct {
	Spec
	MaxPositions int                `hf:"max_position_embeddings" gguf:".context_length" default:"preset" max:"positions"`
	Eps          float32            `hf:"rms_norm_eps" gguf:".attention.layer_norm_rms_epsilon" default:"preset" min:"1e-30" max:"1"`
	KVHeads      int                `hf:"num_key_value_heads" gguf:".attention.head_count_kv" default:"preset" null:"@heads" ggufdefault:"@heads" max:"heads" dim:"kvheads"`
	HeadDim      int                `hf:"head_dim" gguf:".attention.key_length" default:"preset" null:"@hidden/heads" ggufdefault:"@hidden/heads" min:"2" dim:"headdim"`
	ValueDim     int                `gguf:".attention.value_length" default:"@headdim"`
	Activation   kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"preset" ggufdefault:"preset"`

	IsCausal bool `hf:"is_causal" gguf:".attention.causal" default:"true"` // or attention is bidirectional

	Queries   int  `dim:"queries"`
	Keys      int  `dim:"keys"`
	HeadNorms bool `dim:"headnorms"`
	PostNorms bool `dim:"postnorms"`

	// NormOffset is missing from norm weights in safetensors files. In GGUF files the
	// two halves of that many query and key heads may be interleaved.
	NormOffset         int `dim:"normoffset"`
	InterleavedQueries int `dim:"interleavedqueries"`
	InterleavedKeys    int `dim:"interleavedkeys"`
}

// decoderDefaults are a class's defaults for what config.json omits.
type decoderDefaults struct {
	spec       Spec
	positions  int
	keyHeads   int     // 0: same as heads
	headDim    int     // 0: hidden size / heads
	eps        float32 // 0: 1e-6
	activation kernels.Activation
}

var (
	keyKVHeads = checkpoint.Key{HF: "num_key_value_heads", GGUF: ".attention.head_count_kv"}
	keyHeadDim = checkpoint.Key{HF: "head_dim", GGUF: ".attention.key_length"}
)

// read reads the shared settings and checks that they are consistent.
func (s *decoderSettings) read(f *checkpoint.File, d decoderDefaults) {
	s.Spec, s.MaxPositions, s.Activation, s.Eps = d.spec, d.positions, d.activation, cmp.Or(d.eps, 1e-6)
	f.Read(&s.Spec)
	s.KVHeads, s.HeadDim = cmp.Or(d.keyHeads, s.Heads), cmp.Or(d.headDim, s.HiddenSize/s.Heads)
	f.Read(s)
	if s.Heads%s.KVHeads != 0 {
		f.Fail(keyKVHeads, fmt.Sprint(s.KVHeads), fmt.Sprintf("a divisor of the %d heads", s.Heads))
		s.KVHeads = s.Heads
	}
	if s.HeadDim%2 != 0 || s.HeadDim == 0 {
		f.Fail(keyHeadDim, fmt.Sprint(s.HeadDim), "an even number")
		s.HeadDim = 2
	}
	if s.Heads*s.HeadDim > checkpoint.MaxWidth {
		f.Fail(keyHeadDim, fmt.Sprint(s.HeadDim), fmt.Sprintf("at most %d with %d heads", checkpoint.MaxWidth/s.Heads, s.Heads))
		s.HeadDim = 2
	}
	if s.ValueDim != s.HeadDim {
		f.Unsupported(fmt.Sprintf("a value head dim of %d with a key head dim of %d", s.ValueDim, s.HeadDim), "")
	}
	s.Queries, s.Keys = s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
}

// build makes identical layers: one RoPE, no windows. A layer's attention and RoPE may
// be changed before the model is loaded.
func (m *decoder) build(s *decoderSettings, rope *compute.RoPE) {
	m.wordScale = 1
	m.Layers = make([]decoderLayer, s.Layers)
	for i := range m.Layers {
		l := &m.Layers[i]
		l.activation, l.rope = s.Activation, rope
		l.Attention = compute.Attention{Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Scale: float32(1 / math.Sqrt(float64(s.HeadDim))),
			Mask: compute.AttentionMask{Causal: s.IsCausal}}
	}
	m.stack = compute.Stack(m.Layers)
}

// setWindows gives the layers without full attention a sliding window: the last window
// tokens, including the token itself; or, if bidirectional, all within a distance.
func (m *decoder) setWindows(n *Network, fullAttention []bool, window, distance int) {
	causal := n.Decoder.Causal
	reach := window
	if !causal {
		reach = distance + 1
	}
	if reach >= n.MaxLength {
		return // no text is longer
	}
	for i := range m.Layers {
		if fullAttention[i] {
			continue
		}
		n.Window = reach
		if m.Layers[i].Mask.Window = window; !causal {
			m.Layers[i].Mask = compute.Within(distance)
		}
	}
}

// refuseWindows refuses to export sliding windows where llama.cpp has none.
func refuseWindows(e *checkpoint.Export) error {
	return e.Refuse("layers that see a window", "GGUF files of this architecture have none")
}

// network is the network of decoder families whose layers are all alike, with one RoPE.
func (m *decoder) network(f *checkpoint.File, s *decoderSettings, settings any, task Task) *Network {
	rope := f.RoPE("", checkpoint.RoPEDefaults{ThetaKey: keyTheta, Theta: 10000, Scaled: true, Dim: s.HeadDim, Positions: s.MaxPositions})
	return m.networkOf(s, settings, rope, nil, task)
}

// networkOf is network with separate RoPEs for full attention and for sliding windows;
// the latter is nil if they are the same.
func (m *decoder) networkOf(s *decoderSettings, settings any, global, local *compute.RoPE, task Task) *Network {
	m.build(s, global)
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: settings, MaxLength: s.MaxPositions, TokenTypes: 1, OneType: true, Pooling: compute.PoolLast,
		Load:    checkpoint.LoadOptions{Prefixes: []string{"model."}, Eps: s.Eps},
		Decoder: Decoder{Causal: s.IsCausal, Words: &m.Words, Layers: s.Layers, KeyWidth: s.Keys},
		Export: func(e *checkpoint.Export) error {
			e.RoPE(global, local)
			e.Set(".attention.causal", s.IsCausal)
			return nil
		},
	}
	if task == Classify {
		n.Classifier = new(scoreClassifier)
	}
	return n
}

// scoreClassifier is the head of decoders that classify, on the last token's state:
//
//	logits = score·x
type scoreClassifier struct {
	Score compute.Linear `hf:"score,classifier" gguf:"cls.output" shape:"labels hidden" bias:"none" keep:"exact"`
}

func (h *scoreClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Score, x, kernels.Identity)
}

func (h *scoreClassifier) String() string { return "classifier" }
