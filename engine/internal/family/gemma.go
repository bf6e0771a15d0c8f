package family

import (
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/kernels"
)

func init() {
	register(&Family{
		Name: "Gemma", ModelTypes: []string{"gemma"}, GGUF: []string{"gemma"},
		Classes: map[string]Task{"GemmaForCausalLM": Generate, "GemmaForSequenceClassification": Classify, "GemmaModel": Embed},
		New:     newGemma,
	})
	register(&Family{
		Name: "Gemma 2", ModelTypes: []string{"gemma2"}, GGUF: []string{"gemma2"},
		Classes: map[string]Task{"Gemma2ForCausalLM": Generate, "Gemma2ForSequenceClassification": Classify, "Gemma2Model": Embed},
		New:     newGemma2,
	})
	register(&Family{
		Name: "Gemma 3", ModelTypes: []string{"gemma3_text"}, GGUF: []string{"gemma3", gemmaEmbedding},
		Classes: map[string]Task{"Gemma3ForCausalLM": Generate, "Gemma3TextForSequenceClassification": Classify, "Gemma3TextModel": Embed},
		New:     newGemma3,
	})
}

// gemmaEmbedding is llama.cpp's name for a Gemma 3 with bidirectional attention, such
// as EmbeddingGemma (Vera et al. 2025).
const gemmaEmbedding = "gemma-embedding"

// Gemma (Gemma Team 2024): the trunk of decoder.go with embeddings scaled by √hidden,
// norm weights stored as g−1 (in GGUF as g), and GeGLU in the tanh form, whatever
// hidden_act says.
//
// Gemma 2: norms of block outputs; scores and logits capped, cap·tanh(x/cap); every
// second layer, starting with the first, sees only a window.
//
// Gemma 3: head norms instead of the caps; five layers see a window, the sixth
// everything; the former have their own RoPE θ.
type gemmaSettings struct {
	decoderSettings
	HiddenActivation kernels.Activation `hf:"hidden_activation" gguf:"-" default:"preset"`
}

// gemmaBase reads what the three have in common.
func (s *gemmaSettings) gemmaBase(f *checkpoint.File, spec Spec, positions, keyHeads int) {
	s.NormOffset = 1
	s.read(f, decoderDefaults{spec: spec, positions: positions, keyHeads: keyHeads, headDim: 256, activation: kernels.GELUTanh})
}

// refuseBidirectional refuses a setting that transformers' Gemma and Gemma 2 classes
// handle differently by attention kind and batch contents.
func refuseBidirectional(f *checkpoint.File) {
	if f.Bool(checkpoint.Key{HF: "use_bidirectional_attention"}, false) {
		f.Unsupported("use_bidirectional_attention", "transformers does not honour it for this model type; a bidirectional model has is_causal false")
	}
}

func newGemma(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(gemmaSettings)
	s.gemmaBase(f, Spec{HiddenSize: 3072, IntermediateSize: 24576, Layers: 28, Heads: 16, VocabSize: 256000}, 8192, 16)
	refuseBidirectional(f)
	if s.Activation == kernels.GELU {
		s.Activation = kernels.GELUTanh // the meaning of "gelu" in the first configurations
	}
	n := m.network(f, &s.decoderSettings, s, task)
	m.wordScale, n.Decoder.TiesWords = s.wordScale(), true
	return n
}

// slidingSettings are those of Gemma 2 and 3.
type slidingSettings struct {
	gemmaSettings
	SlidingWindow int     `hf:"sliding_window" gguf:".attention.sliding_window" default:"4096" max:"positions"`
	QueryScalar   float64 `hf:"query_pre_attn_scalar" gguf:"-" default:"preset" min:"1e-3" max:"1e6"`
}

type gemma2Settings struct {
	slidingSettings
	ScoreCap float32 `hf:"attn_logit_softcapping" gguf:".attn_logit_softcapping" default:"50" null:"0" min:"0" max:"1e6"`
	LogitCap float32 `hf:"final_logit_softcapping" gguf:".final_logit_softcapping" default:"30" null:"0" min:"0" max:"1e6"`
}

func newGemma2(f *checkpoint.File, task Task) *Network {
	_, n := gemma2(f, task)
	return n
}

// gemma2 returns the network and its trunk.
func gemma2(f *checkpoint.File, task Task) (*decoder, *Network) {
	m, s := new(decoder), new(gemma2Settings)
	s.PostNorms = true
	s.gemmaBase(f, Spec{HiddenSize: 2304, IntermediateSize: 9216, Layers: 26, Heads: 8, VocabSize: 256000}, 8192, 4)
	refuseBidirectional(f)
	s.queryScale(f, 46)
	f.Read(s)
	s.activate(f)
	n := m.network(f, &s.decoderSettings, s, task)
	m.wordScale, n.Decoder.TiesWords = s.wordScale(), true
	for i := range m.Layers {
		m.Layers[i].SoftCap, m.Layers[i].Scale = s.ScoreCap, s.scale()
	}
	fullAttention := f.LayerTypes(s.Layers, func(layer int) bool { return layer%2 == 1 })
	m.setWindows(n, fullAttention, s.SlidingWindow, s.SlidingWindow)
	n.Decoder.LogitCap = s.LogitCap
	export := n.Export
	n.Export = func(e *checkpoint.Export) error {
		if err := export(e); err != nil {
			return err
		}
		e.LayerTypes(fullAttention, 2, everyNth)
		return s.exportScale(e, 46, "attn_q.weight", "attn_q.bias")
	}
	return m, n
}

