package family

import (
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	classes := func(name string) map[string]Task {
		return map[string]Task{name + "ForSequenceClassification": Classify, name + "Model": Embed, name + "ForMaskedLM": Embed}
	}
	register(&Family{Name: "XLM-RoBERTa", ModelTypes: []string{"xlm-roberta"}, Classes: classes("XLMRoberta"), GGUF: []string{"bert/t5"}, New: xlmrOf(30522)})
	register(&Family{Name: "RoBERTa", ModelTypes: []string{"roberta"}, Classes: classes("Roberta"), GGUF: []string{"bert/gpt2"}, New: xlmrOf(50265)})
	register(&Family{Name: "CamemBERT", ModelTypes: []string{"camembert"}, Classes: classes("Camembert"), Export: "bert", New: xlmrOf(30522)})
}

// XLM-RoBERTa (Conneau et al. 2019), RoBERTa (Liu et al. 2019) and CamemBERT: BERT's
// trunk, with positions counted from the padding id + 1, one token type, and the head
//
//	logits = out·tanh(dense·x[first token])
type xlmrClassifier struct {
	Dense compute.Linear `hf:"classifier.dense" gguf:"cls" shape:"hidden hidden" keep:"exact"`
	Out   compute.Linear `hf:"classifier.out_proj" gguf:"cls.output" shape:"labels hidden" keep:"exact"`
}

func (h *xlmrClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	return c.Linear(&h.Out, c.Linear(&h.Dense, x, kernels.Tanh), kernels.Identity)
}

func (h *xlmrClassifier) String() string { return "dense → tanh → classifier" }

type xlmrSettings struct {
	bertSettings
	PadTokenID int `hf:"pad_token_id" gguf:"tokenizer.ggml.padding_token_id" default:"1" min:"0" max:"268435456"`
}

func xlmrOf(vocab int) func(f *checkpoint.File, task Task) *Network {
	return func(f *checkpoint.File, task Task) *Network {
		m, s := new(bert), &xlmrSettings{bertSettings: bertSettings{Spec: bertSpec(vocab)}}
		n := m.configure(f, &s.bertSettings)
		s.read(f, s)
		n.Settings, n.OneType = s, true
		n.Load.Prefixes = []string{"roberta."}
		n.MaxLength = m.setPositions(f, s)
		n.Export = func(e *checkpoint.Export) error {
			cutPositions(e, m, s)
			return nil
		}
		if task == Classify {
			n.Classifier = new(xlmrClassifier)
		}
		return n
	}
}

// setPositions sets up the positions and returns how many tokens they suffice for.
func (m *bert) setPositions(f *checkpoint.File, s *xlmrSettings) int {
	pad := int32(s.PadTokenID)
	if f.IsGGUF() {
		// llama.cpp's converter removes the rows up to the padding id's.
		m.positions = positions{skip: true, pad: pad, padRow: -1}
		return s.MaxPositions
	}
	m.positions = positions{first: pad + 1, skip: true, pad: pad, padRow: pad}
	if s.MaxPositions <= s.PadTokenID+1 {
		f.Fail(keyPositions, fmt.Sprint(s.MaxPositions), "more than the padding id + 1, the first position")
	}
	return s.MaxPositions - s.PadTokenID - 1
}

// cutPositions omits the rows up to the padding id's from a GGUF file, as llama.cpp's
// converter does.
func cutPositions(e *checkpoint.Export, m *bert, s *xlmrSettings) {
	first := int(m.positions.first)
	e.Cut("position_embd.weight", first)
	e.Set(keyPositions.GGUF, uint32(s.MaxPositions-first))
}
