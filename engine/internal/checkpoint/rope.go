package checkpoint

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/quant"
)

// RoPEDefaults is what a family says of its rotary position embedding.
type RoPEDefaults struct {
	ThetaKey  Key     // of the base
	Theta     float64 // the class's, where the file has none
	Scaled    bool    // scaling for longer texts applies to these layers
	ScaledHF  bool    // and in config.json, if not in GGUF
	Partial   bool    // the class may turn only a part of each head
	Dim       int     // of a head
	Positions int     // the window that the configuration gives
}

// RoPE reads how the layers of a kind turn their heads: "" is all layers of a
// class whose layers all turn alike, "full_attention" and "sliding_attention" are
// those of a class that tells these apart. It knows every form that transformers
// has written and follows modeling_rope_utils.py of 5.24, where rope_scaling goes
// before rope_parameters and the base in either before one beside it.
func (f *File) RoPE(kind string, o RoPEDefaults) *compute.RoPE {
	r := &ropeReader{f: f, o: o, dim: o.Dim}
	r.s = compute.DefaultRoPESettings(f.Float(o.ThetaKey, 1, 1e15, o.Theta))
	r.s.Original = float64(o.Positions)
	if f.IsGGUF() {
		r.readGGUF()
	} else {
		r.readConfig(kind)
	}
	if r.dim < 2 || r.dim%2 != 0 || r.dim > o.Dim {
		f.fail(f.name(o.ThetaKey), fmt.Sprintf("rotation of %d of a head's %d numbers", r.dim, o.Dim), "an even number of them")
	}
	if r.s.Kind == "yarn" && r.s.Theta <= 1 {
		f.Fail(o.ThetaKey, fmt.Sprint(r.s.Theta), "more than 1")
	}
	if f.err != nil {
		return compute.NewRoPE(2, compute.DefaultRoPESettings(10000))
	}
	return compute.NewRoPE(r.dim, r.s)
}

// A ropeReader reads the settings of one RoPE.
type ropeReader struct {
	f   *File
	o   RoPEDefaults
	s   compute.RoPESettings
	dim int // numbers of a head that are turned
}

// dicts are the objects of config.json that a kind's parameters are in, those
// that count most first, and their names.
func (r *ropeReader) dicts(kind string) (dicts []*Object, names []string) {
	config := r.f.Config
	add := func(o *Object, name string) {
		if o != nil && len(o.members) > 0 {
			dicts, names = append(dicts, o), append(names, name)
		}
	}
	parameters, scaling := config.Object("rope_parameters"), config.Object("rope_scaling")
	if kind == "" {
		// The first replaces the second, whatever that has.
		if add(scaling, "rope_scaling"); len(dicts) == 0 {
			add(parameters, "rope_parameters")
		} else {
			parameters.account()
		}
		return dicts, names
	}
	if r.o.Scaled || r.o.ScaledHF {
		add(scaling, "rope_scaling")
	}
	add(parameters.Object(kind), "rope_parameters."+kind)
	return dicts, names
}

