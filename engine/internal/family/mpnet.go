package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

func init() {
	register(&Family{
		Name: "MPNet", ModelTypes: []string{"mpnet"}, GGUF: []string{"mpnet"},
		Classes: map[string]Task{"MPNetForSequenceClassification": Classify, "MPNetModel": Embed, "MPNetForMaskedLM": Embed},
		New:     newMPNet,
	})
}

// MPNet (Song et al. 2020), as transformers' MPNetForSequenceClassification: BERT's
// trunk without token types, with positions counted from 2, and with a relative
// position bias per head, shared by all layers, added to attention scores; and
// RoBERTa's head.
type mpnet struct {
	bert
	Buckets compute.Embedding `hf:"encoder.relative_attention_bias" gguf:"attn_rel_b" shape:"buckets heads"`
}

type mpnetSettings struct {
	xlmrSettings
	Buckets int `hf:"relative_attention_num_buckets" gguf:".attention.relative_buckets_count" default:"32" min:"32" dim:"buckets"`
}

// The class uses these bucket parameters and this padding id regardless of the
// configuration.
const (
	mpnetBuckets     = 32
	mpnetMaxDistance = 128
	mpnetPad         = 1
)

func newMPNet(f *checkpoint.File, task Task) *Network {
	m, s := new(mpnet), &mpnetSettings{xlmrSettings: xlmrSettings{bertSettings: bertSettings{Spec: bertSpec(30527), encoder: true}}}
	n := m.configure(f, &s.bertSettings)
	s.read(f, s)
	s.EmbeddingSize, s.TypeVocabSize, s.PadTokenID = s.HiddenSize, 0, mpnetPad
	n.Trunk, n.Settings, n.TokenTypes, n.OneType = m, s, 1, true
	n.Load.Prefixes = []string{"mpnet."}
	n.MaxLength = m.setPositions(f, &s.xlmrSettings)
	n.Prepare = func(*compute.Runner) (int64, error) { return 0, m.addBias(f) }
	n.Export = func(e *checkpoint.Export) error {
		cutPositions(e, &m.bert, &s.xlmrSettings)
		return nil
	}
	if task == Classify {
		n.Classifier = new(xlmrClassifier)
	}
	return n
}

// addBias sets the bias in all layers.
func (m *mpnet) addBias(f *checkpoint.File) error {
	values, err := f.Whole(&m.Buckets)
	if err != nil {
		return fmt.Errorf("%s: the relative-position biases: %w", f.Path, err)
	}
	bias := compute.NewRelativeBias(values, func(distance int) int {
		return compute.RelativeBucket(distance, mpnetBuckets, mpnetMaxDistance, true)
	})
	for i := range m.Layers {
		m.Layers[i].Mask.Bias = bias
	}
	return nil
}
