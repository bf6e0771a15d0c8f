package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "GTE", ModelTypes: []string{"gte", "new"}, GGUF: []string{"gte"},
		Classes: map[string]Task{"GteForSequenceClassification": Classify, "GteModel": Embed, "GteForMaskedLM": Embed,
			"NewForSequenceClassification": Classify, "NewModel": Embed, "NewForMaskedLM": Embed},
		New: newGTE,
	})
}

// A rotaryBERT is the trunk of GTE (Zhang et al. 2024) and NomicBERT (Nussbaum et al.
// 2024): BERT with rotary embeddings and a gated feed-forward block,
//
//	x = LN(word[id] + type[t])
//	for each layer:
//		x = LN(x + Out·attention(R(Q·x), R(K·x), V·x))
//		x = LN(x + Down·(act(Gate·x) ⊙ Up·x))
//
// R is rotary embedding (RoPE). In safetensors files, the first tensor names are those
// of transformers, the second those of GTE's authors and the third those of
// NomicBERT's.
type rotaryBERT struct {
	Words  compute.Embedding  `hf:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	Types  *compute.Embedding `hf:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types hidden" if:"types"`
	Norm   compute.Norm       `hf:"embeddings.LayerNorm,emb_ln" gguf:"token_embd_norm" shape:"hidden"`
	Layers []rotaryLayer      `hf:"layers.%d.,encoder.layer.%d.,encoder.layers.%d." gguf:"blk.%d." each:"layers"`

	stack []compute.Layer
}

type rotaryLayer struct {
	compute.Attention
	QKV     compute.Linear `hf:"self_attn.q_proj self_attn.k_proj self_attn.v_proj,attention.qkv_proj,attn.Wqkv,attention.q_proj attention.k_proj attention.v_proj" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden" bias:"qkvbias"`
	Out     compute.Linear `hf:"self_attn.o_proj,attention.o_proj,attn.out_proj" gguf:"attn_output" shape:"hidden hidden" bias:"qkvbias"`
	OutNorm compute.Norm   `hf:"post_attention_layernorm,attn_ln,norm1" gguf:"attn_output_norm" shape:"hidden"`

	UpGate   compute.Linear `hf:"mlp.up_proj mlp.gate_proj,mlp.up_gate_proj,mlp.fc11 mlp.fc12" gguf:"ffn_up ffn_gate" shape:"intermediate hidden" bias:"upbias"`
	Down     compute.Linear `hf:"mlp.down_proj,mlp.fc2" gguf:"ffn_down" shape:"hidden intermediate" bias:"downbias"`
	DownNorm compute.Norm   `hf:"post_mlp_layernorm,mlp_ln,norm2" gguf:"layer_output_norm" shape:"hidden"`

	rope       *compute.RoPE
	activation kernels.Activation
}

func (m *rotaryBERT) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	if m.Types != nil {
		c.AddEmbedding(x, m.Types, c.Batch.Types)
	}
	c.Norm(x, &m.Norm)
	return c.Layers(x, m.stack, want)
}

func (l *rotaryLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.Project(to, &l.QKV, x)
	c.Rotate(to.Q, l.rope, to.Positions, l.HeadDim)
	c.Rotate(to.K, l.rope, to.Positions, l.HeadDim)
}

func (l *rotaryLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.Out, a)
	c.Norm(x, &l.OutNorm)
	c.AddUpGated(x, x, &l.UpGate, l.activation, &l.Down)
	c.Norm(x, &l.DownNorm)
}

// rotarySettings are the trunk's settings, independent of the family's names for them.
type rotarySettings struct {
	types, positions int
	eps              float32
	activation       kernels.Activation
	rope             checkpoint.RoPEDefaults // except the head dim
}

// build makes the layers and the network of the trunk.
func (m *rotaryBERT) build(f *checkpoint.File, spec *Spec, settings any, s rotarySettings, task Task) *Network {
	dim := spec.headDim(f)
	if own := f.Int(checkpoint.Key{HF: "head_dim"}, 1, checkpoint.MaxWidth, dim); own != dim {
		f.Unsupported(fmt.Sprintf("a rotary BERT with head_dim %d", own), fmt.Sprintf("winnow supports hidden size / heads, here %d", dim))
	}
	if f.Bool(keyCausal, false) {
		f.Unsupported("a causal rotary BERT", "")
	}
	s.rope.Dim, s.rope.Positions = dim, s.positions
	rope := f.RoPE("", s.rope)
	m.Layers = make([]rotaryLayer, spec.Layers)
	for i := range m.Layers {
		l := &m.Layers[i]
		l.activation, l.rope = s.activation, rope
		l.Attention = compute.NewAttention(spec.Heads, dim, compute.AttentionMask{})
	}
	m.stack = compute.Stack(m.Layers)
	n := &Network{Trunk: m, Spec: spec, Settings: settings, MaxLength: s.positions, TokenTypes: max(s.types, 1), OneType: s.types < 2, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Eps: s.eps},
		Export: func(e *checkpoint.Export) error {
			e.RoPE(rope, nil)
			e.Set(keyCausal.GGUF, false)
			return nil
		},
	}
	if task == Classify {
		n.Classifier = new(bertClassifier)
	}
	return n
}

type gteSettings struct {
	Spec
	MaxPositions  int                `hf:"max_position_embeddings" gguf:".context_length" default:"8192" max:"positions"`
	TypeVocabSize int                `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"1" min:"0" max:"vocab" dim:"types"`
	Eps           float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	HiddenAct     kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"gelu"`
	PositionKind  string             `hf:"position_embedding_type" gguf:"-" default:"rope"`
	NormKind      string             `hf:"layer_norm_type" gguf:"-" default:"layer_norm"`
	LogN          bool               `hf:"logn_attention_scale" gguf:"-" default:"false"`
	LogNClip      bool               `hf:"logn_attention_clip1" gguf:"-" default:"false"`

	QKVBias  bool `dim:"qkvbias"`
	UpBias   bool `dim:"upbias"`
	DownBias bool `dim:"downbias"`
}

// GTE, as transformers' GteForSequenceClassification and its authors'
// NewForSequenceClassification: a rotaryBERT with BERT's head.
func newGTE(f *checkpoint.File, task Task) *Network {
	m, s := new(rotaryBERT), &gteSettings{Spec: bertSpec(250048), QKVBias: true, DownBias: true}
	f.Read(&s.Spec)
	f.Read(s)
	for _, is := range []struct{ name, found, want string }{
		{"position_embedding_type", s.PositionKind, "rope"},
		{"layer_norm_type", s.NormKind, "layer_norm"},
		{"logn_attention_scale", fmt.Sprint(s.LogN), "false"},
		{"logn_attention_clip1", fmt.Sprint(s.LogNClip), "false"},
	} {
		if is.found != is.want && f.ModelType == "new" { // the authors' own class
			f.Unsupported(fmt.Sprintf("GTE with %s %q", is.name, checkpoint.Abridge(is.found)), "winnow supports "+is.want)
		}
	}
	theta := 160000.0
	if f.ModelType == "new" {
		theta = 10000
	}
	n := m.build(f, &s.Spec, s, rotarySettings{types: s.TypeVocabSize, positions: s.MaxPositions, eps: s.Eps, activation: s.HiddenAct,
		rope: checkpoint.RoPEDefaults{ThetaKey: keyTheta, Theta: theta, Scaled: true}}, task)
	n.Load.Prefixes = []string{"gte.", "new."}
	return n
}
