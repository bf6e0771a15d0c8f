package family

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "DeBERTa", ModelTypes: []string{"deberta-v2"}, GGUF: []string{"deberta-v2"},
		EightBits: checkpoint.Int8A16,
		Classes:   map[string]Task{"DebertaV2ForSequenceClassification": Classify, "DebertaV2Model": Embed, "DebertaV2ForMaskedLM": Embed},
		New:       newDeBERTa,
	})
}

// DeBERTa v2 and v3 (He et al. 2020, 2021), as transformers'
// DebertaV2ForSequenceClassification:
//
//	x = LN(project·(word[id] + position[i] + type[t]))
//	for each layer:
//		x = LN(x + Out·disentangled(QKV·x))
//		x = LN(x + Down·act(Up·x))
//		x = LN(x + act(convolution(embeddings)))     after the first layer
//	logits = classifier·act(pooler·x[first token])
//
// disentangled is attention whose scores also combine content with relative position,
// in both directions (c2p and p2c):
//
//	score = (qᵢ·kⱼ + qᵢ·K[b(i−j)] + kⱼ·Q[b(i−j)]) / √(terms·head dim)
//
// b maps distances to buckets that widen with distance. K and Q are projections of the
// bucket embeddings. Only some models have position embeddings, token types, project
// and convolution.
type deberta struct {
	Words     compute.Embedding  `hf:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab embedding"`
	Positions *compute.Embedding `hf:"embeddings.position_embeddings" gguf:"position_embd" shape:"positions embedding" if:"placed"`
	Types     *compute.Embedding `hf:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types embedding" if:"types"`
	Project   *compute.Linear    `hf:"embeddings.embed_proj" gguf:"token_embd_proj" shape:"hidden embedding" bias:"none" keep:"exact" if:"projected"`
	Norm      compute.Norm       `hf:"embeddings.LayerNorm" gguf:"token_embd_norm" shape:"hidden"`

	Buckets     *compute.Embedding `hf:"encoder.rel_embeddings" gguf:"rel_embd" shape:"buckets hidden" if:"buckets"`
	BucketsNorm *compute.Norm      `hf:"encoder.LayerNorm" gguf:"rel_embd_norm" shape:"hidden" if:"bucketsnorm"`

	Layers []debertaLayer `hf:"encoder.layer.%d." gguf:"blk.%d." each:"layers"`

	Conv     *compute.Linear `hf:"encoder.conv.conv" gguf:"conv1d" shape:"hidden hidden taps" if:"taps"`
	ConvNorm *compute.Norm   `hf:"encoder.conv.LayerNorm" gguf:"conv1d_norm" shape:"hidden" if:"taps"`

	settings debertaSettings
	scale    float32
	c2p, p2c bool
	stack    []compute.Layer
}

type debertaLayer struct {
	compute.DisentangledAttention
	QKV     compute.Linear `hf:"attention.self.query_proj attention.self.key_proj attention.self.value_proj,attention.self.in_proj" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden" bias:"apart" byhead:"together"`
	QBias   []float32      `hf:"attention.self.q_bias" gguf:"attn_q.bias" shape:"hidden" if:"together"`
	VBias   []float32      `hf:"attention.self.v_bias" gguf:"attn_v.bias" shape:"hidden" if:"together"`
	Out     compute.Linear `hf:"attention.output.dense" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm compute.Norm   `hf:"attention.output.LayerNorm" gguf:"attn_output_norm" shape:"hidden"`

	// Projections of the bucket embeddings, used only while the model is loaded:
	// separate ones, or those of the keys and queries.
	BucketKeys    *checkpoint.Unpacked `hf:"attention.self.pos_key_proj,attention.self.pos_proj" gguf:"attn_rel_k" shape:"hidden hidden" bias:"apart" if:"bucketkeys"`
	BucketQueries *checkpoint.Unpacked `hf:"attention.self.pos_query_proj,attention.self.pos_q_proj" gguf:"attn_rel_q" shape:"hidden hidden" if:"bucketqueries"`
	SharedKeys    *checkpoint.Unpacked `hf:"attention.self.key_proj" gguf:"attn_k" shape:"hidden hidden" if:"sharedkeys" again:"true"`
	SharedQueries *checkpoint.Unpacked `hf:"attention.self.query_proj" gguf:"attn_q" shape:"hidden hidden" if:"sharedqueries" again:"true"`

	Up       compute.Linear `hf:"intermediate.dense" gguf:"ffn_up" shape:"intermediate hidden"`
	Down     compute.Linear `hf:"output.dense" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm compute.Norm   `hf:"output.LayerNorm" gguf:"layer_output_norm" shape:"hidden"`

	activation kernels.Activation
}

