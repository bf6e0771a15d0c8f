package family

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "ELECTRA", ModelTypes: []string{"electra"}, GGUF: []string{"electra"},
		Classes: map[string]Task{"ElectraForSequenceClassification": Classify, "ElectraModel": Embed},
		New:     newELECTRA,
	})
}

// ELECTRA (Clark et al. 2020), as transformers' ElectraForSequenceClassification:
// BERT's trunk, with embeddings that are projected if of another width, and the head
//
//	logits = out·gelu(dense·x[first token])
type electraClassifier struct {
	Dense compute.Linear `hf:"classifier.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   compute.Linear `hf:"classifier.out_proj" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *electraClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Out, c.Linear(&h.Dense, x, kernels.GELU), kernels.Identity)
}

func (h *electraClassifier) String() string { return "dense → gelu → classifier" }

type electraSettings struct {
	bertSettings
	EmbeddingSize int `hf:"embedding_size" gguf:".embedding_length_input" default:"preset" ggufdefault:"preset"`
}

func newELECTRA(f *checkpoint.File, task Task) *Network {
	m, s := new(bert), &electraSettings{}
	s.Spec = Spec{HiddenSize: 256, IntermediateSize: 1024, Layers: 12, Heads: 4, VocabSize: 30522}
	n := m.configure(f, &s.bertSettings)
	s.EmbeddingSize = 128
	if f.IsGGUF() {
		s.EmbeddingSize = s.HiddenSize
	}
	s.read(f, s)
	s.bertSettings.EmbeddingSize = s.EmbeddingSize
	s.Projected = s.EmbeddingSize != s.HiddenSize
	n.Settings = s
	n.Load.Prefixes = []string{"electra."}
	if task == Classify {
		n.Classifier = new(electraClassifier)
	} else if !s.Projected {
		n.GGUF = "bert" // then identical
	}
	return n
}
