package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "static embeddings", ModelTypes: []string{"model2vec"}, GGUF: []string{"static"},
		Classes: map[string]Task{"StaticModel": Embed, "StaticEmbedding": Embed},
		New:     newStatic,
	})
}

// Static embeddings are a vector per token, regardless of context. The vector of a text
// is their mean,
//
//	x = mean(weight[id]·word[mapping[id]]),
//
// without weights and mapping where a model has none, and 0 for a text without tokens.
//
// model2vec (Tulkens and van Dongen 2024; the potion models) drops unknown tokens.
// sentence-transformers' StaticEmbedding, which has no weights, has a vector for these
// too, and accepts texts of any length.
type static struct {
	Words   compute.Embedding `hf:"embedding" gguf:"token_embd" shape:"rows hidden"`
	Weights []float32         `hf:"weights" shape:"vocab" if:"weights"`

	mapping []int32 // rows of tokens; nil: identity
}

func (m *static) Hidden(c *compute.Context, _ compute.Want) compute.Matrix {
	b := &c.Batch
	x, row := c.New(b.Sequences(), m.Words.Cols), c.New(1, m.Words.Cols)
	for s := range x.Rows {
		sum := x.Slice(s, s+1)
		clear(sum.Row(0))
		first, last := b.Range(s)
		for _, id := range b.IDs[first:last] {
			m.vector(row, id)
			kernels.Add(sum, sum, row)
		}
		if last > first {
			kernels.Scale(sum, 1/float32(last-first))
		}
	}
	return x
}

// vector sets row to the weighted vector of a token.
func (m *static) vector(row compute.Matrix, id int32) {
	at := id
	if m.mapping != nil {
		at = m.mapping[id]
	}
	m.Words.Row(row.Row(0), at)
	if m.Weights != nil {
		kernels.Scale(row, m.Weights[id])
	}
}

// tokenStates is Network.TokenStates: the vectors whose mean Hidden returns.
func (m *static) tokenStates(c *compute.Context) compute.Matrix {
	x := c.New(len(c.Batch.IDs), m.Words.Cols)
	for i, id := range c.Batch.IDs {
		m.vector(x.Slice(i, i+1), id)
	}
	return x
}

type staticSettings struct {
	HiddenSize   int  `gguf:".embedding_length" dim:"hidden"`
	MaxLength    int  `hf:"max_length" gguf:".context_length" default:"512" null:"1048576" max:"positions"`
	DropsUnknown bool `gguf:".drops_unknown" default:"false"`

	Rows    int  `dim:"rows"`
	Vocab   int  `dim:"vocab"`
	Weights bool `dim:"weights"`
}

// staticLength stands for an unlimited text length.
const staticLength = 1 << 20

func newStatic(f *checkpoint.File, _ Task) *Network {
	m, s := new(static), new(staticSettings)
	if !f.IsGGUF() {
		f.AliasTensor("embeddings", "embedding.weight") // model2vec's name
	}
	name := map[bool]string{false: "embedding.weight", true: "token_embd.weight"}[f.IsGGUF()]
	t, _ := f.Tensor(name)
	if len(t.Shape) != 2 || t.Shape[0] > checkpoint.MaxVocab || t.Shape[0] == 0 || t.Shape[1] > checkpoint.MaxWidth || t.Shape[1] == 0 {
		f.FailTensor(name, fmt.Sprintf("shape %v", t.Shape), "a vector for each token")
		return &Network{Trunk: m, Spec: new(Spec), Settings: s}
	}
	s.Rows, s.HiddenSize = t.Shape[0], t.Shape[1]
	s.Vocab = s.Rows
	f.Read(s)
	_, own := f.Tensor("embeddings")
	switch {
	case f.IsGGUF():
	case own:
		s.DropsUnknown = true
	default:
		s.MaxLength = staticLength
	}
	_, s.Weights = f.Tensor("weights")
	if _, mapped := f.Tensor("mapping"); mapped {
		mapping, err := f.Indices("mapping", s.Rows)
		f.FailWith(err)
		m.mapping, s.Vocab = mapping, len(mapping)
	}
	n := &Network{Trunk: m, TokenStates: m.tokenStates, Spec: &Spec{HiddenSize: s.HiddenSize, VocabSize: s.Vocab}, Settings: s, MaxLength: s.MaxLength,
		TokenTypes: 1, OneType: true, Bag: true, DropsUnknown: s.DropsUnknown,
		Load: checkpoint.LoadOptions{Ignore: func(name string) bool { return name == "mapping" }}}
	n.Export = func(e *checkpoint.Export) error {
		if m.mapping == nil && m.Weights == nil {
			return nil
		}
		x := make([]float32, s.Vocab*s.HiddenSize)
		for id := range s.Vocab {
			row, at := x[id*s.HiddenSize:][:s.HiddenSize], int32(id)
			if m.mapping != nil {
				at = m.mapping[id]
			}
			m.Words.Row(row, at)
			if m.Weights != nil {
				for i := range row {
					row[i] *= m.Weights[id]
				}
			}
		}
		e.Add("token_embd.weight", []int{s.Vocab, s.HiddenSize}, x)
		return nil
	}
	return n
}
