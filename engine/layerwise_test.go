package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// A layerwiseReference is what FlagEmbedding's own code computes in float64, stopping
// behind several layers and with the tokens of documents compressed.
type layerwiseReference struct {
	Query     string
	Documents []string
	Runs      []struct {
		Layer, Ratio int
		Before       []int
		Logits       []float64
	}
}

func eachLayerwise(t *testing.T, test func(t *testing.T, dir string, r layerwiseReference)) {
	for _, name := range []string{"minicpm", "gemma2"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("..", "testdata", "layerwise", name)
			var r layerwiseReference
			readJSON(t, filepath.Join(dir, "reference.json"), &r)
			test(t, dir, r)
		})
	}
}

func scoreAll(t *testing.T, m *Model, query string, documents []string) []float64 {
	t.Helper()
	c := modelCase{Query: query, Documents: documents}
	logits, err := c.score(m)
	if err != nil {
		t.Fatal(err)
	}
	return logits
}

// TestLayerwise compares every layer and compression with the authors' code.
func TestLayerwise(t *testing.T) {
	eachLayerwise(t, func(t *testing.T, dir string, r layerwiseReference) {
		for _, run := range r.Runs {
			o := Options{Precision: F32, Layer: run.Layer, CompressRatio: run.Ratio, CompressLayers: run.Before}
			m := open(t, dir, o)
			got := scoreAll(t, m, r.Query, r.Documents)
			for i, want := range run.Logits {
				if math.Abs(got[i]-want) > 2e-4 {
					t.Errorf("layer %d, %d before %v: document %d has %v, want %v", run.Layer, run.Ratio, run.Before, i, got[i], want)
				}
			}
			if info := m.Info(); info.Layers != run.Layer || info.Unread != nil || info.Activation != "sigmoid" || !strings.HasPrefix(info.Prompt, "bge-reranker-") {
				t.Errorf("layer %d: %d layers, prompt %s, unread %v", run.Layer, info.Layers, info.Prompt, info.Unread)
			}
			// 16 bits are near, whatever is rounded.
			o.Precision, o.roundAll = F16, true
			for i, z := range scoreAll(t, open(t, dir, o), r.Query, r.Documents) {
				if math.Abs(z-run.Logits[i]) > 2e-2 {
					t.Errorf("layer %d in 16 bits: document %d has %v, want %v", run.Layer, i, z, run.Logits[i])
				}
			}
		}
		// Without being asked the model stops behind the last layer.
		if got := scoreAll(t, open(t, dir, Options{Precision: F32}), r.Query, r.Documents); math.Abs(got[0]-r.Runs[0].Logits[0]) > 2e-4 {
			t.Errorf("by default document 0 has %v, want %v", got[0], r.Runs[0].Logits[0])
		}
	})
}

// TestLayerwiseSameBits: a score is the same whatever is scored with it, on any number of
// threads, where tokens become fewer on the way, too.
func TestLayerwiseSameBits(t *testing.T) {
	eachLayerwise(t, func(t *testing.T, dir string, r layerwiseReference) {
		for _, run := range r.Runs {
			for _, precision := range []Precision{F32, Int8} {
				var want []float64
				for _, threads := range []int{1, 2, 3} {
					for _, chunk := range []int{1, 100, 4096} {
						m := open(t, dir, Options{Precision: precision, roundAll: true, Threads: threads, BatchTokens: chunk,
							Layer: run.Layer, CompressRatio: run.Ratio, CompressLayers: run.Before})
						if want == nil {
							for _, d := range r.Documents {
								want = append(want, scoreAll(t, m, r.Query, []string{d})...)
							}
						}
						if got := scoreAll(t, m, r.Query, r.Documents); !slices.Equal(got, want) {
							t.Errorf("layer %d, %v, %d threads, chunks of %d: %v, alone %v", run.Layer, precision, threads, chunk, got, want)
						}
					}
				}
			}
		}
	})
}

// TestLayerwiseRefuses: what a model cannot do ends in an error that says so.
func TestLayerwiseRefuses(t *testing.T) {
	minicpm, gemma := filepath.Join("..", "testdata", "layerwise", "minicpm"), filepath.Join("..", "testdata", "layerwise", "gemma2")
	for _, c := range []struct {
		dir  string
		o    Options
		want string
	}{
		{minicpm, Options{Layer: 1}, "layer 1 has no head: expected 2 to 4"},
		{gemma, Options{Layer: 6}, "layer 6 has no head: expected 2 to 5"},
		{minicpm, Options{CompressRatio: 2, CompressLayers: []int{2}}, "compression of tokens"},
		{gemma, Options{CompressRatio: 2, CompressLayers: []int{2, 2}}, "ascending"},
		{gemma, Options{CompressRatio: 2, CompressLayers: []int{0}}, "from 1"},
		{filepath.Join("..", "testdata", "bert-minilm"), Options{Layer: 2}, "the model has a single head"},
	} {
		if _, err := Open(c.dir, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %+v: error %v, want %q", c.dir, c.o, err, c.want)
		}
	}
	for field, values := range map[string][3]string{
		"layer_wise": {"gemma2", `"layer_wise": true`, `"layer_wise": false`},
		"head_type":  {"minicpm", `"head_type": "simple"`, `"head_type": "raw"`},
	} {
		dir := copyModel(t, "layerwise/"+values[0], map[string][2]string{"config.json": {values[1], values[2]}})
		if _, err := Open(dir, Options{}); !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
	if _, err := Convert(minicpm, filepath.Join(t.TempDir(), "x.gguf"), quant.F32, nil); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("a conversion: error %v", err)
	}
}

// TestCompressedTypes: a sequence says of each token which part of the prompt it is of,
// in order.
func TestCompressedTypes(t *testing.T) {
	m := open(t, filepath.Join("..", "testdata", "layerwise", "gemma2"), Options{CompressRatio: 2, CompressLayers: []int{2}})
	e, err := m.Encode(context.Background(), "q", []string{"a b c", strings.Repeat("word ", 400)}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range e.Sequences {
		if len(s.Types) != len(s.IDs) || !slices.IsSorted(s.Types) || s.Types[0] != 0 || !slices.Contains(s.Types, 1) || s.Types[len(s.Types)-1] != 2 {
			t.Errorf("document %d: %s", i, fmt.Sprint(s.Types))
		}
	}
}
