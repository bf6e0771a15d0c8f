package family

import (
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

func init() {
	register(&Family{
		Name: "DeBERTa", ModelTypes: []string{"deberta"}, GGUF: []string{"deberta"},
		EightBits: checkpoint.Int8A16,
		Classes:   map[string]Task{"DebertaForSequenceClassification": Classify, "DebertaModel": Embed, "DebertaForMaskedLM": Embed},
		New:       newDeBERTaV1,
	})
}

// debertaV1 is the first version of DeBERTa (He et al. 2020), as transformers'
// DebertaForSequenceClassification: deberta.go without the convolution, with a bucket
// per distance and other tensor names. Keys have no bias.
type debertaV1 struct{ deberta }

// Loaded joins the biases of queries and values.
func (m *debertaV1) Loaded() error {
	for i := range m.Layers {
		l := &m.Layers[i]
		l.QKV.Bias = slices.Concat(l.QBias, make([]float32, len(l.QBias)), l.VBias)
	}
	return nil
}

func newDeBERTaV1(f *checkpoint.File, task Task) *Network {
	m := new(debertaV1)
	s := &m.settings
	s.Spec = bertSpec(50265)
	s.read(f)
	s.Together = s.Heads
	// Not in this class.
	s.BucketCount, s.ConvKernelSize, s.ShareKeys, s.NormBuckets = -1, 0, false, "none"
	if f.Bool(checkpoint.Key{HF: "talking_head"}, false) {
		f.Unsupported("DeBERTa with talking_head", "")
	}
	n := m.build(f, task)
	n.Trunk = m
	return n
}
