package engine

import "github.com/winnow-rerank/winnow/kernels"

// ELECTRA (Clark et al. 2020), as transformers' ElectraForSequenceClassification:
// BERT's trunk, whose embeddings may be of another width and are then projected,
// and the head
//
//	logits = out·gelu(dense·x[first token])
type electra struct {
	bertTrunk
	Dense *Linear `st:"classifier.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   *Linear `st:"classifier.out_proj" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func newELECTRA(f *file) (network, error) {
	if f.headless() {
		return newELECTRAEmbedder(f)
	}
	m := new(electra)
	m.configureELECTRA(f)
	f.classifier("cls.output.weight")
	if err := f.load(m, "ELECTRA"); err != nil {
		return nil, err
	}
	f.head = "first token → dense → gelu → classifier"
	return m, nil
}

// configureELECTRA is configure, and reads the width of the embeddings.
func (m *bertTrunk) configureELECTRA(f *file) {
	m.configure(f)
	f.prefix = "electra."
	f.maxLength = f.dims["positions"]
	width := f.settings.countOr(keyEmbeddingSize, 1, maxWidth, f.dims["hidden"])
	f.dims["embedding"] = width
	if width != f.dims["hidden"] {
		f.dims["projected"] = 1
	}
}

func (m *electra) logits(c *Compute) Matrix {
	x := m.states(c, firstRows)
	return c.Linear(m.Out, c.Linear(m.Dense, x, kernels.GELU), kernels.Identity)
}
