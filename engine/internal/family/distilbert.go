package family

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "DistilBERT", ModelTypes: []string{"distilbert"}, GGUF: []string{"distilbert"},
		Classes: map[string]Task{"DistilBertForSequenceClassification": Classify, "DistilBertModel": Embed, "DistilBertForMaskedLM": Embed},
		New:     newDistilBERT,
	})
}

// DistilBERT (Sanh et al. 2019), as transformers' DistilBertForSequenceClassification:
// BERT's trunk without token types, and the head
//
//	logits = classifier·relu(dense·x[first token])
type distilClassifier struct {
	Dense compute.Linear `hf:"pre_classifier" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *distilClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Out, c.Linear(&h.Dense, x, kernels.ReLU), kernels.Identity)
}

func (h *distilClassifier) String() string { return "dense → relu → classifier" }

func newDistilBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(bert), &bertSettings{Spec: bertSpec(30522), encoder: true, distilled: true}
	s.Layers = 6
	n := m.configure(f, s)
	s.TypeVocabSize, n.TokenTypes, n.OneType = 0, 1, true
	n.Load.Prefixes = []string{"distilbert."}
	n.Export = func(e *checkpoint.Export) error {
		e.Set("tokenizer.ggml.token_type_count", nil)
		return nil
	}
	if task == Classify {
		n.Classifier = new(distilClassifier)
	} else {
		n.GGUF = "bert" // llama.cpp's name of the trunk
		n.Export = func(e *checkpoint.Export) error {
			e.Set("tokenizer.ggml.token_type_count", uint32(1)) // required by llama.cpp
			return nil
		}
	}
	return n
}
