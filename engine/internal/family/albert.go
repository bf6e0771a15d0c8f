package family

import (
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "ALBERT", ModelTypes: []string{"albert"}, GGUF: []string{"albert"},
		Classes: map[string]Task{"AlbertForSequenceClassification": Classify, "AlbertModel": Embed, "AlbertForMaskedLM": Embed},
		New:     newALBERT,
	})
}

// ALBERT (Lan et al. 2019), as transformers' AlbertForSequenceClassification: BERT with
// narrower embeddings, which are projected, and layers that share weights:
//
//	x = project·LN(word[id] + position[i] + type[t])
//	for each layer, the layers of its group in turn:
//		x = LN(x + Out·attention(QKV·x))
//		x = LN(x + Down·act(Up·x))
//	logits = classifier·tanh(pooler·x[first token])
type albert struct {
	bertEmbeddings
	Project compute.Linear `hf:"encoder.embedding_hidden_mapping_in" gguf:"token_embd_proj" shape:"hidden embedding" keep:"exact"`
	Groups  []albertGroup  `hf:"encoder.albert_layer_groups.%d." gguf:"group.%d." each:"groups"`

	stack []compute.Layer
}

type albertGroup struct {
	Layers []bertLayer `hf:"albert_layers.%d." gguf:"blk.%d." each:"inner"`
}

func (m *albert) Hidden(c *compute.Context, want compute.Want) compute.Matrix {
	x := m.embed(c)
	c.Norm(x, &m.Norm)
	return c.Layers(c.Linear(&m.Project, x, kernels.Identity), m.stack, want)
}

// albertClassifier is ALBERT's head.
type albertClassifier struct {
	Pooler     compute.Linear `hf:"pooler" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *albertClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Classifier, c.Linear(&h.Pooler, x, kernels.Tanh), kernels.Identity)
}

func (h *albertClassifier) String() string { return "pooler → tanh → classifier" }

type albertSettings struct {
	Spec
	MaxPositions  int                `hf:"max_position_embeddings" gguf:".context_length" default:"512" dim:"positions" max:"positions"`
	TypeVocabSize int                `hf:"type_vocab_size" gguf:"tokenizer.ggml.token_type_count" default:"2" max:"vocab" dim:"types"`
	Eps           float32            `hf:"layer_norm_eps" gguf:".attention.layer_norm_epsilon" default:"1e-12" min:"1e-30" max:"1"`
	HiddenAct     kernels.Activation `hf:"hidden_act" gguf:".hidden_activation" default:"gelu_new"`
	EmbeddingSize int                `hf:"embedding_size" gguf:".embedding_length_input" default:"128" dim:"embedding"`
	Groups        int                `hf:"num_hidden_groups" gguf:".group_count" default:"1" max:"64" dim:"groups"`
	Inner         int                `hf:"inner_group_num" gguf:".group_block_count" default:"1" max:"64" dim:"inner"`
}

func newALBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(albert), new(albertSettings)
	s.Spec = Spec{HiddenSize: 4096, IntermediateSize: 16384, Layers: 12, Heads: 64, VocabSize: 30000}
	f.Read(&s.Spec)
	f.Read(s)
	dim := s.headDim(f)
	m.Groups = make([]albertGroup, s.Groups)
	for g := range m.Groups {
		m.Groups[g].Layers = slices.Repeat([]bertLayer{newBERTLayer(s.Heads, dim, s.HiddenAct)}, s.Inner)
	}
	for i := range s.Layers {
		group := int(float64(i) / (float64(s.Layers) / float64(s.Groups))) // as transformers rounds it
		m.stack = append(m.stack, compute.Stack(m.Groups[group].Layers)...)
	}
	n := &Network{Trunk: m, Spec: &s.Spec, Settings: s, MaxLength: s.MaxPositions, TokenTypes: s.TypeVocabSize, Pooling: compute.PoolFirst,
		Load: checkpoint.LoadOptions{Prefixes: []string{"albert."}, Eps: s.Eps}}
	if task == Classify {
		n.Classifier = new(albertClassifier)
	}
	return n
}