func (m *deberta) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := m.embed(c)
	if m.Conv == nil {
		return c.Layers(x, m.stack, want)
	}
	conv := c.Linear(m.Conv, c.Windows(x, m.settings.ConvKernelSize), m.settings.ConvAct)
	x = c.Layers(x, m.stack[:1], compute.EveryToken)
	kernels.Add(x, x, conv)
	c.Norm(x, m.ConvNorm)
	if len(m.stack) == 1 {
		return c.Select(x, want)
	}
	return c.Layers(x, m.stack[1:], want)
}

func (m *deberta) embed(c *compute.Context) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	if m.Positions != nil {
		c.AddEmbedding(x, m.Positions, c.Batch.Positions)
	}
	if m.Types != nil {
		c.AddEmbedding(x, m.Types, c.Batch.Types)
	}
	if m.Project != nil {
		x = c.Linear(m.Project, x, kernels.Identity)
	}
	c.Norm(x, &m.Norm)
	return x
}

func (l *debertaLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.Project(to, &l.QKV, x)
}

func (l *debertaLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.Out, a)
	c.Norm(x, &l.OutNorm)
	c.AddFeedForward(x, x, &l.Up, l.activation, &l.Down)
	c.Norm(x, &l.DownNorm)
}

// debertaClassifier is DeBERTa's head.
type debertaClassifier struct {
	Pooler     compute.Linear `hf:"pooler.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`

	settings *debertaSettings
}

func (h *debertaClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Classifier, c.Linear(&h.Pooler, x, h.settings.PoolerAct), kernels.Identity)
}

func (h *debertaClassifier) String() string {
	return "pooler → " + checkpoint.ActivationName(h.settings.PoolerAct) + " → classifier"
}

