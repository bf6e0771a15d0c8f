package family

import (
	"strings"

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
	register(&Family{
		Name: "Qwen 3 VL", ModelTypes: []string{"qwen3_vl"}, GGUF: []string{"qwen3vl"},
		Classes: map[string]Task{"Qwen3VLForConditionalGeneration": Generate, "Qwen3VLForSequenceClassification": Classify, "Qwen3VLModel": Embed},
		New:     newQwenVL,
	})
}

// Qwen 2 (Yang et al. 2024): the trunk of decoder.go with biases on queries, keys and
// values.
//
// Qwen 3 (Yang et al. 2025): no biases, but RMS norms of each query and key head before
// RoPE.
//
// Qwen 3 VL (Bai et al. 2025), text only: each pair of numbers of a head is rotated by
// one of three positions, time, height and width, which are equal for text tokens. That
// leaves Qwen 3.
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
	fullAttention := f.LayerTypes(s.Layers, func(layer int) bool { return !s.UseSlidingWindow || layer < s.MaxWindowLayers })
	if s.UseSlidingWindow {
		m.setWindows(n, fullAttention, s.SlidingWindow, s.SlidingWindow)
	}
	if n.Window > 0 {
		n.Export = refuseWindows
	}
	return n
}

// qwenVLSections are how many pairs of numbers use each of the three positions.
var qwenVLSections = []int64{24, 20, 20}

func newQwenVL(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(qwenSettings)
	s.HeadNorms = true
	s.read(f, decoderDefaults{spec: Spec{HiddenSize: 4096, IntermediateSize: 22016, Layers: 32, Heads: 32, VocabSize: 151936},
		positions: 128000, keyHeads: 32, headDim: 128, activation: kernels.SiLU})
	rope := f.RoPE("", checkpoint.RoPEDefaults{ThetaKey: keyTheta, Theta: 5e6, Scaled: true, Dim: s.HeadDim, Positions: s.MaxPositions})
	n := m.networkOf(&s.decoderSettings, s, rope, nil, task)
	n.Load.Prefixes = []string{"model.language_model.", "language_model.model.", "model."}
	n.Load.Ignore = func(name string) bool {
		return strings.HasPrefix(name, "model.visual.") || strings.HasPrefix(name, "visual.")
	}
	sections, deepstack := qwenVLSections, 0
	if f.IsGGUF() {
		f.Account(checkpoint.Key{GGUF: ".rope.dimension_sections"}, checkpoint.Key{GGUF: ".n_deepstack_layers"})
	} else {
		for _, name := range []string{"rope_scaling", "rope_parameters"} {
			o := f.Config.Object(name)
			o.Has("mrope_interleaved")
			if own, ok := o.Ints("mrope_section"); ok && len(own) == 3 {
				sections = own
			}
		}
		layers, _ := f.Config.Object("vision_config").Ints("deepstack_visual_indexes")
		deepstack = len(layers)
	}
	export := n.Export
	n.Export = func(e *checkpoint.Export) error {
		four := make([]int32, 4)
		for i, n := range sections {
			four[i] = int32(n)
		}
		e.Set(".rope.dimension_sections", four)
		e.Set(".n_deepstack_layers", uint32(deepstack))
		return export(e)
	}
	return n
}
