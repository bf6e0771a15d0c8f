package family

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "Llama", ModelTypes: []string{"llama", "llama_bidirec"}, GGUF: []string{"llama"},
		Classes: map[string]Task{"LlamaForCausalLM": Generate, "LlamaForSequenceClassification": Classify, "LlamaModel": Embed,
			"LlamaBidirectionalForSequenceClassification": Classify, "LlamaBidirectionalModel": Embed},
		New: newLlama,
	})
	register(&Family{
		Name: "Mistral", ModelTypes: []string{"mistral"}, Export: "llama",
		Classes: map[string]Task{"MistralForCausalLM": Generate, "MistralForSequenceClassification": Classify, "MistralModel": Embed},
		New:     newMistral,
	})
}

// Llama (Touvron et al. 2023; Grattafiori et al. 2024): the trunk of decoder.go without
// head norms and post norms. NVIDIA's bidirectional Llama has no causal mask, and its
// classifier reads the mean of all states and divides by a temperature.
//
// llama.cpp's converter interleaves the two halves of each query and key head, since
// its RoPE rotates neighbours.
type llamaSettings struct {
	decoderSettings
	Pooling     string  `hf:"pooling" gguf:"-" default:"avg"`
	Temperature float32 `hf:"temperature" gguf:"-" default:"1" min:"1e-6" max:"1e6"`
}

// interleave says that heads are interleaved in GGUF files.
func (s *decoderSettings) interleave() {
	s.InterleavedQueries, s.InterleavedKeys = s.Heads, s.KVHeads
}

func newLlama(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(llamaSettings)
	s.read(f, decoderDefaults{spec: Spec{HiddenSize: 4096, IntermediateSize: 11008, Layers: 32, Heads: 32, VocabSize: 32000}, positions: 2048, activation: kernels.SiLU})
	// A bidirectional classifier in GGUF is NVIDIA's, unless it says that it reads the
	// last token.
	bidirectional := f.IsGGUF() && !s.IsCausal && !s.readsLast(f) || f.ModelType == "llama_bidirec" || f.Architecture == "LlamaBidirectionalForSequenceClassification"
	if bidirectional {
		f.Read(s)
		s.IsCausal = false
		if s.Pooling != "avg" {
			f.Unsupported("pooling \""+checkpoint.Abridge(s.Pooling)+"\"", "winnow supports avg")
		}
	}
	s.interleave()
	n := m.network(f, &s.decoderSettings, s, task)
	switch {
	case task == Classify && bidirectional:
		n.Pooling, n.Temperature = compute.PoolMean, s.Temperature
	case task == Classify:
		s.exportLast(n)
	}
	return n
}

const lastToken = 3 // llama.cpp's number for that pooling

// readsLast reports whether a GGUF file's bidirectional classifier reads the last
// token.
func (s *decoderSettings) readsLast(f *checkpoint.File) bool {
	return f.Has(keyHeadPooling) && f.Int(keyHeadPooling, 1, lastToken, lastToken) == lastToken
}

// exportLast records that in a bidirectional classifier's file.
func (s *decoderSettings) exportLast(n *Network) {
	if s.IsCausal {
		return
	}
	export := n.Export
	n.Export = func(e *checkpoint.Export) error {
		e.Set(keyHeadPooling.GGUF, uint32(lastToken))
		if export == nil {
			return nil
		}
		return export(e)
	}
}

// Mistral (Jiang et al. 2023): Llama, with a sliding window in each layer if
// configured. The largest ctxl-rerank-v2 is one without. In GGUF it is called llama.
type mistralSettings struct {
	decoderSettings
	SlidingWindow int `hf:"sliding_window" gguf:"-" default:"4096" null:"0" max:"positions"`
}

func newMistral(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(mistralSettings)
	s.read(f, decoderDefaults{spec: Spec{HiddenSize: 4096, IntermediateSize: 14336, Layers: 32, Heads: 32, VocabSize: 32000},
		positions: 131072, keyHeads: 8, activation: kernels.SiLU})
	f.Read(s)
	s.interleave()
	n := m.network(f, &s.decoderSettings, s, task)
	if s.SlidingWindow > 0 {
		m.setWindows(n, make([]bool, s.Layers), s.SlidingWindow, s.SlidingWindow)
	}
	if task == Classify {
		s.exportLast(n)
	}
	if n.Window > 0 {
		n.Export = refuseWindows
	}
	return n
}
