package family

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "Qwen 2", ModelTypes: []string{"qwen2"}, GGUF: []string{"qwen2"},
		Classes: map[string]Task{"Qwen2ForCausalLM": Generate, "Qwen2ForSequenceClassification": Classify, "Qwen2Model": Embed},
		New:     func(f *checkpoint.File, task Task) *Network { return newQwen(f, task, false) },
	})
	register(&Family{
		Name: "Qwen 3", ModelTypes: []string{"qwen3"}, GGUF: []string{"qwen3"},
		Classes: map[string]Task{"Qwen3ForCausalLM": Generate, "Qwen3ForSequenceClassification": Classify, "Qwen3Model": Embed, "JinaForRanking": Rank},
		New:     func(f *checkpoint.File, task Task) *Network { return newQwen(f, task, true) },
	})
}

// Qwen 2 (Yang et al. 2024): the trunk of decoder.go with biases on queries, keys
// and values.
//
// Qwen 3 (Yang et al. 2025): no biases, but RMS norms of each head of queries and
// keys before they are turned.
type qwenSettings struct {
	decoderSettings
	SlidingWindow    int  `hf:"sliding_window" gguf:"-" default:"4096" max:"positions"`
	UseSlidingWindow bool `hf:"use_sliding_window" gguf:"-" default:"false"`
	MaxWindowLayers  int  `hf:"max_window_layers" gguf:"-" default:"28" min:"0" max:"16384"`
}

func newQwen(f *checkpoint.File, task Task, headNorms bool) *Network {
	m, s := new(decoder), new(qwenSettings)
	d := decoderDefaults{spec: Spec{HiddenSize: 4096, IntermediateSize: 22016, Layers: 32, Heads: 32, VocabSize: 151936},
		positions: 32768, keyHeads: 32, activation: kernels.SiLU}
	if headNorms {
		d.headDim = 128
	}
	s.HeadNorms = headNorms
	s.read(f, d)
	f.Read(s)
	n := m.network(f, &s.decoderSettings, s, task)
	everything := f.LayerTypes(s.Layers, func(layer int) bool { return !s.UseSlidingWindow || layer < s.MaxWindowLayers })
	if s.UseSlidingWindow {
		m.slide(n, everything, s.SlidingWindow)
	}
	if n.Window > 0 {
		n.Export = windowless
	}
	return n
}