type debertaSettings struct {
	Spec
	MaxPositions  int                `hf:"max_position_embeddings" gguf:".context_length" default:"512" dim:"positions" max:"positions"`
	TypeVocabSize int                `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"0" min:"0" dim:"types" max:"vocab"`
	Eps           float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-7" min:"1e-30" max:"1"`
	HiddenAct     kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"gelu"`
	EmbeddingSize int                `hf:"embedding_size" gguf:".embedding_length_in" default:"preset" ggufdefault:"preset" dim:"embedding"`
	HeadSize      int                `hf:"attention_head_size" gguf:".attention.key_length" default:"preset" ggufdefault:"preset"`
	Placed        bool               `hf:"position_biased_input" gguf:".position_embedding" default:"true" dim:"placed"`

	ConvKernelSize int                `hf:"conv_kernel_size" gguf:".convolution.kernel_size" default:"0" min:"0" max:"256" dim:"taps"`
	ConvGroups     int                `hf:"conv_groups" gguf:".convolution.groups" default:"1"`
	ConvAct        kernels.Activation `hf:"conv_act" gguf:".convolution.activation" default:"tanh"`
	PoolerSize     int                `hf:"pooler_hidden_size" gguf:".classifier.embedding_length" default:"preset" ggufdefault:"preset"`
	PoolerAct      kernels.Activation `hf:"pooler_hidden_act" gguf:".classifier.hidden_activation" default:"gelu"`

	Relative      bool     `hf:"relative_attention" gguf:".attention.relative" default:"false"`
	MaxRelative   int      `hf:"max_relative_positions" gguf:".attention.relative_max_distance" default:"-1" min:"-1" max:"268435456"`
	BucketCount   int      `hf:"position_buckets" gguf:".attention.relative_buckets_count" default:"-1" min:"-1" max:"268435456"`
	ShareKeys     bool     `hf:"share_att_key" gguf:".attention.relative_shared" default:"false"`
	NormBuckets   string   `hf:"norm_rel_ebd" gguf:".attention.relative_norm" default:"none"`
	RelativeTerms []string `hf:"pos_att_type" gguf:".attention.relative_terms" default:""`

	// The first version has one matrix of queries, keys and values, head by head
	// (Together is the number of heads), and separate biases of queries and values.
	Together int `dim:"together"`
	Apart    int `dim:"apart"` // 1 in later versions

	Projected     bool `dim:"projected"`
	BucketRows    int  `dim:"buckets"`
	BucketsNormed bool `dim:"bucketsnorm"`
	BucketKeys    bool `dim:"bucketkeys"`
	BucketQueries bool `dim:"bucketqueries"`
	SharedKeys    bool `dim:"sharedkeys"`
	SharedQueries bool `dim:"sharedqueries"`
}

// The settings named in errors.
var (
	keyBuckets = checkpoint.Key{HF: "position_buckets", GGUF: ".attention.relative_buckets_count"}
	keyTaps    = checkpoint.Key{HF: "conv_kernel_size", GGUF: ".convolution.kernel_size"}
)

// maxSequence bounds the tokens of a sequence, far above every published model.
const maxSequence = 1 << 16

func newDeBERTa(f *checkpoint.File, task Task) *Network {
	m := new(deberta)
	m.settings.Spec = Spec{HiddenSize: 1536, IntermediateSize: 6144, Layers: 24, Heads: 24, VocabSize: 128100}
	m.settings.read(f)
	m.settings.Apart = 1
	return m.build(f, task)
}

// read reads all settings. The spec holds the class's default sizes.
func (s *debertaSettings) read(f *checkpoint.File) {
	f.Read(&s.Spec)
	s.EmbeddingSize, s.HeadSize, s.PoolerSize = s.HiddenSize, s.headDim(f), s.HiddenSize
	f.Read(s)
}

// build makes the network from the settings.
func (m *deberta) build(f *checkpoint.File, task Task) *Network {
	s := &m.settings
	dim := s.HiddenSize / s.Heads
	for _, same := range []struct {
		hf, gguf  string
		got, want int
	}{{"attention_head_size", ".attention.key_length", s.HeadSize, dim}, {"pooler_hidden_size", ".classifier.embedding_length", s.PoolerSize, s.HiddenSize}} {
		if same.got != same.want {
			f.Fail(checkpoint.Key{HF: same.hf, GGUF: same.gguf}, strconv.Itoa(same.got), strconv.Itoa(same.want))
		}
	}
	if s.ConvKernelSize > 0 && s.ConvKernelSize%2 == 0 {
		f.Fail(keyTaps, strconv.Itoa(s.ConvKernelSize), "an odd number")
	}
	if s.ConvKernelSize > 0 && s.ConvGroups > 1 {
		f.Unsupported(fmt.Sprintf("a convolution in %d groups (conv_groups)", s.ConvGroups), "")
	}
	s.Projected = s.EmbeddingSize != s.HiddenSize
	// Without types, BERT's two from the tokenizer make no difference.
	types, oneType := max(s.TypeVocabSize, 2), false
	if s.TypeVocabSize == 1 {
		types, oneType = 1, true
	}
	length := min(s.MaxPositions, maxSequence)
	buckets := m.relative(f, length)

	m.Layers = make([]debertaLayer, s.Layers)
	for i := range m.Layers {
		m.Layers[i].activation = s.HiddenAct
		m.Layers[i].DisentangledAttention = compute.DisentangledAttention{HeadDim: dim, Heads: make([]kernels.Disentangled, s.Heads)}
	}
	m.stack = compute.Stack(m.Layers)
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: length, TokenTypes: types, OneType: oneType, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Prefixes: []string{"deberta."}, Eps: s.Eps, Ignore: func(name string) bool {
			return !s.Placed && strings.HasSuffix(name, "embeddings.position_embeddings.weight")
		}},
		Prepare: func(r *compute.Runner) (int64, error) { return m.projectBuckets(f, r, buckets) },
	}
	if task == Classify {
		n.Classifier = &debertaClassifier{settings: s}
	}
	return n
}
