package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettings changes the configurations of the models in testdata and compares with
// what transformers then computes; testdata/make_settings.py made the reference.
func TestSettings(t *testing.T) {
	var changes []struct {
		What, Model string
		Config      map[string]any // null takes a setting out
		Case        modelCase
	}
	readJSON(t, filepath.Join("..", "testdata", "settings.json"), &changes)
	if len(changes) < 20 {
		t.Fatalf("%d changes", len(changes))
	}
	for _, c := range changes {
		t.Run(c.Model+": "+c.What, func(t *testing.T) {
			t.Parallel()
			c.Case.Model = copyModel(t, c.Model, nil)
			path := filepath.Join(c.Case.Model, "config.json")
			var config map[string]any
			readJSON(t, path, &config)
			for name, value := range c.Config {
				if config[name] = value; value == nil {
					delete(config, name)
				}
			}
			data, err := json.Marshal(config)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			c.Case.check(t)
		})
	}
}

// TestSettingsRefused: what transformers' own ways differ in, or do otherwise than the name
// says, is refused by that name.
func TestSettingsRefused(t *testing.T) {
	for _, c := range []struct{ name, setting string }{
		{"gemma-reranker", `"use_bidirectional_attention": true`},
		{"gemma2-lm", `"use_bidirectional_attention": true`},
		{"zoo/nomic-embed-published/model", `"partial_rotary_factor": 0.5`},
	} {
		m := modelCase{Model: copyModel(t, c.name, map[string][2]string{"config.json": {`"model_type"`, c.setting + `, "model_type"`}}), Refused: strings.Split(c.setting, `"`)[1]}
		m.check(t)
	}
}

// TestTransformerTask: what sentence-transformers loads a transformer for goes before its
// class, and a setting that is left out is what the class has.
func TestTransformerTask(t *testing.T) {
	type changes = map[string][2]string
	for _, c := range []struct {
		name    string
		changes changes
	}{
		{"roberta-nli", changes{
			"config.json":               {"RobertaForSequenceClassification", "RobertaModel"},
			"modules.json":              {"", `[{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]`},
			"sentence_bert_config.json": {"", `{"transformer_task": "sequence-classification"}`},
		}},
		{"qwen3-reranker", changes{
			"config.json":               {"Qwen3ForCausalLM", "Qwen3Model"},
			"modules.json":              {"", `[{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}]`},
			"sentence_bert_config.json": {"", `{"transformer_task": "text-generation"}`},
		}},
	} {
		want := produce(t, open(t, filepath.Join("..", "testdata", c.name), Options{Precision: F32, Template: "none"}))
		got := produce(t, open(t, copyModel(t, c.name, c.changes), Options{Precision: F32, Template: "none"}))
		got.equal(t, c.name, want, 1e-6)
	}
}

// TestClassDefaults: what config.json leaves out is what the class has.
func TestClassDefaults(t *testing.T) {
	_, err := Open(copyModel(t, "distilbert", map[string][2]string{"config.json": {`"n_layers": 2,`, ``}}), Options{})
	if err == nil || !strings.Contains(err.Error(), "64 missing") || strings.Contains(err.Error(), "layer.6.") {
		t.Errorf("DistilBERT without n_layers: error %v, want one of the 64 tensors of the last four of 6 layers", err)
	}
}
