package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "EuroBERT", ModelTypes: []string{"eurobert"}, GGUF: []string{"eurobert"},
		Classes: map[string]Task{"EuroBertForSequenceClassification": Classify, "EuroBertModel": Embed, "EuroBertForMaskedLM": Embed},
		New:     newEuroBERT,
	})
}

// EuroBERT (Boizard et al. 2025), as transformers' EuroBertForSequenceClassification:
// the trunk of decoder.go without head norms and post norms, with bidirectional
// attention, and the head
//
//	logits = classifier·gelu(dense·pool(x))
//
// pool takes the first token or the mean of all; "late" pooling takes the mean of the
// tokens' logits instead.
type euroClassifier struct {
	Dense      compute.Linear `hf:"dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Classifier compute.Linear `hf:"classifier" gguf:"cls.output" shape:"labels hidden" keep:"exact"`

	late bool
}

func (h *euroClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	y := c.Linear(&h.Classifier, c.Linear(&h.Dense, x, kernels.GELU), kernels.Identity)
	if h.late {
		return c.Pool(y, compute.PoolMean)
	}
	return y
}

func (h *euroClassifier) String() string {
	if h.late {
		return "dense → gelu → classifier → mean of all tokens"
	}
	return "dense → gelu → classifier"
}

type euroSettings struct {
	decoderSettings
	Pooling string `hf:"classifier_pooling clf_pooling" gguf:".classifier.pooling" default:"late"`
}

var keyEuroPooling = checkpoint.Key{HF: "classifier_pooling clf_pooling", GGUF: ".classifier.pooling"}

func newEuroBERT(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(euroSettings)
	s.read(f, decoderDefaults{spec: Spec{HiddenSize: 768, IntermediateSize: 3072, Layers: 12, Heads: 12, VocabSize: 128256}, positions: 8192, activation: kernels.SiLU, eps: 1e-5})
	f.Read(s)
	s.IsCausal = false
	n := m.network(f, &s.decoderSettings, s, task)
	for i := range m.Layers {
		m.Layers[i].Coarse = true
	}
	n.Decoder, n.Pooling = Decoder{}, compute.PoolFirst // of an encoder
	if task != Classify {
		return n
	}
	h := new(euroClassifier)
	n.Classifier = h
	switch s.Pooling {
	case "bos":
	case "mean":
		n.Pooling = compute.PoolMean
	case "late":
		n.Pooling, h.late = compute.PoolNone, true
	default:
		f.Fail(keyEuroPooling, fmt.Sprintf("%q", checkpoint.Abridge(s.Pooling)), `"late", "mean" or "bos"`)
	}
	return n
}
