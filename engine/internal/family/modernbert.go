package family

import (
	"fmt"
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "ModernBERT", ModelTypes: []string{"modernbert"}, GGUF: []string{"modern-bert"},
		EightBits: checkpoint.Int8A16,
		Classes:   map[string]Task{"ModernBertForSequenceClassification": Classify, "ModernBertModel": Embed, "ModernBertForMaskedLM": Embed},
		New:       newModernBERT,
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
// R is rotary embedding (RoPE). By default every third layer sees the whole text; the
// others see a band around each token, and use another RoPE base. pool takes the first
// token or the mean of all.
type modernBERT struct {
	Words     compute.Embedding `hf:"embeddings.tok_embeddings" gguf:"token_embd" shape:"vocab hidden"`
	WordsNorm compute.Norm      `hf:"embeddings.norm" gguf:"token_embd_norm" shape:"hidden" bias:"optional"`
	Layers    []modernLayer     `hf:"layers.%d." gguf:"blk.%d." each:"layers"`
	Norm      compute.Norm      `hf:"final_norm" gguf:"output_norm" shape:"hidden" bias:"optional"`

	stack []compute.Layer
}

type modernLayer struct {
	compute.Attention
	InNorm *compute.Norm  `hf:"attn_norm" gguf:"attn_norm" shape:"hidden" bias:"optional" if:"innorm"`
	QKV    compute.Linear `hf:"attn.Wqkv" gguf:"attn_qkv" shape:"3*hidden hidden" bias:"optional"`
	Out    compute.Linear `hf:"attn.Wo" gguf:"attn_output" shape:"hidden hidden" bias:"optional"`

	MidNorm compute.Norm   `hf:"mlp_norm" gguf:"ffn_norm" shape:"hidden" bias:"optional"`
	GateUp  compute.Linear `hf:"mlp.Wi" gguf:"ffn_up" shape:"2*intermediate hidden" bias:"optional"`
	Down    compute.Linear `hf:"mlp.Wo" gguf:"ffn_down" shape:"hidden intermediate" bias:"optional"`

	rope       *compute.RoPE
	activation kernels.Activation
	first      bool // in the model: it has no norm before attention
}

// Dimensions says whether the layer has a norm before attention.
func (l *modernLayer) Dimensions(dims map[string]int) {
	dims["innorm"] = 1
	if l.first {
		dims["innorm"] = 0
	}
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
	chain      *checkpoint.Chain // that it replaces, or nil
}

// Loaded checks the biases declared by a chain, and sets its norm's epsilon.
func (h *modernClassifier) Loaded() error {
	if h.chain == nil {
		return nil
	}
	h.DenseNorm.Eps = checkpoint.ModuleEps
	for i, l := range map[int]*compute.Linear{0: &h.Dense, 2: &h.Classifier} {
		if s := &h.chain.Steps[i]; s.HasBias() != (l.Bias != nil) {
			return s.BiasError()
		}
	}
	return nil
}

func (h *modernClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	x = c.Linear(&h.Dense, x, h.activation)
	c.Norm(x, &h.DenseNorm)
	return c.Linear(&h.Classifier, x, kernels.Identity)
}

func (h *modernClassifier) String() string { return "dense → activation → norm → classifier" }

type modernSettings struct {
	Spec
	MaxPositions     int                `hf:"max_position_embeddings" gguf:".context_length" default:"8192" max:"positions"`
	Eps              float32            `hf:"norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-5" min:"1e-30" max:"1"`
	HiddenActivation kernels.Activation `hf:"hidden_activation" gguf:".hidden_activation" default:"gelu"`
	LocalAttention   int                `hf:"local_attention" gguf:".attention.sliding_window" default:"128" ggufdefault:"0" min:"0"`
	GlobalEvery      int                // one layer in this many has full attention

	ClassifierPooling    string             `hf:"classifier_pooling" gguf:"-" default:"cls"`
	ClassifierActivation kernels.Activation `hf:"classifier_activation" gguf:".classifier.activation" default:"gelu"`
}

// keyGlobalEvery is a number of layers or, in GGUF files, possibly a list of those with
// a window.
var keyGlobalEvery = checkpoint.Key{HF: "global_attn_every_n_layers", GGUF: ".attention.sliding_window_pattern"}

// keyHeadPooling is a number in GGUF files.
var keyHeadPooling = checkpoint.Key{HF: "classifier_pooling", GGUF: ".classifier.pooling_type"}

func newModernBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(modernBERT), &modernSettings{}
	s.Spec = Spec{HiddenSize: 768, IntermediateSize: 1152, Layers: 22, Heads: 12, VocabSize: 50368}
	f.Read(&s.Spec)
	f.Read(s)
	s.GlobalEvery = f.Pattern(keyGlobalEvery, 3)
	if s.HiddenSize%(2*s.Heads) != 0 {
		f.Fail(keyHeads, fmt.Sprint(s.Heads), fmt.Sprintf("heads of an even width in %d", s.HiddenSize))
		s.Heads = 1
	}
	dim := s.HiddenSize / s.Heads
	global := f.RoPE("full_attention", checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: "global_rope_theta", GGUF: ".rope.freq_base"}, Theta: 160000, Scaled: true, Dim: dim, Positions: s.MaxPositions})
	if half := (checkpoint.Key{HF: "sliding_window"}); f.Has(half) { // the one-sided window, which transformers prefers
		s.LocalAttention = 2 * f.Int(half, 0, checkpoint.MaxPositions/2, 0)
	}
	local := f.RoPE("sliding_attention", checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: "local_rope_theta", GGUF: ".rope.freq_base_swa"}, Theta: 10000, ScaledHF: true, Dim: dim, Positions: s.MaxPositions})
	fullAttention := f.LayerTypes(s.Layers, func(layer int) bool { return layer%s.GlobalEvery == 0 })
	if f.IsGGUF() && s.LocalAttention == 0 {
		fullAttention = slices.Repeat([]bool{true}, s.Layers)
	}
	window := 0
	m.Layers = make([]modernLayer, s.Layers)
	for i := range m.Layers {
		l := &m.Layers[i]
		l.activation, l.rope, l.first = s.HiddenActivation, global, i == 0
		l.Attention = compute.NewAttention(s.Heads, dim, compute.AttentionMask{})
		if !fullAttention[i] {
			l.rope, l.Mask = local, compute.Within(s.LocalAttention/2)
			window = max(1, s.LocalAttention/2)
		}
	}
	m.stack = compute.Stack(m.Layers)
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, Window: window, TokenTypes: 1, OneType: true, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Prefixes: []string{"model."}, Eps: s.Eps},
	}
	var head *modernClassifier
	if task == Classify {
		head = &modernClassifier{activation: s.ClassifierActivation}
		n.Classifier, n.Pooling = head, s.pooling(f)
	}
	n.ChainClassifier = func(f *checkpoint.File, c *checkpoint.Chain, hidden int) Classifier {
		if head = modernChainClassifier(f, c, hidden); head == nil {
			return nil
		}
		return head
	}
	n.Export = func(e *checkpoint.Export) error {
		e.RoPE(global, local)
		e.LayerTypes(fullAttention, s.GlobalEvery, func(layer, every int) bool { return layer%every == 0 })
		if head == nil {
			return nil
		}
		return head.export(e, f, n.Pooling, s.Eps)
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

// modernChainClassifier turns a cross-encoder's chain into ModernBERT's own head (the
// ettin rerankers), if it has the same structure.
func modernChainClassifier(f *checkpoint.File, c *checkpoint.Chain, hidden int) *modernClassifier {
	if !c.IsClassifier(hidden) {
		return nil
	}
	f.AliasClassifier()
	return &modernClassifier{activation: c.Steps[0].Activation, chain: c}
}

// export folds the bias of the head's norm, which llama.cpp lacks, into the
// classifier's:
//
//	classifier·(n + b) + c = classifier·n + (classifier·b + c)
func (h *modernClassifier) export(e *checkpoint.Export, f *checkpoint.File, pooling compute.Pooling, eps float32) error {
	const mean, first = 1, 2
	e.Set(keyHeadPooling.GGUF, uint32(first))
	if pooling == compute.PoolMean {
		e.Set(keyHeadPooling.GGUF, uint32(mean))
	}
	e.Set(".classifier.activation", checkpoint.ActivationName(h.activation))
	if h.DenseNorm.Eps != eps {
		return e.Refuse(fmt.Sprintf("a head whose norm has the epsilon %g, the others %g,", h.DenseNorm.Eps, eps), "")
	}
	b := h.DenseNorm.Bias
	if b == nil {
		return nil
	}
	w, err := f.Numbers("classifier.weight")
	if err != nil {
		return err
	}
	sums := make([]float32, len(w)/len(b))
	for i := range sums {
		sum := 0.0
		for j, v := range b {
			sum += float64(v) * float64(w[i*len(b)+j])
		}
		if h.Classifier.Bias != nil {
			sum += float64(h.Classifier.Bias[i])
		}
		sums[i] = float32(sum)
	}
	e.Drop("cls.norm.bias")
	e.Add("cls.output.bias", []int{len(sums)}, sums)
	return nil
}
