package checkpoint

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/quant"
)

// The keys of RoPE in GGUF files.
var (
	keyRoPEDim       = Key{GGUF: ".rope.dimension_count"}
	keyRoPEKind      = Key{GGUF: ".rope.scaling.type"}
	keyRoPEFactor    = Key{GGUF: ".rope.scaling.factor"}
	keyRoPEOriginal  = Key{GGUF: ".rope.scaling.original_context_length"}
	keyRoPEAttention = Key{GGUF: ".rope.scaling.attn_factor"}
	keyRoPEBetaFast  = Key{GGUF: ".rope.scaling.yarn_beta_fast"}
	keyRoPEBetaSlow  = Key{GGUF: ".rope.scaling.yarn_beta_slow"}
	keyRoPETruncate  = Key{GGUF: ".rope.scaling.yarn_truncate"} // winnow's own
)

// frequencyDivisors is the tensor with Llama 3's frequency divisors.
const frequencyDivisors = "rope_freqs.weight"

// readGGUF reads GGUF metadata.
func (r *ropeReader) readGGUF() {
	f, s := r.f, &r.s
	if r.dim = f.Int(keyRoPEDim, 0, MaxWidth, r.o.Dim); r.dim != r.o.Dim && !r.o.Partial {
		f.Unsupported(fmt.Sprintf("rotation of %d of a head's %d dimensions", r.dim, r.o.Dim), "")
	}
	kind := f.String(keyRoPEKind, "none")
	factor := f.Float(keyRoPEFactor, 1, 1e6, 1)
	original := f.Float(keyRoPEOriginal, 1, MaxPositions, s.Original)
	attention := f.Float(keyRoPEAttention, 1e-6, 100, 1)
	fast, slow := f.Float(keyRoPEBetaFast, 0, 1e6, 32), f.Float(keyRoPEBetaSlow, 0, 1e6, 1)
	truncate := f.Bool(keyRoPETruncate, true)
	if !r.o.Scaled {
		return
	}
	switch kind {
	case "none":
	case "linear":
		s.Kind, s.Factor = kind, factor
	case "yarn":
		s.Kind, s.Factor, s.Original, s.BetaFast, s.BetaSlow, s.Truncate = kind, factor, original, fast, slow, truncate
		if attention != 1 {
			s.AttentionFactor = attention * yarnAttention(factor)
		}
	default:
		f.Unsupported(fmt.Sprintf("%s %q", f.name(keyRoPEKind), Abridge(kind)), "winnow supports none, linear and yarn")
	}
	r.divisors()
}

// yarnAttention is YaRN's default factor of cosines and sines.
func yarnAttention(factor float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*math.Log(factor) + 1
}

// divisors reads the tensor of divisors, if there is one.
func (r *ropeReader) divisors() {
	f := r.f
	t, ok := f.source.Tensor(frequencyDivisors)
	if !ok {
		return
	}
	if t.Len() != r.dim/2 || !t.Type.CanDequantize() {
		f.fail(frequencyDivisors, fmt.Sprintf("%d numbers of type %v", t.Len(), t.Type), fmt.Sprintf("%d numbers", r.dim/2))
		return
	}
	r.s.Divisors = make([]float32, t.Len())
	if err := quant.Dequantize(r.s.Divisors, t.Type, t.Data); err != nil && f.err == nil {
		f.err = fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	for _, d := range r.s.Divisors {
		if !(d > 0 && d <= math.MaxFloat32) {
			f.fail(frequencyDivisors, fmt.Sprint(d), "numbers above 0")
		}
	}
}

// RoPE writes the rotary embedding of layers with full attention and of those with a
// window; local is nil if they are the same.
func (e *Export) RoPE(global, local *compute.RoPE) {
	s := global.Settings()
	e.Set(".rope.freq_base", float32(s.Theta))
	e.Set(keyRoPEDim.GGUF, uint32(global.Dim()))
	if local != nil {
		if l := local.Settings(); l.Kind != "" || l.Divisors != nil {
			e.fail(e.file.Refuse("conversion of scaled rotary positions in sliding-window layers", ""))
		}
		e.Set(".rope.freq_base_swa", float32(local.Settings().Theta))
	}
	divisors := s.Divisors
	switch s.Kind {
	case "yarn":
		if ratio := global.AttentionFactor() / yarnAttention(s.Factor); math.Abs(ratio-1) > 1e-6 {
			e.Set(keyRoPEAttention.GGUF, float32(ratio))
		}
		if !s.Truncate {
			e.Set(keyRoPETruncate.GGUF, false)
		}
		e.Set(keyRoPEOriginal.GGUF, uint32(s.Original))
		e.Set(keyRoPEBetaFast.GGUF, float32(s.BetaFast))
		e.Set(keyRoPEBetaSlow.GGUF, float32(s.BetaSlow))
		fallthrough
	case "linear":
		e.Set(keyRoPEKind.GGUF, s.Kind)
		e.Set(keyRoPEFactor.GGUF, float32(s.Factor))
	case "llama3":
		plain := compute.NewRoPE(global.Dim(), compute.DefaultRoPESettings(s.Theta)).Frequencies()
		divisors = make([]float32, len(plain))
		for i, f := range global.Frequencies() {
			divisors[i] = float32(plain[i] / f)
		}
	}
	if divisors != nil {
		e.Add(frequencyDivisors, []int{len(divisors)}, divisors)
	}
}
