package checkpoint

import (
	"fmt"
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
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
