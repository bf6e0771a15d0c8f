package family

import (
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "JinaBERT", ModelTypes: []string{"bert", "jina_bert"}, GGUF: []string{"jina-bert-v2"}, OwnClasses: true,
		Classes: map[string]Task{"JinaBertForSequenceClassification": Classify, "JinaBertModel": Embed, "JinaBertForMaskedLM": Embed},
		New:     newJinaBERT,
	})
}

// JinaBERT (Günther et al. 2023), as the authors' JinaBertForSequenceClassification:
// BERT without position embeddings, whose attention decreases with distance (ALiBi),
// and with a gated feed-forward block:
//
//	x = LN(word[id] + type[0])
//	for each layer:
//		x = LN(x + Out·attention(QKV·x))
//		u, g = GateUp·x
//		x = LN(x + Down·(act(u) ⊙ g))
//	logits = classifier·tanh(pooler·x[first token])
//
// The embedding models of some languages and of code apply layer norm to queries and
// keys, across heads. The code model adds attention's residual twice, with a second
// norm, and has the halves of the gated layer swapped:
//
//	y = LN(x + LN(x + Out·attention(LN(Q·x), LN(K·x), V·x)))
//	x = LN(y + Down·(Up·y ⊙ act(Gate·y)))
type jinaBERT struct {
	Words  compute.Embedding `hf:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	Types  compute.Embedding `hf:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types hidden"`
	Norm   compute.Norm      `hf:"embeddings.LayerNorm" gguf:"token_embd_norm" shape:"hidden"`
	Layers []jinaLayer       `hf:"encoder.layer.%d." gguf:"blk.%d." each:"layers"`

	stack []compute.Layer
}

type jinaLayer struct {
	compute.Attention
	QKV     compute.Linear `hf:"attention.self.query attention.self.key attention.self.value" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden"`
	QNorm   *compute.Norm  `hf:"attention.self.layer_norm_q" gguf:"attn_q_norm" shape:"hidden" optional:"true"`
	KNorm   *compute.Norm  `hf:"attention.self.layer_norm_k" gguf:"attn_k_norm" shape:"hidden" optional:"true"`
	Out     compute.Linear `hf:"attention.output.dense" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm compute.Norm   `hf:"attention.output.LayerNorm" gguf:"attn_output_norm" shape:"hidden"`
	MidNorm *compute.Norm  `hf:"layer_norm_1" gguf:"attn_norm_2" shape:"hidden" if:"code"`

	// The two halves are one tensor, except in older GGUF files.
	GateUp   *compute.Linear `hf:"mlp.gated_layers" gguf:"ffn_gate ffn_up,ffn_up" shape:"gated hidden" bias:"none" if:"text"`
	UpGate   *compute.Linear `hf:"mlp.up_gated_layer" gguf:"ffn_up ffn_gate,ffn_up" shape:"gated hidden" bias:"none" if:"code" apart:"true"` // llama.cpp treats the first half of one tensor as the gate
	Down     compute.Linear  `hf:"mlp.wo,mlp.down_layer" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm compute.Norm    `hf:"mlp.layernorm,layer_norm_2" gguf:"layer_output_norm" shape:"hidden"`

	activation kernels.Activation
}

func (m *jinaBERT) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	c.AddEmbedding(x, &m.Types, c.Batch.Types)
	c.Norm(x, &m.Norm)
	return c.Layers(x, m.stack, want)
}

func (l *jinaLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.Project(to, &l.QKV, x)
	if l.QNorm != nil {
		c.Norm(to.Q, l.QNorm)
	}
	if l.KNorm != nil {
		c.Norm(to.K, l.KNorm)
	}
}

func (l *jinaLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	if l.MidNorm == nil {
		c.AddLinear(x, &l.Out, a)
		c.Norm(x, &l.OutNorm)
		c.AddGated(x, x, l.GateUp, l.activation, &l.Down)
	} else {
		y := c.Linear(&l.Out, a, kernels.Identity)
		kernels.Add(y, y, x)
		c.Norm(y, &l.OutNorm)
		kernels.Add(x, x, y)
		c.Norm(x, l.MidNorm)
		c.AddUpGated(x, x, l.UpGate, l.activation, &l.Down)
	}
	c.Norm(x, &l.DownNorm)
}

type jinaSettings struct {
	Spec
	MaxPositions  int     `hf:"max_position_embeddings" gguf:".context_length" default:"512" max:"positions"`
	TypeVocabSize int     `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"2" dim:"types" max:"vocab"`
	Eps           float32 `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	PositionKind  string  `hf:"position_embedding_type" gguf:"-" default:"alibi"`
	FeedForward   string  `hf:"feed_forward_type" default:"geglu"`

	Gated int  `dim:"gated"`
	Code  bool `dim:"code"` // the variant for code
	Text  bool `dim:"text"` // all others
}

func newJinaBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(jinaBERT), &jinaSettings{Spec: bertSpec(30522)}
	f.Read(&s.Spec)
	f.Read(s)
	if s.PositionKind != "alibi" {
		f.Unsupported(fmt.Sprintf("JinaBERT with position_embedding_type %q", checkpoint.Abridge(s.PositionKind)), "winnow supports alibi")
	}
	activation := kernels.GELU
	switch s.FeedForward {
	case "geglu":
	case "reglu":
		activation = kernels.ReLU
	default:
		f.Unsupported(fmt.Sprintf("JinaBERT with feed_forward_type %q", checkpoint.Abridge(s.FeedForward)), "winnow supports geglu and reglu")
	}
	s.Gated = 2 * s.IntermediateSize
	if f.IsGGUF() {
		s.Gated = s.IntermediateSize // of each half
	}
	for _, name := range f.TensorNames() {
		s.Code = s.Code || strings.HasSuffix(name, ".layer_norm_1.weight") || strings.HasSuffix(name, ".attn_norm_2.weight")
	}
	s.Text = !s.Code
	dim := s.headDim(f)
	m.Layers = make([]jinaLayer, s.Layers)
	for i := range m.Layers {
		l := &m.Layers[i]
		l.activation = activation
		l.Attention = compute.NewAttention(s.Heads, dim, compute.AttentionMask{Slopes: compute.ALiBi(s.Heads)})
	}
	m.stack = compute.Stack(m.Layers)
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, TokenTypes: s.TypeVocabSize, OneType: true, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Prefixes: []string{"bert."}, Eps: s.Eps}}
	if task == Classify {
		n.Classifier = new(bertClassifier)
		checkPooler(f)
	}
	return n
}
