package engine

import "github.com/winnow-rerank/winnow/kernels"

// XLM-RoBERTa (Conneau et al. 2019) and RoBERTa, as transformers'
// XLMRobertaForSequenceClassification: BERT's trunk, with positions that count
// from the padding id + 1, one token type, and the head
//
//	logits = out·tanh(dense·x[first token])
type xlmr struct {
	bertTrunk
	Dense *Linear `st:"classifier.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   *Linear `st:"classifier.out_proj" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func newXLMR(f *file) (network, error) {
	if f.headless() {
		return newXLMREmbedder(f)
	}
	m := new(xlmr)
	m.configure(f)
	f.prefix = "roberta."
	f.oneType = true
	f.maxLength = m.place(f)
	f.classifier("cls.output.weight")
	if err := f.load(m, "XLM-RoBERTa"); err != nil {
		return nil, err
	}
	f.head = "first token → dense → tanh → classifier"
	return m, nil
}

// place sets up the positions and tells how many tokens they are enough for.
func (m *bertTrunk) place(f *file) int {
	pad := f.settings.countOr(keyPad, 0, maxVocab, 1)
	rows := f.dims["positions"]
	if f.gguf {
		// llama.cpp's converter cuts the rows up to the padding id's off.
		m.positions = positions{skip: true, pad: int32(pad), padRow: -1}
		return rows
	}
	m.positions = positions{first: int32(pad) + 1, skip: true, pad: int32(pad), padRow: int32(pad)}
	if rows <= pad+1 {
		f.settings.fail(keyPositions, f.settings.describe(keyPositions), "more than the padding id + 1, with which positions begin")
	}
	return rows - pad - 1
}

func (m *xlmr) logits(c *Compute) Matrix {
	x := m.states(c, firstRows)
	return c.Linear(m.Out, c.Linear(m.Dense, x, kernels.Tanh), kernels.Identity)
}
