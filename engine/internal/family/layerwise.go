package family

import (
	"fmt"
	"math"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "MiniCPM, layerwise", ModelTypes: []string{"minicpm"},
		Classes: map[string]Task{"LayerWiseMiniCPMForCausalLM": Classify},
		New:     newMiniCPM,
	})
	register(&Family{
		Name: "Gemma 2, layerwise", ModelTypes: []string{"cost_wise_gemma"},
		Classes: map[string]Task{"CostWiseGemmaForCausalLM": Classify},
		New:     newCostWise,
	})
}

// headLayers are the layers with a head in a FlagEmbedding reranker.
type headLayers struct {
	first, step, last int
	head              func(layer int) string // the head's tensor, without ".weight"
	compresses        bool                   // neighbouring document tokens can be merged into the mean of their states
}

// choose is Network.ChooseLayer for head layers l of the decoder m.
func (m *decoder) choose(f *checkpoint.File, n *Network, l headLayers, layer, ratio int, before []int) error {
	if layer == 0 {
		layer = l.last
	}
	if layer < l.first || layer > l.last || (layer-l.first)%l.step != 0 {
		return fmt.Errorf("%s: layer %d has no head: expected %d to %d in steps of %d", f.SettingsPath(), layer, l.first, l.last, l.step)
	}
	if ratio > 1 && !l.compresses {
		return f.Refuse("compression of tokens", "the model was not trained for it")
	}
	m.Layers, m.stack = m.Layers[:layer], m.stack[:layer]
	n.Spec.Layers, n.Decoder.Layers = layer, layer
	f.Alias(l.head(layer), "score")
	n.Load.Ignore = func(name string) bool {
		rest, ok := strings.CutPrefix(name, "model.layers.")
		var i int
		if _, err := fmt.Sscanf(rest, "%d.", &i); ok && err == nil {
			return i >= layer
		}
		return false
	}
	if ratio <= 1 {
		return nil
	}
	last := 0
	for _, at := range before {
		if at <= last {
			return fmt.Errorf("%s: compression before layers %v: expected ascending numbers from 1", f.SettingsPath(), before)
		}
		if last = at; at < layer {
			m.compressed = append(m.compressed, at)
		}
	}
	m.compression = ratio
	if len(m.compressed) > 0 {
		n.TokenTypes, n.Decoder.Parts = 3, true // before the document, document, after it
	}
	return nil
}

// layerwise makes a reranker read that prompt and stop after one of the layers l.
func (m *decoder) layerwise(f *checkpoint.File, n *Network, l headLayers, prompt string) {
	n.OneLogit, n.Prompt = true, prompt
	n.ChooseLayer = func(layer, ratio int, before []int) error { return m.choose(f, n, l, layer, ratio, before) }
}

// MiniCPM (Hu et al. 2024), as in bge-reranker-v2-minicpm-layerwise (FlagEmbedding's
// LayerWiseMiniCPMForCausalLM): Llama with scaled embeddings and scaled block outputs,
// and a head after the norm of each layer from StartLayer on.
type miniCPMSettings struct {
	decoderSettings
	ScaleWords float32 `hf:"scale_emb" default:"1" min:"1e-6" max:"1e6"`
	ScaleDepth float64 `hf:"scale_depth" default:"1" min:"1e-6" max:"1e6"`
	StartLayer int     `hf:"start_layer" default:"8" max:"layers"`
	HeadMulti  bool    `hf:"head_multi" default:"true"`
	HeadType   string  `hf:"head_type" default:"simple"`
}

func newMiniCPM(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(miniCPMSettings)
	s.read(f, decoderDefaults{spec: Spec{HiddenSize: 4096, IntermediateSize: 11008, Layers: 32, Heads: 32, VocabSize: 32000}, positions: 2048, activation: kernels.SiLU})
	f.Read(s)
	f.Account(checkpoint.Key{HF: "dim_model_base"}) // of language model heads
	if s.HeadType != "simple" {
		f.Unsupported(fmt.Sprintf("head_type %q", checkpoint.Abridge(s.HeadType)), "winnow supports simple, a score after each layer")
	}
	checkLayers(f, "start_layer", s.StartLayer, s.Layers)
	n := m.network(f, &s.decoderSettings, s, task)
	m.wordScale = s.ScaleWords
	for i := range m.Layers {
		m.Layers[i].scale = float32(s.ScaleDepth / math.Sqrt(float64(s.Layers)))
	}
	m.layerwise(f, n, headLayers{first: s.StartLayer, step: 1, last: s.Layers, head: func(layer int) string {
		if !s.HeadMulti {
			return "lm_head.linear_head"
		}
		return fmt.Sprintf("lm_head.%d.linear_head", layer-s.StartLayer)
	}}, "bge-reranker-gemma")
	return n
}

// costWiseSettings are those of bge-reranker-v2.5-gemma2-lightweight (FlagEmbedding's
// CostWiseGemmaForCausalLM): Gemma 2 with a head after each of many layers, whose logit
// is capped like the language model's.
type costWiseSettings struct {
	StartLayer int  `hf:"start_layer" default:"28" max:"layers"`
	LayerStep  int  `hf:"layer_sep" default:"28" max:"layers"`
	LayerWise  bool `hf:"layer_wise" default:"false"`
}

func newCostWise(f *checkpoint.File, task Task) *Network {
	s := new(costWiseSettings)
	f.Read(s)
	if !s.LayerWise {
		f.Unsupported("layer_wise false", "winnow supports rerankers with a head after each layer")
	}
	m, n := gemma2(f, task)
	checkLayers(f, "start_layer", s.StartLayer, n.Spec.Layers)
	// The authors' code indexes the heads by position among the requested layers: with
	// one layer, whichever it is, the first.
	head := func(int) string { return "lm_head.0.linear_head" }
	last := s.StartLayer + (n.Spec.Layers-s.StartLayer)/max(1, s.LayerStep)*s.LayerStep
	m.layerwise(f, n, headLayers{first: s.StartLayer, step: s.LayerStep, last: last, head: head, compresses: true}, "bge-reranker-lightweight")
	n.Classifier = &cappedClassifier{cap: n.Decoder.LogitCap}
	return n
}

// checkLayers checks that a layer exists.
func checkLayers(f *checkpoint.File, key string, layer, layers int) {
	if layer > layers {
		f.Fail(checkpoint.Key{HF: key}, fmt.Sprint(layer), fmt.Sprintf("at most %d, the layers", layers))
	}
}

// cappedClassifier is a head whose logits are cap·tanh(x/cap).
type cappedClassifier struct {
	scoreClassifier
	cap float32
}

func (h *cappedClassifier) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	y := h.scoreClassifier.Logits(c, x)
	for i := range y.Rows {
		for j, v := range y.Row(i) {
			if h.cap > 0 {
				y.Row(i)[j] = h.cap * float32(math.Tanh(float64(v/h.cap)))
			}
		}
	}
	return y
}
