package family

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "ModernBERT", ModelTypes: []string{"modernbert"}, GGUF: []string{"modern-bert"},
		Classes: map[string]Task{"ModernBertForSequenceClassification": Classify, "ModernBertModel": Embed, "ModernBertForMaskedLM": Embed},
		New:     newModernBERT,
	})
}

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
// R turns queries and keys by their positions (RoPE). Every third layer or so sees
// the whole text; the others see a band around each token, and turn by another
// base. pool takes the first token or the mean of all.
type modernBERT struct {
	Words     compute.Embedding `hf:"embeddings.tok_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	WordsNorm compute.Norm      `hf:"embeddings.norm" gguf:"token_embd_norm" shape:"hidden" bias:"optional"`
	Layers    []modernLayer     `hf:"layers.%d." gguf:"blk.%d." each:"layers"`
	Norm      compute.Norm      `hf:"final_norm" gguf:"output_norm" shape:"hidden" bias:"optional"`

	stack []compute.Layer
}

type modernLayer struct {
	compute.Attention
	InNorm *compute.Norm  `hf:"attn_norm" gguf:"attn_norm" shape:"hidden" bias:"optional" optional:"true"`
	QKV    compute.Linear `hf:"attn.Wqkv" gguf:"attn_qkv" shape:"3*hidden hidden" bias:"optional"`
	Out    compute.Linear `hf:"attn.Wo" gguf:"attn_output" shape:"hidden hidden" bias:"optional"`

	MidNorm compute.Norm   `hf:"mlp_norm" gguf:"ffn_norm" shape:"hidden" bias:"optional"`
	GateUp  compute.Linear `hf:"mlp.Wi" gguf:"ffn_up" shape:"2*intermediate hidden" bias:"optional"`
	Down    compute.Linear `hf:"mlp.Wo" gguf:"ffn_down" shape:"hidden intermediate" bias:"optional"`

	rope       *compute.RoPE
	activation kernels.Activation
}

func (m *modernBERT) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	c.Norm(x, &m.WordsNorm)
	x = c.Layers(x, m.stack, want)
	c.Norm(x, &m.Norm)
	return x
}

func (l *modernLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	if l.InNorm != nil {
		x = c.Normed(x, l.InNorm)
	}
	c.Project(to, &l.QKV, x)
	c.Rotate(to.Q, l.rope, to.Positions, l.HeadDim)
	c.Rotate(to.K, l.rope, to.Positions, l.HeadDim)
}

func (l *modernLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.Out, a)
	c.AddGated(x, c.Normed(x, &l.MidNorm), &l.GateUp, l.activation, &l.Down)
}

// modernClassifier is ModernBERT's head.
type modernClassifier struct {
	Dense      compute.Linear `hf:"head.dense" gguf:"cls" shape:"hidden hidden" bias:"optional" keep:"exact"`
	DenseNorm  compute.Norm   `hf:"head.norm" gguf:"cls.norm" shape:"hidden" bias:"optional"`
	Classifier compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" bias:"optional" keep:"exact"`

	activation kernels.Activation
}

func (h *modernClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	x = c.Linear(&h.Dense, x, h.activation)
	c.Norm(x, &h.DenseNorm)
	return c.Linear(&h.Classifier, x, kernels.Identity)
}

func (h *modernClassifier) String() string { return "dense → activation → norm → classifier" }

type modernSettings struct {
	Spec
	MaxPositions     int                `hf:"max_position_embeddings" gguf:".context_length" default:"8192"`
	Eps              float32            `hf:"norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-5"`
	HiddenActivation kernels.Activation `hf:"hidden_activation" gguf:".hidden_activation" default:"gelu"`
	LocalAttention   int                `hf:"local_attention" gguf:".attention.sliding_window" default:"128" ggufdefault:"0" min:"0"`
	GlobalEvery      int                `hf:"global_attn_every_n_layers" default:"3"`

	ClassifierPooling    string             `hf:"classifier_pooling" default:"cls"`
	ClassifierActivation kernels.Activation `hf:"classifier_activation" gguf:".classifier.activation" default:"gelu"`
}

// GGUF has numbers for how a classifier pools.
var keyHeadPooling = checkpoint.Key{HF: "classifier_pooling", GGUF: ".classifier.pooling_type"}

func newModernBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(modernBERT), &modernSettings{}
	s.Spec = Spec{HiddenSize: 768, IntermediateSize: 1152, Layers: 22, Heads: 12, VocabSize: 50368}
	s.Spec.read(f)
	f.Read(s)
	if s.HiddenSize%(2*s.Heads) != 0 {
		f.Fail(keyHeads, fmt.Sprint(s.Heads), fmt.Sprintf("heads of an even width in %d", s.HiddenSize))
		s.Heads = 1
	}
	dim := s.HiddenSize / s.Heads
	global := f.RoPE("full_attention", checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: "global_rope_theta", GGUF: ".rope.freq_base"}, Theta: 160000, Scaled: true, Dim: dim, Positions: s.MaxPositions})
	local := f.RoPE("sliding_attention", checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: "local_rope_theta", GGUF: ".rope.freq_base_swa"}, Theta: 10000, Dim: dim, Positions: s.MaxPositions})
	everything := f.LayerTypes(s.Layers, func(layer int) bool { return layer%max(1, s.GlobalEvery) == 0 })
	if f.IsGGUF() && s.LocalAttention == 0 {
		everything = nil
	}
	m.Layers = make([]modernLayer, s.Layers)
	for i := range m.Layers {
		l := &m.Layers[i]
		l.activation, l.rope = s.HiddenActivation, global
		l.Attention = compute.Attention{Heads: s.Heads, KVHeads: s.Heads, HeadDim: dim, Scale: float32(1 / math.Sqrt(float64(dim))), Coarse: true}
		if everything != nil && !everything[i] {
			l.rope, l.Mask = local, compute.Band(s.LocalAttention/2)
		}
	}
	m.stack = compute.Stack(m.Layers)
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, TokenTypes: 1, OneType: true, Pooling: compute.PoolFirst,
		Load:   checkpoint.LoadOptions{Prefixes: []string{"model."}, Eps: s.Eps},
		Loaded: m.check,
		Export: func(e *checkpoint.Export) error {
			e.LayerTypes(everything, 3)
			return nil
		}}
	if task == Classify {
		n.Classifier = &modernClassifier{activation: s.ClassifierActivation}
		n.Pooling = s.pooling(f)
	}
	return n
}

// pooling is the mean of all tokens or the first one.
func (s *modernSettings) pooling(f *checkpoint.File) compute.Pooling {
	if f.IsGGUF() {
		const mean, first = 1, 2
		if f.Int(keyHeadPooling, mean, first, mean) == mean {
			return compute.PoolMean
		}
		return compute.PoolFirst
	}
	switch s.ClassifierPooling {
	case "cls":
		return compute.PoolFirst
	case "mean":
		return compute.PoolMean
	}
	f.Fail(keyHeadPooling, fmt.Sprintf("%q", checkpoint.Abridge(s.ClassifierPooling)), `"cls" or "mean"`)
	return compute.PoolFirst
}

// check misses the norm before attention in all layers but the first, which has
// none.
func (m *modernBERT) check(f *checkpoint.File) error {
	for i, l := range m.Layers {
		if i > 0 && l.InNorm == nil {
			name := fmt.Sprintf("layers.%d.attn_norm.weight", i)
			if f.IsGGUF() {
				name = fmt.Sprintf("blk.%d.attn_norm.weight", i)
			}
			return f.MissingTensor(name, "ModernBERT")
		}
	}
	return nil
}
