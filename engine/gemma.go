package engine

import (
	"math"

	"github.com/winnow-rerank/winnow/kernels"
)

// Gemma (Gemma Team 2024): the trunk of decoder.go with words scaled by √hidden,
// gains of norms stored as g−1 (in GGUF as g), and GeGLU, with the tanh form
// whatever the configuration calls it.
//
// Gemma 2: norms of what blocks add; scores and logits capped, cap·tanh(x/cap);
// every second layer, from the first on, sees a window only.
//
// Gemma 3: norms of heads in the place of the caps; five layers see a window, the
// sixth everything; the former turn by a θ of their own.

// gemmaBase is what the three have in common.
func (m *decoder) gemmaBase(f *file) {
	m.configure(f)
	m.wordScale = float32(math.Sqrt(float64(f.dims["hidden"])))
	m.activation = kernels.GELUTanh
}

func newGemma(m *decoder, f *file) {
	m.gemmaBase(f)
	m.turn(f.ropeOf("full_attention", keyTheta, 10000, true, m.attention.dim, f.maxLength))
}

func newGemma2(m *decoder, f *file) {
	m.gemmaBase(f)
	f.dims["postnorms"] = 1
	m.turn(f.ropeOf("full_attention", keyTheta, 10000, true, m.attention.dim, f.maxLength))
	m.attention.softCap = f.settings.cap(keyScoreCap, 50)
	m.logitCap = f.settings.cap(keyLogitCap, 30)
	m.queryScale(f, 46)
	f.slides(m.windows, f.settings.countOr(keyWindow, 1, maxPositions, 4096), func(layer int) bool { return layer%2 == 1 })
}

func newGemma3(m *decoder, f *file) {
	m.gemmaBase(f)
	f.dims["postnorms"], f.dims["headnorms"] = 1, 1
	m.attention.softCap = f.settings.cap(keyScoreCap, 0)
	m.logitCap = f.settings.cap(keyLogitCap, 0)
	m.queryScale(f, 62)
	pattern := 6
	if _, ok := f.settings.values.Int(f.settings.name(keyPattern)); ok {
		pattern = f.settings.count(keyPattern, 1, maxLayers)
	}
	f.slides(m.windows, f.settings.countOr(keyWindow, 1, maxPositions, 4096), func(layer int) bool { return (layer+1)%pattern == 0 })
	global := f.ropeOf("full_attention", keyTheta, 1e6, true, m.attention.dim, f.maxLength)
	local := f.ropeOf("sliding_attention", keyLocalBase, 10000, false, m.attention.dim, f.maxLength)
	for i, window := range m.windows {
		m.ropes[i] = global
		if window > 0 {
			m.ropes[i] = local
		}
	}
}

var (
	keyScoreCap    = key{"attn_logit_softcapping", ".attn_logit_softcapping"}
	keyLogitCap    = key{"final_logit_softcapping", ".final_logit_softcapping"}
	keyQueryScalar = key{"query_pre_attn_scalar", ""}
	keyPattern     = key{"sliding_window_pattern", ".attention.sliding_window_pattern"}
)

// cap is a soft cap; 0 is none.
func (s *settings) cap(k key, absent float64) float32 {
	if s.has(k) {
		absent = s.number(k, 0, 1e6)
	}
	return float32(absent)
}

// queryScale sets the scale of scores. GGUF has no key for it: as in llama.cpp it
// goes by the size of a head, save in the largest model, which is known by its
// number of layers.
func (m *decoder) queryScale(f *file, largest int) {
	scalar := float64(m.attention.dim)
	if f.gguf && len(m.windows) == largest {
		scalar = float64(f.dims["hidden"] / m.attention.heads)
	}
	if f.settings.has(keyQueryScalar) {
		scalar = f.settings.number(keyQueryScalar, 1e-3, 1e6)
	}
	m.attention.scale = float32(1 / math.Sqrt(scalar))
}

// gains adds the 1 that safetensors files of Gemma leave out of norms.
func (m *decoder) gains(f *file) {
	if f.gguf {
		return
	}
	norms := []*Norm{&m.Norm}
	for i := range m.Layers {
		l := &m.Layers[i]
		norms = append(norms, &l.InNorm, l.QNorm, l.KNorm, l.PostO, &l.MidNorm, l.PostDown)
	}
	for _, n := range norms {
		if n == nil {
			continue
		}
		for i := range n.Weight {
			n.Weight[i]++
		}
	}
}
