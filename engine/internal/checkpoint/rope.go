package checkpoint

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// RoPEDefaults is a family's information about its rotary embedding.
type RoPEDefaults struct {
	ThetaKey  Key     // key of the base
	Theta     float64 // the class's default
	Scaled    bool    // scaling for longer texts applies to these layers
	ScaledHF  bool    // it does in config.json, though not in GGUF
	Partial   bool    // the class may rotate only part of each head
	Dim       int     // head dim
	Positions int     // the configured window
}

// RoPE reads the rotary embedding for one kind of layer: "" is all layers of a class
// with a single RoPE, "full_attention" and "sliding_attention" are those of a class
// that distinguishes them. It supports every form that transformers has written and
// follows modeling_rope_utils.py of 5.24: rope_scaling takes precedence over
// rope_parameters, and the base in either over one next to it.
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
		f.fail(f.name(o.ThetaKey), fmt.Sprintf("rotation of %d of a head's %d dimensions", r.dim, o.Dim), "an even number of them")
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
	dim int // numbers of a head that are rotated
}

// dicts returns the objects of config.json with a kind's parameters, highest precedence
// first, and their names.
func (r *ropeReader) dicts(kind string) (dicts []*Object, names []string) {
	config := r.f.Config
	add := func(o *Object, name string) {
		if o != nil && len(o.members) > 0 {
			dicts, names = append(dicts, o), append(names, name)
		}
	}
	parameters, scaling := config.Object("rope_parameters"), config.Object("rope_scaling")
	if kind == "" {
		// rope_scaling replaces rope_parameters entirely.
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
	fraction := f.Float(Key{HF: "partial_rotary_factor rotary_pct rotary_emb_fraction"}, 0, 1, 1)
	number("partial_rotary_factor", 0, 1, &fraction)
	if fraction != 1 && !r.o.Partial {
		f.Unsupported(fmt.Sprintf("partial rotation of heads (partial_rotary_factor %g)", fraction), "")
	}
	r.dim = int(float64(r.o.Dim) * fraction)

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
	// transformers looks for it next to the kinds, not in them.
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

// kindOf is the name of the scaling method, "" if there is none. The setting's old name
// is used if the new one is nowhere; but for a class that distinguishes layer kinds and
// has no rope_parameters, transformers has filled in the new one.
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
		return "" // the old name's value is then reported as unread
	}
	old := ""
	for _, o := range dicts {
		if name, ok := o.String("type"); ok && old == "" {
			old = name
		}
	}
	return old
}

// scale sets the scaling method by its name in config.json.
func (r *ropeReader) scale(name string, hasFactor bool, dicts []*Object) {
	f, s := r.f, &r.s
	short := floatList(dicts, "short_factor")
	floatList(dicts, "long_factor")
	if !hasFactor && name != "" && name != "default" {
		if name != "yarn" && name != "longrope" && name != "su" {
			f.fail("rope_scaling.factor", "nothing", "a number from 1")
			return
		}
		s.Factor = max(1, float64(r.o.Positions)/s.Original)
	}
	switch name {
	case "", "default", "dynamic":
		// Dynamic scaling begins beyond the window, which no text exceeds.
		s.Factor = 1
	case "linear", "yarn":
		s.Kind = name
	case "llama3":
		s.Kind = name
		if s.HighFreq <= s.LowFreq {
			f.fail("rope_scaling.high_freq_factor", fmt.Sprint(s.HighFreq), "more than low_freq_factor")
		}
	case "ntk":
		// Fixed NTK scaling, as in the gte classes: base and positions are stretched at
		// all lengths.
		if mixed := floatList(dicts, "mixed_b"); mixed != nil || hasAny(dicts, "mixed_b") {
			f.Unsupported("rope_scaling of type \"ntk\" with mixed_b", "")
		}
		s.Theta *= s.Factor
		s.Kind, s.Factor = "linear", math.Pow(s.Factor, 2/float64(r.dim))
	case "longrope", "su":
		r.longRoPE(short)
	default:
		f.Unsupported(fmt.Sprintf("rope_scaling of type %q", Abridge(name)), "winnow supports linear, dynamic, yarn, llama3, ntk and longrope")
	}
}

// longRoPE is LongRoPE within the original window, where each frequency has a divisor.
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

// floatList returns the list of numbers of that name in the first object that has it.
func floatList(dicts []*Object, name string) []float64 {
	for _, o := range dicts {
		if list, ok := o.Floats(name); ok {
			return list
		}
	}
	return nil
}

func hasAny(dicts []*Object, name string) bool {
	for _, o := range dicts {
		if o.Has(name) {
			return true
		}
	}
	return false
}
