package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

func TestSettings(t *testing.T) {
	v, err := parseObject("config.json", []byte(`{"eight": 8, "float": 8.0, "half": 8.5, "big": 1e30, "text": "8", "null": null, "list": [8], "small": 1e-12}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		count   int // -1: an error
		epsilon float32
	}{
		{"eight", 8, -1}, {"float", 8, -1}, {"half", -1, -1}, {"big", -1, -1}, {"text", -1, -1},
		{"null", -1, -1}, {"list", -1, -1}, {"small", -1, 1e-12}, {"absent", -1, -1},
	} {
		k := key{test.name, ""}
		s := settings{path: "config.json", values: v}
		if got := s.count(k, 1, 100); s.err == nil && got != test.count || s.err != nil && test.count != -1 {
			t.Errorf("count of %s: %d, %v; want %d", test.name, got, s.err, test.count)
		}
		s.err = nil
		if got := s.epsilon(k); s.err == nil && got != test.epsilon || s.err != nil && test.epsilon != -1 {
			t.Errorf("epsilon of %s: %v, %v; want %v", test.name, got, s.err, test.epsilon)
		}
		if s.err != nil && !errors.Is(s.err, fault.ErrFormat) {
			t.Errorf("%s: %v is no format error", test.name, s.err)
		}
	}
	s := settings{path: "config.json", values: v}
	if got := s.countOr(key{"null", ""}, 1, 100, 7); got != 7 || s.err != nil {
		t.Errorf("a null setting gives %d, %v; want the fallback 7", got, s.err)
	}
}

func TestParseObject(t *testing.T) {
	for _, text := range []string{"", "null", "[]", "8", `{"a":1`, `{"a":NaN}`, `{} {}`, "{}x"} {
		if _, err := parseObject("config.json", []byte(text)); !errors.Is(err, fault.ErrFormat) {
			t.Errorf("%q: %v, want a format error", text, err)
		}
	}
	if _, err := parseObject("config.json", []byte(" {} \n")); err != nil {
		t.Error(err)
	}
}

// noTensors is a model file without tensors.
type noTensors struct{}

func (noTensors) Names() []string                    { return nil }
func (noTensors) Tensor(string) (quant.Tensor, bool) { return quant.Tensor{}, false }
func (noTensors) Release(string)                     {}
func (noTensors) Close() error                       { return nil }

// FuzzConfig: no config.json makes a family panic or load a model without
// tensors.
func FuzzConfig(f *testing.F) {
	for _, name := range append([]string{"qwen3-reranker", "gemma3-lm", "jina-v3"}, ownModels...) {
		data, err := os.ReadFile(filepath.Join("..", "testdata", name, "config.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"hidden_size": 9223372036854775807, "num_hidden_layers": 1e9, "id2label": {"1": 2}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := parseObject("config.json", data)
		if err != nil {
			return
		}
		for name, family := range families {
			m := &file{kind: "safetensors", config: config, architecture: name}
			m.loader.source = noTensors{}
			m.loader.path = "model"
			m.settings = settings{path: "config.json", values: config}
			if _, err := family.build(m); err == nil {
				t.Errorf("%s: no error without tensors", name)
			}
		}
	})
}
