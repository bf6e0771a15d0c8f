package engine

import (
	"math"
	"testing"
)

// TestRopeScaling compares frequencies with transformers' for heads of 16 numbers.
func TestRopeScaling(t *testing.T) {
	for _, c := range []struct {
		config string
		factor float64
		want   []float64
	}{
		{`{"rope_theta": 10000, "max_position_embeddings": 2048, "rope_scaling": {"type": "linear", "factor": 8.0}}`, 1,
			[]float64{0.125, 0.03952847, 0.0125, 0.003952847, 0.00125, 0.0003952847, 0.000125, 3.952847e-05}},
		{`{"rope_theta": 1000000, "max_position_embeddings": 4096, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}}`,
			1.138629436111989,
			[]float64{1, 0.133371, 0.01581139, 0.001405853, 0.00025, 4.445699e-05, 7.905694e-06, 1.405853e-06}},
		{`{"max_position_embeddings": 4096, "rope_parameters": {"rope_theta": 10000.0, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024,
			"beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.25, "truncate": false}}`, 1.25,
			[]float64{1, 0.3162278, 0.1, 0.0187018, 0.0025, 0.0007905695, 0.00025, 7.905695e-05}},
		{`{"rope_theta": 500000, "max_position_embeddings": 4096, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
			"high_freq_factor": 4.0, "original_max_position_embeddings": 512}}`, 1,
			[]float64{1, 0.1939228, 0.02734413, 0.0009115831, 0.0001767767, 3.428102e-05, 6.64787e-06, 1.289173e-06}},
		{`{"rope_theta": 100000000, "max_position_embeddings": 4096, "rope_scaling": {"rope_type": "dynamic", "factor": 8.0}}`, 1,
			[]float64{1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 1e-7}},
	} {
		config, err := parseObject("config.json", []byte(c.config))
		if err != nil {
			t.Fatal(err)
		}
		f := &file{config: config, settings: settings{path: "config.json", values: config}}
		r := f.ropeOf("full_attention", keyTheta, 10000, true, 16, 4096)
		if f.settings.err != nil {
			t.Errorf("%s: %v", c.config, f.settings.err)
			continue
		}
		if math.Abs(r.factor-c.factor) > 1e-12 {
			t.Errorf("%s: factor %v, want %v", c.config, r.factor, c.factor)
		}
		for i, want := range c.want {
			if math.Abs(r.frequencies[i]-want) > 1e-6*want {
				t.Errorf("%s: frequency %d is %v, want %v", c.config, i, r.frequencies[i], want)
			}
		}
	}
}

func TestRopeSettingsErrors(t *testing.T) {
	for _, text := range []string{
		`{"rope_theta": 0}`, `{"rope_theta": "1"}`, `{"rope_scaling": {"type": "longrope"}}`, `{"rope_scaling": {"type": "linear", "factor": 0}}`,
		`{"rope_scaling": {"type": "yarn", "factor": "4"}}`, `{"rope_theta": 1, "rope_scaling": {"type": "yarn", "factor": 4}}`,
		`{"rope_scaling": {"type": "llama3", "factor": 4, "low_freq_factor": 4, "high_freq_factor": 4}}`,
	} {
		config, err := parseObject("config.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f := &file{config: config, settings: settings{path: "config.json", values: config}}
		if f.ropeOf("full_attention", keyTheta, 10000, true, 16, 4096); f.settings.err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

// TestRopeTableGrows: what a table says of a position does not depend on its
// length.
func TestRopeTableGrows(t *testing.T) {
	short, long := newRope(8, 1e4), newRope(8, 1e4)
	long.upTo(3000)
	a, b := short.upTo(10), long.upTo(10)
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
