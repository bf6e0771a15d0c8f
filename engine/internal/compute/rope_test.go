package compute

import (
	"math"
	"testing"
)

// TestRoPEScaling compares frequencies with transformers' for heads of 16 numbers.
func TestRoPEScaling(t *testing.T) {
	with := func(theta float64, change func(s *RoPESettings)) RoPESettings {
		s := DefaultRoPESettings(theta)
		change(&s)
		return s
	}
	for _, c := range []struct {
		name     string
		settings RoPESettings
		factor   float64
		want     []float64
	}{
		{"linear", with(1e4, func(s *RoPESettings) { s.Kind, s.Factor = "linear", 8 }), 1,
			[]float64{0.125, 0.03952847, 0.0125, 0.003952847, 0.00125, 0.0003952847, 0.000125, 3.952847e-05}},
		{"YaRN", with(1e6, func(s *RoPESettings) { s.Kind, s.Factor, s.Original = "yarn", 4, 1024 }), 1.138629436111989,
			[]float64{1, 0.133371, 0.01581139, 0.001405853, 0.00025, 4.445699e-05, 7.905694e-06, 1.405853e-06}},
		{"YaRN with bounds", with(1e4, func(s *RoPESettings) {
			s.Kind, s.Factor, s.Original = "yarn", 4, 1024
			s.BetaFast, s.BetaSlow, s.AttentionFactor, s.Truncate = 16, 2, 1.25, false
		}), 1.25,
			[]float64{1, 0.3162278, 0.1, 0.0187018, 0.0025, 0.0007905695, 0.00025, 7.905695e-05}},
		{"YaRN with two scales", with(1e6, func(s *RoPESettings) {
			s.Kind, s.Factor, s.Original, s.MScale, s.MScaleAllDim = "yarn", 4, 1024, 0.707, 1
		}), (0.1*0.707*math.Log(4) + 1) / (0.1*math.Log(4) + 1),
			[]float64{1, 0.133371, 0.01581139, 0.001405853, 0.00025, 4.445699e-05, 7.905694e-06, 1.405853e-06}},
		{"Llama 3", with(5e5, func(s *RoPESettings) { s.Kind, s.Factor, s.Original = "llama3", 8, 512 }), 1,
			[]float64{1, 0.1939228, 0.02734413, 0.0009115831, 0.0001767767, 3.428102e-05, 6.64787e-06, 1.289173e-06}},
		{"dynamic", with(1e8, func(s *RoPESettings) { s.Kind, s.Factor = "dynamic", 8 }), 1,
			[]float64{1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 1e-7}},
		{"NTK of GTE", with(2e4*8, func(s *RoPESettings) { s.Kind, s.Factor = "linear", math.Pow(8, 2.0/16) }), 1,
			[]float64{0.7711054, 0.1724244, 0.03855527, 0.008621221, 0.001927764, 0.000431061, 9.638818e-05, 2.155305e-05}},
		{"divisors", with(1e8, func(s *RoPESettings) { s.Divisors = []float32{1, 2, 4, 8, 1, 1, 1, 2} }), 1,
			[]float64{1, 0.05, 0.0025, 0.000125, 1e-4, 1e-5, 1e-6, 5e-8}},
	} {
		r := NewRoPE(16, c.settings)
		if math.Abs(r.AttentionFactor()-c.factor) > 1e-12 {
			t.Errorf("%s: factor %v, want %v", c.name, r.AttentionFactor(), c.factor)
		}
		for i, want := range c.want {
			if got := r.Frequencies()[i]; math.Abs(got-want) > 1e-6*want {
				t.Errorf("%s: frequency %d is %v, want %v", c.name, i, got, want)
			}
		}
	}
}

// TestRoPETableGrows: what a table says of a position does not depend on its
// length.
func TestRoPETableGrows(t *testing.T) {
	short, long := NewRoPE(8, DefaultRoPESettings(1e4)), NewRoPE(8, DefaultRoPESettings(1e4))
	long.tableFor(3000)
	a, b := short.tableFor(10), long.tableFor(10)
	if b.cos.Rows < 3000 {
		t.Errorf("%d rows after 3000 were asked for", b.cos.Rows)
	}
	for p := range 10 {
		for i := range 4 {
			if a.cos.Row(p)[i] != b.cos.Row(p)[i] || a.sin.Row(p)[i] != b.sin.Row(p)[i] {
				t.Fatalf("position %d differs", p)
			}
		}
	}
}
