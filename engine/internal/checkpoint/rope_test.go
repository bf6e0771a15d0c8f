package checkpoint

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// ropeOf reads RoPE as the families of the configuration's class do.
func ropeOf(f *File, kind string) []float64 {
	dim := 32 // hidden_size by heads
	if f.ModelType == "qwen3" {
		dim = 128
	}
	dim = f.Int(Key{HF: "head_dim"}, 2, MaxWidth, dim)
	o := RoPEDefaults{ThetaKey: Key{HF: "rope_theta", GGUF: ".rope.freq_base"}, Theta: 10000, Scaled: true, Dim: dim, Positions: f.Int(Key{HF: "max_position_embeddings"}, 1, MaxPositions, 0)}
	switch f.ModelType + " " + kind {
	case "phi3 ":
		o.Partial = true
	case "gemma3_text full_attention":
		o.Theta = 1e6
	case "gemma3_text sliding_attention":
		o.ThetaKey, o.Scaled = Key{HF: "rope_local_base_freq"}, false
	case "modernbert full_attention":
		o.ThetaKey, o.Theta = Key{HF: "global_rope_theta"}, 160000
	case "modernbert sliding_attention":
		o.ThetaKey, o.Scaled, o.ScaledHF = Key{HF: "local_rope_theta"}, false, true
	}
	r := f.RoPE(kind, o)
	return append(r.Frequencies(), r.AttentionFactor())
}

// TestRoPE compares configurations in every form with what transformers makes of
// them; testdata/rope.py made the reference.
func TestRoPE(t *testing.T) {
	data, err := os.ReadFile("testdata/rope.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Kind        string
		Config      json.RawMessage
		Frequencies []float64
		Factor      float64
		Unread      []string // of the class in transformers
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		f := configFile(t, string(c.Config))
		got := ropeOf(f, c.Kind)
		if f.Err() != nil {
			t.Errorf("%s: %v", c.Config, f.Err())
			continue
		}
		want := append(c.Frequencies, c.Factor)
		if len(got) != len(want) {
			t.Errorf("%s: %d numbers, want %d", c.Config, len(got), len(want))
			continue
		}
		for i, w := range want {
			if math.Abs(got[i]-w) > 2e-6*math.Abs(w) {
				t.Errorf("%s, %q: number %d is %v, want %v", c.Config, c.Kind, i, got[i], w)
				break
			}
		}
		for _, kind := range []string{"full_attention", "sliding_attention"} {
			if c.Kind != "" && kind != c.Kind {
				ropeOf(f, kind) // which reads the rest
			}
		}
		unread := slices.DeleteFunc(f.Unread(), func(name string) bool { return !strings.HasPrefix(name, "rope") && !strings.HasSuffix(name, "theta") })
		if !slices.Equal(unread, c.Unread) {
			t.Errorf("%s: %q have not been read, want %q", c.Config, unread, c.Unread)
		}
	}
}

func TestRoPERefuses(t *testing.T) {
	for _, c := range []struct{ settings, want string }{
		{`"rope_scaling": {"type": "mystery", "factor": 2}`, `"mystery"`},
		{`"rope_scaling": {"type": "linear"}`, "rope_scaling.factor"},
		{`"rope_scaling": {"type": "linear", "factor": "2"}`, "rope_scaling.factor"},
		{`"rope_scaling": {"type": "linear", "factor": NaN}`, "rope_scaling.factor"},
		{`"rope_parameters": {"rope_theta": -1}`, "rope_parameters.rope_theta"},
		{`"rope_theta": 0.5`, "rope_theta"},
		{`"partial_rotary_factor": 0.5`, "partial rotation"},
		{`"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}`, "high_freq_factor"},
		{`"rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1], "original_max_position_embeddings": 4096}`, "short_factor"},
		{`"rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1], "original_max_position_embeddings": 64}`, "64 tokens"},
		{`"rope_theta": 1, "rope_scaling": {"type": "yarn", "factor": 8}`, "more than 1"},
	} {
		f := configFile(t, `{"model_type": "llama", "max_position_embeddings": 4096, `+c.settings+`}`)
		ropeOf(f, "")
		if f.Err() == nil || !strings.Contains(f.Err().Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", c.settings, f.Err(), c.want)
		}
	}
}