// readConfig reads config.json.
func (r *ropeReader) readConfig(kind string) {
	f := r.f
	dicts, names := r.dicts(kind)
	// number reads a parameter from the first object that has it.
	number := func(name string, low, high float64, dst *float64) bool {
		for i, o := range dicts {
			if !o.Has(name) {
				continue
			}
			v, ok := o.Float(name)
			if !ok || !(v >= low && v <= high) {
				f.fail(names[i]+"."+name, o.Kind(name), fmt.Sprintf("a number from %g to %g", low, high))
				return false
			}
			*dst = v
			for _, rest := range dicts[i+1:] {
				rest.Has(name)
			}
			return true
		}
		return false
	}
	number("rope_theta", 1, 1e15, &r.s.Theta)
	part := f.Float(Key{HF: "partial_rotary_factor rotary_pct rotary_emb_fraction"}, 0, 1, 1)
	number("partial_rotary_factor", 0, 1, &part)
	if part != 1 && !r.o.Partial {
		f.Unsupported(fmt.Sprintf("rotation of a part of each head (partial_rotary_factor %g)", part), "")
	}
	r.dim = int(float64(r.o.Dim) * part)

	s := &r.s
	hasFactor := number("factor", 1, 1e6, &s.Factor)
	number("original_max_position_embeddings", 1, MaxPositions, &s.Original)
	if kind == "" {
		s.Original = f.Float(Key{HF: "original_max_position_embeddings"}, 1, MaxPositions, s.Original)
	}
	number("attention_factor", 1e-6, 100, &s.AttentionFactor)
	number("mscale", 0, 100, &s.MScale)
	number("mscale_all_dim", 0, 100, &s.MScaleAllDim)
	number("beta_fast", 0, 1e6, &s.BetaFast)
	number("beta_slow", 0, 1e6, &s.BetaSlow)
	number("low_freq_factor", 1e-6, 1e6, &s.LowFreq)
	number("high_freq_factor", 1e-6, 1e6, &s.HighFreq)
	if s.BetaFast == 0 {
		s.BetaFast = 32
	}
	if s.BetaSlow == 0 {
		s.BetaSlow = 1
	}
	// transformers looks for it beside the kinds, not in them.
	whole := f.Config.Object("rope_parameters")
	if kind == "" && len(dicts) > 0 {
		whole = dicts[0]
	}
	if whole.Has("truncate") {
		v, ok := whole.Bool("truncate")
		if !ok {
			f.fail("truncate", whole.Kind("truncate"), "true or false")
		}
		s.Truncate = v
	}
	for _, o := range dicts {
		o.Has("truncate")
	}
	r.scale(r.kindOf(kind, dicts), hasFactor, dicts)
}

// kindOf is the name of the way of scaling, "" where there is none. The old name of
// the setting counts where the new one is nowhere; but in a class that tells kinds of
// layers apart and is given no rope_parameters, transformers has filled in the new one.
func (r *ropeReader) kindOf(kind string, dicts []*Object) string {
	for _, o := range dicts {
		if name, ok := o.String("rope_type"); ok {
			for _, o := range dicts {
				o.Has("rope_type")
				o.Has("type")
			}
			return name
		}
	}
	if kind != "" && r.f.Config.Object("rope_parameters").Object(kind) == nil {
		return "" // and whatever stands under the old one is told to be unread
	}
	old := ""
	for _, o := range dicts {
		if name, ok := o.String("type"); ok && old == "" {
			old = name
		}
	}
	return old
}

// scale sets the way of scaling by its name in config.json.
func (r *ropeReader) scale(name string, hasFactor bool, dicts []*Object) {
	f, s := r.f, &r.s
	short := lists(dicts, "short_factor")
	lists(dicts, "long_factor")
	if !hasFactor && name != "" && name != "default" {
		if name != "yarn" && name != "longrope" && name != "su" {
			f.fail("rope_scaling.factor", "nothing", "a number from 1")
			return
		}
		s.Factor = max(1, float64(r.o.Positions)/s.Original)
	}
	switch name {
	case "", "default", "dynamic":
		// Dynamic scaling begins beyond the window, where no text goes.
		s.Factor = 1
	case "linear", "yarn":
		s.Kind = name
	case "llama3":
		s.Kind = name
		if s.HighFreq <= s.LowFreq {
			f.fail("rope_scaling.high_freq_factor", fmt.Sprint(s.HighFreq), "more than low_freq_factor")
		}
	case "ntk":
		// Fixed NTK scaling, as the classes of gte have it: base and positions are
		// stretched for good.
		if mixed := lists(dicts, "mixed_b"); mixed != nil || has(dicts, "mixed_b") {
			f.Unsupported("rope_scaling of type \"ntk\" with mixed_b", "")
		}
		s.Theta *= s.Factor
		s.Kind, s.Factor = "linear", math.Pow(s.Factor, 2/float64(r.dim))
	case "longrope", "su":
		r.longRoPE(short)
	default:
		f.Unsupported(fmt.Sprintf("rope_scaling of type %q", Abridge(name)), "winnow knows linear, dynamic, yarn, llama3, ntk and longrope")
	}
}

