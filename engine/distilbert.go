package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/kernels"
)

// DistilBERT (Sanh et al. 2019), as transformers'
// DistilBertForSequenceClassification: BERT's trunk without token types, and the
// head
//
//	logits = classifier·relu(dense·x[first token])
type distilBERT struct {
	bertTrunk
	Dense *Linear `st:"pre_classifier" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   *Linear `st:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

// distilEps is the epsilon of all its norms, which config.json does not have.
const distilEps = 1e-12

// The settings of DistilBERT that have names of their own.
var (
	keyDistilHidden       = key{"dim", keyHidden.gguf}
	keyDistilLayers       = key{"n_layers", keyLayers.gguf}
	keyDistilHeads        = key{"n_heads", keyHeads.gguf}
	keyDistilIntermediate = key{"hidden_dim", keyIntermediate.gguf}
	keyDistilActivation   = key{"activation", keyActivation.gguf}
)

func newDistilBERT(f *file) (network, error) {
	m := new(distilBERT)
	m.configureDistil(f)
	f.classifier("cls.output.weight")
	if err := f.load(m, "DistilBERT"); err != nil {
		return nil, err
	}
	f.head = "first token → dense → relu → classifier"
	return m, nil
}

// newDistilEmbedder is a DistilBERT without a head.
func newDistilEmbedder(f *file) (network, error) {
	m := new(bertEmbedder)
	m.configureDistil(f)
	return m, f.embedder(m, "DistilBERT")
}

// configureDistil is configure for DistilBERT's settings.
func (m *bertTrunk) configureDistil(f *file) {
	s := &f.settings
	m.heads = s.count(keyDistilHeads, 1, maxHeads)
	f.heads = m.heads
	m.activation = s.activation(keyDistilActivation, "gelu")
	f.eps = distilEps
	s.note(keyEps, float32(distilEps))
	hidden := s.count(keyDistilHidden, 1, maxWidth)
	f.dims = map[string]int{
		"hidden":       hidden,
		"embedding":    hidden,
		"intermediate": s.count(keyDistilIntermediate, 1, maxWidth),
		"layers":       f.layers(keyDistilLayers),
		"positions":    s.count(keyPositions, 1, maxPositions),
		"vocab":        f.vocabulary(keyVocab),
	}
	if hidden%m.heads != 0 {
		s.fail(keyDistilHeads, fmt.Sprint(m.heads), fmt.Sprintf("a divisor of the width %d", hidden))
	}
	f.prefix = "distilbert."
	f.oneType = true
	f.maxLength = f.dims["positions"]
}

func (m *distilBERT) logits(c *Compute) Matrix {
	x := m.states(c, firstRows)
	return c.Linear(m.Out, c.Linear(m.Dense, x, kernels.ReLU), kernels.Identity)
}