// TestRoPEExport: what is written is read back, in every way that GGUF has.
func TestRoPEExport(t *testing.T) {
	for _, settings := range []string{
		`"rope_theta": 500000`,
		`"rope_scaling": {"type": "linear", "factor": 4}`,
		`"rope_scaling": {"type": "ntk", "factor": 8}`,
		`"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 512, "mscale": 1.0, "mscale_all_dim": 0.5}`,
		`"rope_scaling": {"type": "yarn", "factor": 4, "beta_fast": 16, "beta_slow": 2, "truncate": false}`,
		`"rope_scaling": {"type": "yarn", "factor": 4, "attention_factor": 1.5}`,
		`"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 1024}`,
	} {
		f := configFile(t, `{"model_type": "llama", "max_position_embeddings": 4096, `+settings+`}`)
		o := RoPEDefaults{ThetaKey: Key{HF: "rope_theta", GGUF: ".rope.freq_base"}, Theta: 10000, Scaled: true, Dim: 32, Positions: 4096}
		want := f.RoPE("", o)
		g := throughGGUF(t, f, func(e *Export) { e.RoPE(want, nil) })
		got := g.RoPE("", o)
		if f.Err() != nil || g.Err() != nil {
			t.Fatal(settings, f.Err(), g.Err())
		}
		for i, w := range append(want.Frequencies(), want.AttentionFactor()) {
			if v := append(got.Frequencies(), got.AttentionFactor())[i]; math.Abs(v-w) > 1e-6*math.Abs(w) {
				t.Errorf("%s: number %d is %v, want %v", settings, i, v, w)
			}
		}
		if unread := g.Unread(); unread != nil {
			t.Errorf("%s: unread %v", settings, unread)
		}
	}
}

func TestLayerTypes(t *testing.T) {
	rule := func(i, every int) bool { return (i+1)%every == 0 }
	for _, c := range []struct{ settings, want, err string }{
		{`{}`, "001001", ""},
		{`{"layer_types": null}`, "001001", ""},
		{`{"layer_types": ["full_attention","full_attention","sliding_attention","full_attention","full_attention","full_attention"]}`, "110111", ""},
		{`{"layer_types": ["full_attention"]}`, "", "a list of 6 kinds"},
		{`{"layer_types": ["full_attention","full_attention","chunked_attention","full_attention","full_attention","full_attention"]}`, "", "chunked_attention"},
		{`{"layer_types": 7}`, "", "layer_types"},
	} {
		f := configFile(t, c.settings)
		global := f.LayerTypes(6, func(i int) bool { return rule(i, 3) })
		if c.err != "" {
			if f.Err() == nil || !strings.Contains(f.Err().Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.settings, f.Err(), c.err)
			}
			continue
		}
		if got := bitString(global); got != c.want || f.Err() != nil {
			t.Errorf("%s: %s, %v; want %s", c.settings, got, f.Err(), c.want)
		}
		k := Key{GGUF: ".attention.sliding_window_pattern"}
		g := throughGGUF(t, f, func(e *Export) { e.LayerTypes(global, 3, rule) })
		every := g.Pattern(k, 5)
		if got := bitString(g.LayerTypes(6, func(i int) bool { return rule(i, every) })); got != c.want || g.Err() != nil || g.Unread() != nil {
			t.Errorf("%s through GGUF: %s, %v, unread %v; want %s", c.settings, got, g.Err(), g.Unread(), c.want)
		}
	}
	g := ggufFile(t, []gguf.KV{{Key: "x.attention.sliding_window_pattern", Value: []bool{true}}}, nil)
	if g.LayerTypes(2, func(int) bool { return true }); g.Err() == nil || !isFormat(g.Err()) {
		t.Errorf("a list of one layer for two: %v", g.Err())
	}
}

func bitString(list []bool) string {
	var b strings.Builder
	for _, v := range list {
		b.WriteByte("01"[map[bool]int{true: 1}[v]])
	}
	return b.String()
}

func isFormat(err error) bool { _, ok := err.(*fault.FormatError); return ok }
