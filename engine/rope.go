package engine

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// A rope is rotary position embedding (Su et al. 2021): pair i of a head, numbers
// i and i + headDim/2, is turned by position·frequencies[i].
type rope struct {
	frequencies []float64
	factor      float64 // of all sines and cosines
	made        ropeSettings

	mu    sync.Mutex
	table atomic.Pointer[ropeTable]
}

type ropeTable struct{ cos, sin Matrix }

// newRope is plain RoPE: frequency i is θ^(−2i/headDim).
func newRope(headDim int, theta float64) *rope {
	r := &rope{frequencies: make([]float64, headDim/2), factor: 1}
	for i := range r.frequencies {
		r.frequencies[i] = math.Pow(theta, -2*float64(i)/float64(headDim))
	}
	return r
}

// upTo is a table for n positions at least. Tables grow as they are needed: those
// of a long window would take more memory than a small model.
func (r *rope) upTo(n int) *ropeTable {
	if t := r.table.Load(); t != nil && t.cos.Rows >= n {
		return t
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.table.Load()
	if t == nil || t.cos.Rows < n {
		const least = 512
		rows := least
		for rows < n {
			rows *= 2
		}
		cos, sin := kernels.RopeTableOf(r.frequencies, rows, r.factor)
		t = &ropeTable{cos, sin}
		r.table.Store(t)
	}
	return t
}

// ropeSettings are the parameters of RoPE and of the ways to stretch it over
// longer texts.
type ropeSettings struct {
	theta     float64
	kind      string  // "", "linear", "yarn", "llama3"; "dynamic" is plain within the window
	factor    float64 // by which the window grows
	original  float64 // window that the model was first trained on
	attention float64 // YaRN: factor of cosines and sines; 0: from factor
	fast      float64 // YaRN: turns within the original window from which on a frequency stays
	slow      float64 // YaRN: turns below which it is divided by factor
	low, high float64 // Llama 3: the same bounds
	truncate  bool    // YaRN: bounds are whole numbers of pairs
	divisors  []float32
}

// rope makes the frequencies.
func (s *ropeSettings) rope(headDim int) *rope {
	r := newRope(headDim, s.theta)
	r.made = *s
	switch s.kind {
	case "linear":
		// Positions are divided, which comes to the same.
		for i := range r.frequencies {
			r.frequencies[i] /= s.factor
		}
	case "yarn":
		s.yarn(r, float64(headDim))
	case "llama3":
		s.llama3(r)
	}
	for i, d := range s.divisors {
		r.frequencies[i] /= float64(d)
	}
	return r
}

// yarn (Peng et al. 2023) leaves fast pairs alone, stretches slow ones, and goes
// from one to the other in a line.
func (s *ropeSettings) yarn(r *rope, headDim float64) {
	pair := func(turns float64) float64 {
		return headDim * math.Log(s.original/(turns*2*math.Pi)) / (2 * math.Log(s.theta))
	}
	low, high := pair(s.fast), pair(s.slow)
	if s.truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, headDim-1)
	if low == high {
		high += 0.001
	}
	for i, f := range r.frequencies {
		stretched := min(max((float64(i)-low)/(high-low), 0), 1)
		r.frequencies[i] = f/s.factor*stretched + f*(1-stretched)
	}
	r.factor = s.attention
	if r.factor == 0 {
		r.factor = 1
		if s.factor > 1 {
			r.factor = 0.1*math.Log(s.factor) + 1
		}
	}
}

// llama3 does the like, the line going by the inverse wavelength.
func (s *ropeSettings) llama3(r *rope) {
	for i, f := range r.frequencies {
		turns := s.original * f / (2 * math.Pi)
		switch {
		case turns > s.high:
		case turns < s.low:
			r.frequencies[i] = f / s.factor
		default:
			smooth := (turns - s.low) / (s.high - s.low)
			r.frequencies[i] = (1-smooth)*f/s.factor + smooth*f
		}
	}
}

// The settings of RoPE.
var (
	keyTheta       = key{"rope_theta", ".rope.freq_base"}
	keyRopeScaling = key{"rope_scaling", ".rope.scaling.type"}
	keyRopeDims    = key{"", ".rope.dimension_count"}
)

// ropeOf reads the settings of RoPE for layers of one kind ("full_attention" or
// "sliding_attention", as the newer form of config.json calls them). positions is
// the window that the configuration gives.
func (f *file) ropeOf(kind string, theta key, fallback float64, scaled bool, headDim, positions int) *rope {
	s := ropeSettings{theta: fallback, factor: 1, original: float64(positions), fast: 32, slow: 1, low: 1, high: 4, truncate: true}
	set := &f.settings
	if set.has(theta) {
		s.theta = set.number(theta, 1, 1e15)
	}
	if f.gguf {
		if scaled {
			f.ggufRope(&s, headDim)
		}
	} else {
		f.configRope(&s, kind, scaled)
	}
	if f.settings.err != nil {
		return newRope(headDim, 10000)
	}
	return s.rope(headDim)
}

