package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// copyModel copies a model of testdata and changes texts in its files: old and new
// by file. A file whose new text is "-" is removed, one that is not there is written.
func copyModel(t *testing.T, name string, changes map[string][2]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	for file, change := range changes {
		path := filepath.Join(dir, file)
		if change[1] == "-" {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text := change[1]
		if change[0] != "" {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), change[0]) {
				t.Fatalf("%s does not say %q", file, change[0])
			}
			text = strings.Replace(string(data), change[0], change[1], 1)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestOpenRefusesModules(t *testing.T) {
	format, unsupported := fault.ErrFormat, fault.ErrUnsupported
	type changes = map[string][2]string
	for _, test := range []struct {
		name, model string
		changes     changes
		kind        error
		want        []string
	}{
		{"no JSON", "ettin", changes{"modules.json": {"", "["}}, format, []string{"modules.json", "list of modules"}},
		{"no modules", "ettin", changes{"modules.json": {"", "[]"}}, format, []string{"0 modules"}},
		{"path outside", "ettin", changes{"modules.json": {`"2_Dense"`, `"../2_Dense"`}}, format, []string{"2.path", `"../2_Dense"`}},
		{"no transformer", "ettin", changes{"modules.json": {"modules.transformer.Transformer", "modules.bow.BoW"}}, unsupported, []string{"BoW", "Transformer"}},
		{"unknown module", "ettin", changes{"modules.json": {"dense.Dense", "cnn.CNN"}}, unsupported, []string{`"CNN"`, "Dense"}},
		{"pooling kind", "ettin", changes{"1_Pooling/config.json": {`"cls"`, `"attention"`}}, unsupported, []string{"by attention", "lasttoken"}},
		{"two poolings", "ettin", changes{"1_Pooling/config.json": {`"cls"`, `["cls", "attention"]`}}, unsupported, []string{"cls and attention"}},
		{"pooling width", "ettin", changes{"1_Pooling/config.json": {"32", "33"}}, format, []string{"embedding_dimension", "33", "32"}},
		{"pooling without prompt", "embed-dense", changes{"1_Pooling/config.json": {"true", "false"}}, unsupported, []string{"include_prompt"}},
		{"no pooling", "ettin", changes{"modules.json": {"pooling.Pooling", "dropout.Dropout"}}, unsupported, []string{"without Pooling"}},
		{"dense width", "chain-bert", changes{"2_Dense/config.json": {`"in_features": 32`, `"in_features": 31`}}, format, []string{"2_Dense", "in_features", "31", "32"}},
		{"dense outputs", "chain-bert", changes{"2_Dense/config.json": {`"out_features": 24`, `"out_features": -1`}}, format, []string{"out_features", "-1"}},
		{"dense shape", "embed-dense", changes{"2_Dense/config.json": {`"out_features": 24`, `"out_features": 20`}}, format, []string{"dense.2.linear.weight", "[24 32]", "[20 32]"}},
		{"activation", "ettin", changes{"2_Dense/config.json": {"activation.GELU", "activation.Hardswish"}}, unsupported, []string{"Hardswish", "GELU"}},
		{"own activation", "ettin", changes{"2_Dense/config.json": {"torch.nn.modules.activation.GELU", "mine.GELU"}}, unsupported, []string{"mine.GELU"}},
		{"bias that is not there", "ettin", changes{"2_Dense/config.json": {`"bias": false`, `"bias": true`}}, format, []string{"2_Dense", "bias"}},
		{"bias that is not there, general chain", "chain-bert", changes{"2_Dense/config.json": {`"bias": false`, `"bias": true`}}, format, []string{"2_Dense", "bias"}},
		{"norm width", "chain-bert", changes{"3_LayerNorm/config.json": {"24", "32"}}, format, []string{"dimension", "32", "24"}},
		{"no weights", "chain-bert", changes{"2_Dense/model.safetensors": {"", "-"}}, format, []string{"2_Dense", "no weights"}},
		{"no folder", "chain-bert", changes{"2_Dense": {"", "-"}}, format, []string{"2_Dense"}},
		{"damaged weights", "chain-bert", changes{"2_Dense/model.safetensors": {"", "12345678{}"}}, format, []string{"2_Dense"}},
		{"length", "ettin", changes{"sentence_bert_config.json": {"", `{"max_seq_length": -5}`}}, format, []string{"max_seq_length", "-5"}},
		{"default prompt", "embed-dense", changes{"config_sentence_transformers.json": {`"default_prompt_name": "query"`, `"default_prompt_name": "passage"`}}, format, []string{"default_prompt_name", "passage"}},
		{"prompt that is no text", "embed-dense", changes{"config_sentence_transformers.json": {`"question: "`, `7`}}, format, []string{"prompts.query"}},
		{"mark", "colbert-modernbert", changes{"config_sentence_transformers.json": {`"[Q] "`, `"[Query] "`}}, format, []string{`"[Query] "`}},
		{"length of queries", "colbert-modernbert", changes{"config_sentence_transformers.json": {`"query_length": 24`, `"query_length": 2.5`}}, format, []string{"query_length", "2.5"}},
		{"skipped words", "colbert-modernbert", changes{"config_sentence_transformers.json": {`["!"`, `[7`}}, format, []string{"skiplist_words"}},
		{"band below the queries", "colbert-modernbert", changes{"config.json": {`"local_attention": 96`, `"local_attention": 32`}}, unsupported, []string{"24 tokens", "within 16"}},
		{"width", "colbert-bert", changes{"config.json": {`"hidden_size": 32`, `"hidden_size": 36`}}, format, []string{"[1202 32]", "[1202 36]"}},
		{"expansion", "colbert-multivector", changes{"sentence_bert_config.json": {`"fixed"`, `"min"`}}, unsupported, []string{"query_expansion", "fixed"}},
		{"adapter", "bert-minilm", changes{"adapter_config.json": {"", "{}"}}, unsupported, []string{"adapter_config.json", "merge"}},
		{"pickle", "bert-minilm", changes{"model.safetensors": {"", "-"}, "pytorch_model.bin": {"", "x"}}, unsupported, []string{"pytorch_model.bin", "AutoModelForSequenceClassification", "save_pretrained"}},
		{"pickled encoder", "embed-bge", changes{"model.safetensors": {"", "-"}, "pytorch_model.bin": {"", "x"}}, unsupported, []string{"import AutoModel as"}},
		{"labels", "roberta-nli", changes{"config.json": {`"entailment"`, `"whatever"`}}, unsupported, []string{"3 labels", "1 whatever", "--label"}},
		{"labels of another number", "roberta-nli", changes{"config.json": {`"2": "neutral"`, `"2": "neutral", "3": "more"`}}, format, []string{"[4 32]"}},
		{"language model", "embed-bge", changes{"config.json": {"BertModel", "BertForMaskedLM"}, "modules.json": {"", "-"}, "1_Pooling": {"", "-"}}, unsupported, []string{"BertForMaskedLM"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Open(copyModel(t, test.model, test.changes), Options{})
			if err == nil {
				m.Close()
				t.Fatal("no error")
			}
			if !errors.Is(err, test.kind) {
				t.Errorf("%v is no %v", err, test.kind)
			}
			for _, s := range test.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// TestModuleLayouts: the layouts that sentence-transformers has had mean the same.
func TestModuleLayouts(t *testing.T) {
	texts := []string{"What is deep learning?", "", "naïve café"}
	vectors := func(dir string, o Options) [][]float32 {
		t.Helper()
		m := open(t, dir, o)
		p, err := m.EncodeTexts(context.Background(), texts, TextOptions{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := m.Embed(context.Background(), p.Sequences)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	type changes = map[string][2]string
	same := func(name string, got, want [][]float32) {
		t.Helper()
		if !slices.EqualFunc(got, want, slices.Equal[[]float32]) {
			t.Errorf("%s: other vectors", name)
		}
	}
	want := vectors(copyModel(t, "embed-bge", nil), Options{})
	same("the new form of the pooling", vectors(copyModel(t, "embed-bge", changes{"1_Pooling/config.json": {"", `{"embedding_dimension":32,"pooling_mode":"cls"}`}}), Options{}), want)
	same("no modules.json", vectors(copyModel(t, "embed-bge", changes{"modules.json": {"", "-"}}), Options{}), want)
	same("the class of a language model", vectors(copyModel(t, "embed-bge", changes{"config.json": {"BertModel", "BertForMaskedLM"}}), Options{}), want)
	same("another pooling that is asked for", vectors(copyModel(t, "embed-bge", changes{"1_Pooling/config.json": {"", `{"pooling_mode":"max"}`}}), Options{Pooling: "cls"}), want)
	mean := vectors(copyModel(t, "embed-bge", changes{"1_Pooling/config.json": {"", `{"pooling_mode":"mean"}`}}), Options{})
	same("nothing but the encoder", vectors(copyModel(t, "embed-bge", changes{"modules.json": {"", "-"}, "1_Pooling": {"", "-"}}), Options{}), mean)
	if _, err := Open(copyModel(t, "embed-bge", nil), Options{Pooling: "best"}); err == nil || !strings.Contains(err.Error(), `"best"`) {
		t.Errorf("an unknown pooling gives %v", err)
	}

	// The encoder in a folder of its own.
	dir := copyModel(t, "embed-bge", nil)
	inner := filepath.Join(dir, "0_Transformer")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "sentence_bert_config.json"} {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(inner, name)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "modules.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), `"path": ""`, `"path": "0_Transformer"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	same("the encoder in a folder", vectors(dir, Options{}), want)
}

// TestPrefixes: checkpoints have their encoder's tensors with the class's name before
// them, or without.
func TestPrefixes(t *testing.T) {
	score := func(change func(m *randomModel)) Output {
		t.Helper()
		r := newRandomBERT(16, 2, 24, 2, 64, 1200)
		for name := range r.shapes { // the same weights under either name
			if r.values[name] == nil {
				n := float32(len(strings.TrimPrefix(name, "bert.")))
				r.values[name] = func(i int) float32 { return (float32((i*7+int(n))%19) - 9) * 0.03 }
			}
		}
		change(r)
		m := open(t, r.write(t), Options{})
		out, err := m.Score(context.Background(), []Sequence{{IDs: []int32{5, 77, 300, 9}}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	with := score(func(*randomModel) {})
	without := score(func(m *randomModel) {
		for name, shape := range m.shapes {
			if short, ok := strings.CutPrefix(name, "bert."); ok {
				m.shapes[short], m.values[short] = shape, m.values[name]
				delete(m.shapes, name)
				delete(m.values, name)
			}
		}
	})
	if with != without || with.Logit == 0 {
		t.Errorf("with the prefix %v, without it %v", with, without)
	}
}