type gemma3Settings struct {
	slidingSettings
	LogitCap      float32 `hf:"final_logit_softcapping" gguf:".final_logit_softcapping" default:"0" min:"0" max:"1e6"`
	Bidirectional bool    `hf:"use_bidirectional_attention" gguf:"-" default:"false"`
	WindowPattern int     // one layer in this many has full attention
}

func newGemma3(f *checkpoint.File, task Task) *Network {
	m, s := new(decoder), new(gemma3Settings)
	s.PostNorms, s.HeadNorms = true, true
	s.gemmaBase(f, Spec{HiddenSize: 2304, IntermediateSize: 9216, Layers: 26, Heads: 8, VocabSize: 262208}, 131072, 4)
	s.queryScale(f, 62)
	f.Read(s)
	if f.Architecture == gemmaEmbedding {
		s.IsCausal = false
	}
	s.WindowPattern = f.Pattern(checkpoint.Key{HF: "sliding_window_pattern _sliding_window_pattern", GGUF: ".attention.sliding_window_pattern"}, 6)
	s.activate(f)
	// If use_bidirectional_attention or GGUF makes attention bidirectional, half of the
	// window is on each side.
	distance := s.SlidingWindow
	switch {
	case s.Bidirectional && !s.IsCausal:
		distance = distance/2 + 1
	case s.Bidirectional || f.IsGGUF() && !s.IsCausal:
		distance /= 2
	}
	s.IsCausal = s.IsCausal && !s.Bidirectional
	global := f.RoPE("full_attention", checkpoint.RoPEDefaults{ThetaKey: keyTheta, Theta: 1e6, Scaled: true, Dim: s.HeadDim, Positions: s.MaxPositions})
	local := f.RoPE("sliding_attention", checkpoint.RoPEDefaults{ThetaKey: checkpoint.Key{HF: "rope_local_base_freq", GGUF: ".rope.freq_base_swa"}, Theta: 10000, Dim: s.HeadDim, Positions: s.MaxPositions})
	fullAttention := f.LayerTypes(s.Layers, func(layer int) bool { return (layer+1)%s.WindowPattern == 0 })
	n := m.networkOf(&s.decoderSettings, s, global, local, task)
	m.wordScale, n.Decoder.TiesWords = s.wordScale(), true
	m.setWindows(n, fullAttention, s.SlidingWindow, distance)
	for i := range m.Layers {
		m.Layers[i].Scale = s.scale()
		if !fullAttention[i] {
			m.Layers[i].rope = local
		}
	}
	n.Decoder.LogitCap = s.LogitCap
	if task == Embed && !s.IsCausal {
		n.GGUF = gemmaEmbedding
	}
	n.Export = func(e *checkpoint.Export) error {
		e.RoPE(global, local)
		e.Set(".attention.causal", s.IsCausal)
		if !s.IsCausal {
			e.Set(".attention.sliding_window", uint32(2*distance))
		}
		e.LayerTypes(fullAttention, s.WindowPattern, everyNth)
		return s.exportScale(e, 62, "attn_q_norm.weight")
	}
	return n
}

// everyNth is llama.cpp's rule for Gemma layers with full attention.
func everyNth(layer, every int) bool { return (layer+1)%every == 0 }

// queryScale sets the number whose square root divides scores. GGUF has no key for it:
// as in llama.cpp it is the head dim, except in the largest model, which is recognised
// by its number of layers.
func (s *slidingSettings) queryScale(f *checkpoint.File, largest int) {
	s.HiddenActivation = kernels.GELUTanh
	s.QueryScalar = 256
	if f.IsGGUF() {
		s.QueryScalar = s.ggufScalar(largest)
	}
}

// activate uses the activation that Gemma 2 and 3 name differently in config.json.
func (s *slidingSettings) activate(f *checkpoint.File) {
	if !f.IsGGUF() {
		s.Activation = s.HiddenActivation
	}
}

func (s *slidingSettings) ggufScalar(largest int) float64 {
	if s.Layers == largest {
		return float64(s.HiddenSize / s.Heads)
	}
	return float64(s.HeadDim)
}

// wordScale multiplies the token embeddings.
func (s *gemmaSettings) wordScale() float32 { return float32(math.Sqrt(float64(s.HiddenSize))) }

func (s *slidingSettings) scale() float32 { return float32(1 / math.Sqrt(s.QueryScalar)) }

// exportScale folds a score scale that GGUF has no key for into the queries' norm or
// matrix.
func (s *slidingSettings) exportScale(e *checkpoint.Export, largest int, tensors ...string) error {
	ratio := float64(s.scale()) * math.Sqrt(s.ggufScalar(largest))
	if math.Abs(ratio-1) >= 1e-6 {
		for _, name := range tensors {
			e.Scale(name, float32(ratio))
		}
	}
	return nil
}