func (f *file) configRope(s *ropeSettings, kind string, scaled bool) {
	o := f.config.object("rope_parameters")
	if nested := o.object(kind); nested != nil {
		o, scaled = nested, true
	} else if !scaled {
		return
	}
	number := func(name string, low, high float64, dst *float64) {
		v, ok := o.Float(name)
		switch {
		case !o.Has(name):
		case !ok || !(v >= low && v <= high):
			f.settings.fail(key{"rope_scaling." + name, ""}, o.Kind(name), fmt.Sprintf("a number from %g to %g", low, high))
		default:
			*dst = v
		}
	}
	number("rope_theta", 1, 1e15, &s.theta)
	if o == nil {
		o = f.config.object("rope_scaling")
	}
	if o == nil {
		return
	}
	name, ok := o.String("rope_type")
	if !ok {
		name, _ = o.String("type")
	}
	switch name {
	case "", "default", "dynamic":
		// Dynamic scaling begins beyond the window, where no text goes.
		return
	case "linear", "yarn", "llama3":
		s.kind = name
	default:
		f.unsupported(fmt.Sprintf("rope_scaling of type %q", abridge(name)), "winnow knows linear, dynamic, yarn and llama3")
		return
	}
	number("factor", 1, 1e6, &s.factor)
	number("original_max_position_embeddings", 1, maxPositions, &s.original)
	number("attention_factor", 0, 100, &s.attention)
	number("beta_fast", 0, 1e6, &s.fast)
	number("beta_slow", 0, 1e6, &s.slow)
	number("low_freq_factor", 0, 1e6, &s.low)
	number("high_freq_factor", 0, 1e6, &s.high)
	if v, ok := o["truncate"].(bool); ok {
		s.truncate = v
	}
	if s.kind == "llama3" && s.high <= s.low {
		f.settings.fail(key{"rope_scaling.high_freq_factor", ""}, o.Kind("high_freq_factor"), "more than low_freq_factor")
	}
	if s.kind == "yarn" && s.theta <= 1 {
		f.settings.fail(keyTheta, fmt.Sprint(s.theta), "more than 1")
	}
}

func (f *file) ggufRope(s *ropeSettings, headDim int) {
	set := &f.settings
	if n := set.countOr(keyRopeDims, 0, maxWidth, headDim); n != headDim {
		f.unsupported(fmt.Sprintf("rotation of %d of a head's %d numbers", n, headDim), "")
	}
	switch name := set.text(keyRopeScaling, "none"); name {
	case "none":
	case "linear", "yarn":
		s.kind = name
	default:
		f.unsupported(fmt.Sprintf("%s.rope.scaling.type %q", set.arch, abridge(name)), "winnow knows none, linear and yarn")
	}
	for _, v := range []struct {
		name      string
		low, high float64
		dst       *float64
	}{
		{".rope.scaling.factor", 1, 1e6, &s.factor},
		{".rope.scaling.original_context_length", 1, maxPositions, &s.original},
		{".rope.scaling.yarn_beta_fast", 0, 1e6, &s.fast},
		{".rope.scaling.yarn_beta_slow", 0, 1e6, &s.slow},
	} {
		if k := (key{"", v.name}); set.has(k) {
			*v.dst = set.number(k, v.low, v.high)
		}
	}
	// Llama 3's frequencies come as divisors.
	const name = "rope_freqs.weight"
	t, ok := f.source.Tensor(name)
	if !ok {
		return
	}
	f.loader.ignore = either(f.loader.ignore, name)
	if t.Len() != headDim/2 || !t.Type.CanDequantize() {
		f.settings.fail(key{"", name}, fmt.Sprintf("%d numbers of type %v", t.Len(), t.Type), fmt.Sprintf("%d numbers", headDim/2))
		return
	}
	s.divisors = make([]float32, t.Len())
	if err := dequantize(s.divisors, t, t.Data); err != nil && f.settings.err == nil {
		f.settings.err = err
	}
	for _, d := range s.divisors {
		if !(d > 0 && d <= math.MaxFloat32) {
			f.settings.fail(key{"", name}, fmt.Sprint(d), "numbers above 0")
		}
	}
}

// either ignores one more tensor.
func either(ignore func(string) bool, name string) func(string) bool {
	return func(n string) bool { return n == name || ignore != nil && ignore(n) }
}

// number is a number from low to high; whole numbers count as well.
func (s *settings) number(k key, low, high float64) float64 {
	v, ok := s.values.Float(s.name(k))
	if !ok {
		var n int64
		n, ok = s.values.Int(s.name(k))
		v = float64(n)
	}
	if !ok || !(v >= low && v <= high) {
		s.fail(k, s.describe(k), fmt.Sprintf("a number from %g to %g", low, high))
		return low
	}
	return v
}
