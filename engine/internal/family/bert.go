package family

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "BERT", ModelTypes: []string{"bert"}, GGUF: []string{"bert", "bert/bert"},
		Classes: map[string]Task{"BertForSequenceClassification": Classify, "BertModel": Embed, "BertForMaskedLM": Embed, "HF_ColBERT": Embed},
		New:     newBERT,
	})
}

// BERT (Devlin et al. 2018), as transformers' BertForSequenceClassification:
//
//	x = LN(word[id] + position[i] + type[t])
//	for each layer:
//		x = LN(x + Out·attention(QKV·x))
//		x = LN(x + Down·act(Up·x))
//	logits = classifier·tanh(pooler·x[first token])
//
// The trunk is shared by RoBERTa, ELECTRA, DistilBERT, ERNIE and MPNet, the layer by
// ALBERT. In safetensors files, the second tensor names are those of flash-attention
// checkpoints (jina-reranker-v2), the third DistilBERT's, the fourth MPNet's and the
// last ALBERT's.
type bert struct {
	bertEmbeddings
	Project *compute.Linear `hf:"embeddings_project" gguf:"token_embd_proj" shape:"hidden embedding" keep:"exact" if:"projected"` // ELECTRA's
	Layers  []bertLayer     `hf:"encoder.layer.%d.,encoder.layers.%d.,transformer.layer.%d." gguf:"blk.%d." each:"layers"`

	stack []compute.Layer
}

type bertEmbeddings struct {
	Words     compute.Embedding  `hf:"embeddings.word_embeddings" gguf:"token_embd" shape:"vocab embedding"`
	Positions compute.Embedding  `hf:"embeddings.position_embeddings" gguf:"position_embd" shape:"positions embedding"`
	Types     *compute.Embedding `hf:"embeddings.token_type_embeddings" gguf:"token_types" shape:"types embedding" if:"types"`
	Norm      compute.Norm       `hf:"embeddings.LayerNorm,emb_ln" gguf:"token_embd_norm" shape:"embedding"`

	positions positions
}

type bertLayer struct {
	compute.Attention
	QKV     compute.Linear `hf:"attention.self.query attention.self.key attention.self.value,mixer.Wqkv,attention.q_lin attention.k_lin attention.v_lin,attention.attn.q attention.attn.k attention.attn.v,attention.query attention.key attention.value" gguf:"attn_q attn_k attn_v,attn_qkv" shape:"hidden hidden"`
	Out     compute.Linear `hf:"attention.output.dense,mixer.out_proj,attention.out_lin,attention.attn.o,attention.dense" gguf:"attn_output" shape:"hidden hidden"`
	OutNorm compute.Norm   `hf:"attention.output.LayerNorm,norm1,sa_layer_norm,attention.LayerNorm" gguf:"attn_output_norm" shape:"hidden"`

	Up       compute.Linear `hf:"intermediate.dense,mlp.fc1,ffn.lin1,ffn" gguf:"ffn_up" shape:"intermediate hidden"`
	Down     compute.Linear `hf:"output.dense,mlp.fc2,ffn.lin2,ffn_output" gguf:"ffn_down" shape:"hidden intermediate"`
	DownNorm compute.Norm   `hf:"output.LayerNorm,norm2,output_layer_norm,full_layer_layer_norm" gguf:"layer_output_norm" shape:"hidden"`

	activation kernels.Activation
}

func (m *bert) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	return m.encode(c, m.embed(c), want)
}

// embed is the sum of the embeddings, before the norm.
func (m *bertEmbeddings) embed(c *compute.Context) compute.Matrix {
	x := c.Embed(&m.Words, c.Batch.IDs)
	c.AddEmbedding(x, &m.Positions, m.positions.rows(c))
	if m.Types != nil {
		c.AddEmbedding(x, m.Types, c.Batch.Types)
	}
	return x
}

// encode is everything after the embeddings.
func (m *bert) encode(c *compute.Context, x compute.Matrix, want compute.Want) compute.Matrix {
	c.Norm(x, &m.Norm)
	if m.Project != nil {
		x = c.Linear(m.Project, x, kernels.Identity)
	}
	return c.Layers(x, m.stack, want)
}

func newBERTLayer(heads, headDim int, activation kernels.Activation) bertLayer {
	return bertLayer{Attention: compute.NewAttention(heads, headDim, compute.AttentionMask{}), activation: activation}
}

func (l *bertLayer) Project(c *compute.Context, x compute.Matrix, to compute.QKV) {
	c.Project(to, &l.QKV, x)
}

func (l *bertLayer) Finish(c *compute.Context, x, a compute.Matrix) {
	c.AddLinear(x, &l.Out, a)
	c.Norm(x, &l.OutNorm)
	c.AddFeedForward(x, x, &l.Up, l.activation, &l.Down)
	c.Norm(x, &l.DownNorm)
}

// positions assigns rows of the position embeddings to tokens: row first to the first
// token and so on. If skip is set, tokens with the id pad do not count; they get padRow
// or, if that is negative, no row.
type positions struct {
	first       int32
	skip        bool
	pad, padRow int32
}

