package engine

import (
	"fmt"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

func newRandomModern(hidden, heads, intermediate, layers, positions, vocab, band int) *randomModel {
	m := newRandom(map[string]any{
		"architectures": []string{"ModernBertForSequenceClassification"}, "model_type": "modernbert", "hidden_activation": "gelu",
		"hidden_size": hidden, "num_attention_heads": heads, "intermediate_size": intermediate, "num_hidden_layers": layers,
		"max_position_embeddings": positions, "vocab_size": vocab, "norm_eps": 1e-5, "classifier_pooling": "mean",
		"global_attn_every_n_layers": 3, "local_attention": band, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
		"id2label": map[string]string{"0": "LABEL_0"},
	})
	weight := func(name string, out, in int) { m.shapes[name+".weight"] = []int{out, in} }
	norm := func(name string) {
		m.norm(name, hidden)
		delete(m.shapes, name+".bias")
	}
	weight("model.embeddings.tok_embeddings", vocab, hidden)
	norm("model.embeddings.norm")
	for i := range layers {
		l := fmt.Sprintf("model.layers.%d.", i)
		if i > 0 {
			norm(l + "attn_norm")
		}
		weight(l+"attn.Wqkv", 3*hidden, hidden)
		weight(l+"attn.Wo", hidden, hidden)
		norm(l + "mlp_norm")
		weight(l+"mlp.Wi", 2*intermediate, hidden)
		weight(l+"mlp.Wo", hidden, intermediate)
	}
	norm("model.final_norm")
	weight("head.dense", hidden, hidden)
	norm("head.norm")
	m.linear("classifier", 1, hidden)
	return m
}

func TestOpenRefusesModernBERT(t *testing.T) {
	testRefusals(t, func() *randomModel { return newRandomModern(16, 2, 24, 4, 64, 1200, 8) }, []refusal{
		{"no norm before attention", func(m *randomModel) { delete(m.shapes, "model.layers.2.attn_norm.weight") },
			fault.ErrFormat, []string{"1 missing (layers.2.attn_norm.weight)", "ModernBERT"}},
		{"missing and unused tensors", func(m *randomModel) {
			delete(m.shapes, "model.layers.1.mlp.Wi.weight")
			m.shapes["model.layers.4.mlp.Wi.weight"] = []int{48, 16}
		}, fault.ErrFormat, []string{"1 missing (layers.1.mlp.Wi.weight)", "unused (model.layers.4.mlp.Wi.weight)"}},
		{"half a gate", func(m *randomModel) { m.shapes["model.layers.0.mlp.Wi.weight"] = []int{24, 16} },
			fault.ErrFormat, []string{"layers.0.mlp.Wi.weight", "[24 16]", "[48 16]"}},
		{"odd heads", func(m *randomModel) { m.config["num_attention_heads"] = 16 },
			fault.ErrFormat, []string{"num_attention_heads", "found 16", "even width"}},
		{"pooling", func(m *randomModel) { m.config["classifier_pooling"] = "max" },
			fault.ErrFormat, []string{"classifier_pooling", `"max"`, `"cls" or "mean"`}},
		{"band", func(m *randomModel) { m.config["local_attention"] = -1 },
			fault.ErrFormat, []string{"local_attention", "-1"}},
		{"global layers", func(m *randomModel) { m.config["global_attn_every_n_layers"] = 0 },
			fault.ErrFormat, []string{"global_attn_every_n_layers", "found 0"}},
		{"base", func(m *randomModel) { m.config["global_rope_theta"] = 0 },
			fault.ErrFormat, []string{"global_rope_theta", "found 0"}},
		{"activation", func(m *randomModel) { m.config["hidden_activation"] = "mish" },
			fault.ErrFormat, []string{"hidden_activation", `"mish"`}},
		{"activation of the head", func(m *randomModel) { m.config["classifier_activation"] = "mish" },
			fault.ErrFormat, []string{"classifier_activation", `"mish"`}},
		{"epsilon", func(m *randomModel) { m.config["norm_eps"] = 0 },
			fault.ErrFormat, []string{"norm_eps", "found 0"}},
		{"NaN", func(m *randomModel) { m.values["model.layers.0.mlp.Wo.weight"] = nanAt(3 * 24) },
			fault.ErrFormat, []string{"model.layers.0.mlp.Wo.weight", "NaN in row 3, column 0"}},
	})
}

// TestModernBERTSpellings: both generations of config.json say the same.
func TestModernBERTSpellings(t *testing.T) {
	sequence := randomSequence(100, 1)
	sequence.Types = nil
	score := func(change func(c map[string]any)) Output {
		r := newRandomModern(64, 2, 96, 5, 128, 1200, 16)
		change(r.config)
		out, err := open(t, r.write(t), Options{}).Score(t.Context(), []Sequence{sequence})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	rope := func(global, local float64) map[string]any {
		return map[string]any{
			"full_attention":    map[string]any{"rope_type": "default", "rope_theta": global},
			"sliding_attention": map[string]any{"rope_type": "default", "rope_theta": local},
		}
	}
	kinds := []string{"full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"}
	old := score(func(map[string]any) {})
	for _, test := range []struct {
		name   string
		change func(c map[string]any)
		same   bool
	}{
		{"the newer", func(c map[string]any) {
			delete(c, "global_rope_theta")
			delete(c, "local_rope_theta")
			delete(c, "global_attn_every_n_layers")
			c["rope_parameters"], c["layer_types"] = rope(160000, 10000), kinds
		}, true},
		{"defaults", func(c map[string]any) {
			for _, name := range []string{"global_rope_theta", "local_rope_theta", "global_attn_every_n_layers", "hidden_activation"} {
				delete(c, name)
			}
		}, true},
		{"other bases", func(c map[string]any) { c["rope_parameters"] = rope(160000, 20000) }, false},
		{"other layers", func(c map[string]any) {
			c["layer_types"] = []string{"full_attention", "sliding_attention", "full_attention", "sliding_attention", "sliding_attention"}
		}, false},
		{"another band", func(c map[string]any) { c["local_attention"] = 20 }, false},
		{"another pooling", func(c map[string]any) { c["classifier_pooling"] = "cls" }, false},
	} {
		if got := score(test.change); (got == old) != test.same {
			t.Errorf("%s: %v, the older spelling %v; want them the same: %v", test.name, got, old, test.same)
		}
	}
}