// longRoPE is LongRoPE within the original window, where each frequency has a
// divisor.
func (r *ropeReader) longRoPE(short []float64) {
	f, s := r.f, &r.s
	if float64(r.o.Positions) > s.Original {
		f.Unsupported(fmt.Sprintf("LongRoPE beyond its original window of %.0f tokens", s.Original), "")
		return
	}
	if len(short) != r.dim/2 {
		f.fail("rope_scaling.short_factor", fmt.Sprintf("%d numbers", len(short)), fmt.Sprintf("%d numbers", r.dim/2))
		return
	}
	s.Divisors = make([]float32, len(short))
	for i, d := range short {
		if s.Divisors[i] = float32(d); !(d >= 1e-6 && d <= 1e6) {
			f.fail("rope_scaling.short_factor", fmt.Sprint(d), "numbers from 1e-06 to 1e+06")
		}
	}
	if s.AttentionFactor == 0 && s.Factor > 1 {
		s.AttentionFactor = math.Sqrt(1 + math.Log(s.Factor)/math.Log(s.Original))
	}
	if s.AttentionFactor != 0 && s.AttentionFactor != 1 {
		f.Unsupported(fmt.Sprintf("LongRoPE with the attention factor %g", s.AttentionFactor), "")
	}
	s.Factor = 1
}

// lists is the list of numbers of that name in the first object that has it.
func lists(dicts []*Object, name string) []float64 {
	for _, o := range dicts {
		if list, ok := o.Floats(name); ok {
			return list
		}
	}
	return nil
}

func has(dicts []*Object, name string) bool {
	for _, o := range dicts {
		if o.Has(name) {
			return true
		}
	}
	return false
}

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

// frequencyDivisors is the tensor that has Llama 3's frequencies as divisors.
const frequencyDivisors = "rope_freqs.weight"

// readGGUF reads GGUF metadata.
func (r *ropeReader) readGGUF() {
	f, s := r.f, &r.s
	if r.dim = f.Int(keyRoPEDim, 0, MaxWidth, r.o.Dim); r.dim != r.o.Dim && !r.o.Partial {
		f.Unsupported(fmt.Sprintf("rotation of %d of a head's %d numbers", r.dim, r.o.Dim), "")
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
		f.Unsupported(fmt.Sprintf("%s %q", f.name(keyRoPEKind), Abridge(kind)), "winnow knows none, linear and yarn")
	}
	r.divisors()
}

// yarnAttention is YaRN's factor of cosines and sines where nothing else is said.
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

// The kinds of layers in config.json.
var (
	keyLayerTypes   = Key{HF: "layer_types"}
	keyLayerPattern = Key{GGUF: ".attention.sliding_window_pattern"}
)

// LayerTypes says of n layers which see everything, as against a window: true
// those. Where the file lists them, that goes before everyGlobal.
func (f *File) LayerTypes(n int, everyGlobal func(layer int) bool) []bool {
	global := make([]bool, n)
	for i := range global {
		global[i] = everyGlobal(i)
	}
	if f.IsGGUF() {
		local, ok := f.values.Ints(f.name(keyLayerPattern))
		if ok && len(local) != n {
			f.Fail(keyLayerPattern, fmt.Sprintf("%d layers", len(local)), fmt.Sprintf("%d, as many as there are", n))
			return global
		}
		for i, l := range local {
			global[i] = l == 0
		}
		return global
	}
	if !f.Has(keyLayerTypes) {
		return global
	}
	kinds, ok := f.Config.Strings(keyLayerTypes.HF)
	if !ok || len(kinds) != n {
		f.Fail(keyLayerTypes, f.Describe(keyLayerTypes), fmt.Sprintf("a list of %d kinds of layers", n))
		return global
	}
	for i, kind := range kinds {
		if kind != "full_attention" && kind != "sliding_attention" {
			f.Unsupported(fmt.Sprintf("layers of %q", Abridge(kind)), "winnow knows full_attention and sliding_attention")
			break
		}
		global[i] = kind == "full_attention"
	}
	return global
}

// Pattern is a number that says which layers see everything, or fallback where
// the file has none, or a list for LayerTypes in its place.
func (f *File) Pattern(k Key, fallback int) int {
	if f.IsGGUF() {
		if _, ok := f.values.Ints(f.name(k)); ok {
			return fallback
		}
	}
	return f.Int(k, 1, MaxLayers, fallback)
}