func (p *positions) rows(c *compute.Context) []int32 {
	b := &c.Batch
	if !p.skip {
		return b.Positions
	}
	b.PositionRows = b.PositionRows[:0]
	for s := range b.Sequences() {
		next := p.first
		for _, id := range b.IDs[b.Offsets[s]:b.Offsets[s+1]] {
			if id == p.pad {
				b.PositionRows = append(b.PositionRows, p.padRow)
				continue
			}
			b.PositionRows = append(b.PositionRows, next)
			next++
		}
	}
	return b.PositionRows
}

// bertSettings are BERT's settings and, with other defaults, those of related families.
type bertSettings struct {
	Spec
	MaxPositions  int                `hf:"max_position_embeddings" gguf:".context_length" default:"512" dim:"positions" max:"positions"`
	TypeVocabSize int                `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"2" min:"0" max:"vocab" dim:"types"`
	Eps           float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	HiddenAct     kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"gelu"`
	PositionKind  string             `hf:"position_embedding_type" gguf:"-" default:"absolute"`
	// A decoder's layers use causal attention.
	IsDecoder bool `hf:"is_decoder" gguf:".attention.causal" default:"false"`
	encoder   bool // the class does not read is_decoder
	// DistilBERT's class has another name for the activation, and a fixed epsilon.
	distilled bool

	EmbeddingSize int  `dim:"embedding"`
	Projected     bool `dim:"projected"`
}

const distilledEps = 1e-12

// bertSpec is the sizes in the class's default configuration, which RoBERTa shares
// except for the vocabulary.
func bertSpec(vocab int) Spec {
	return Spec{HiddenSize: 768, IntermediateSize: 3072, Layers: 12, Heads: 12, VocabSize: vocab}
}

// read reads settings, which is s or a related family's struct that begins with s.
func (s *bertSettings) read(f *checkpoint.File, settings any) {
	f.Read(settings)
	s.IsDecoder = s.IsDecoder && !s.encoder && (f.IsGGUF() || f.Bool(checkpoint.Key{HF: "is_causal"}, true))
	if s.distilled && !f.IsGGUF() {
		s.HiddenAct, s.Eps = f.Activation(checkpoint.Key{HF: "activation"}, kernels.GELU), distilledEps
	}
}

// configure reads the settings of the trunk.
func (m *bert) configure(f *checkpoint.File, s *bertSettings) *Network {
	f.Read(&s.Spec)
	s.read(f, s)
	if s.PositionKind != "absolute" {
		f.Unsupported(fmt.Sprintf("position_embedding_type %q", s.PositionKind), "")
	}
	s.EmbeddingSize = s.HiddenSize
	dim := s.headDim(f)
	m.Layers = make([]bertLayer, s.Layers)
	for i := range m.Layers {
		m.Layers[i] = newBERTLayer(s.Heads, dim, s.HiddenAct)
		m.Layers[i].Mask.Causal = s.IsDecoder
	}
	m.stack = compute.Stack(m.Layers)
	return &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, TokenTypes: s.TypeVocabSize, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Prefixes: []string{"bert."}, Eps: s.Eps}}
}

// bertClassifier is BERT's head.
type bertClassifier struct {
	Pooler     compute.Linear `hf:"pooler.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *bertClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Classifier, c.Linear(&h.Pooler, x, kernels.Tanh), kernels.Identity)
}

func (h *bertClassifier) String() string { return "pooler → tanh → classifier" }

func newBERT(f *checkpoint.File, task Task) *Network {
	if lacksTypes(f) {
		return newDistilBERT(f, task)
	}
	m, s := new(bert), &bertSettings{Spec: bertSpec(30522)}
	n := m.configure(f, s)
	if task == Classify {
		n.Classifier = new(bertClassifier)
		checkPooler(f)
	}
	return n
}

// lacksTypes reports whether a GGUF file has no token types: llama.cpp's converter calls
// DistilBERT a BERT.
func lacksTypes(f *checkpoint.File) bool {
	_, ok := f.Tensor("token_types.weight")
	return f.IsGGUF() && !ok
}

// checkPooler refuses GGUF files of BERT rerankers without the pooler: llama.cpp's
// converter drops it, and without it no score is right.
func checkPooler(f *checkpoint.File) {
	if !f.IsGGUF() {
		return
	}
	dense, hasDense := f.Tensor("cls.weight")
	_, hasOut := f.Tensor("cls.output.weight")
	if hasDense && hasOut {
		return
	}
	what := "a BERT classifier without its pooler (cls.output but no cls)"
	if !hasOut {
		what = fmt.Sprintf("a BERT classifier without its pooler (cls of shape %v but no cls.output)", dense.Shape)
	}
	f.Unsupported(what, "llama.cpp's converter drops bert.pooler, without which scores are wrong; "+
		"make the file from the original model: winnow convert MODEL_DIRECTORY "+strings.TrimSuffix(filepath.Base(f.Path), ".gguf")+"-winnow.gguf")
}
