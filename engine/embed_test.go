package engine

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// An embeddingReference is what the float64 implementation makes of texts.
type embeddingReference struct {
	Texts []struct {
		Text      string
		IDs       []int32
		Embedding []float64
	}
}

// embedTolerance is how far a number of a vector of length 1 may be off in float32.
const embedTolerance = 2e-6

// check compares ids and vectors with the reference.
func (r *embeddingReference) check(t *testing.T, m *Model, tolerance float64) {
	t.Helper()
	var texts []string
	for _, x := range r.Texts {
		texts = append(texts, x.Text)
	}
	encoded, err := m.EncodeTexts(context.Background(), texts, TextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Embed(context.Background(), encoded.Sequences)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i, x := range r.Texts {
		if !slices.Equal(encoded.Sequences[i].IDs, x.IDs) {
			t.Errorf("text %d: ids %v, want %v", i, encoded.Sequences[i].IDs, x.IDs)
			continue
		}
		if len(got[i]) != len(x.Embedding) {
			t.Fatalf("text %d: %d numbers, want %d", i, len(got[i]), len(x.Embedding))
		}
		Normalize(got[i])
		for j, want := range x.Embedding {
			worst = max(worst, math.Abs(float64(got[i][j])-want))
		}
	}
	t.Logf("%d texts, largest difference %.2g", len(r.Texts), worst)
	if worst > tolerance {
		t.Errorf("largest difference %.2g, want at most %.2g", worst, tolerance)
	}
}

// eachEmbedder runs a test on the embedding models.
func eachEmbedder(t *testing.T, test func(t *testing.T, dir string)) {
	for _, name := range []string{"embed-bge"} {
		t.Run(name, func(t *testing.T) { test(t, filepath.Join("..", "testdata", name)) })
	}
	t.Run("corpus", func(t *testing.T) {
		corpus := testenv.Parity(t)
		for _, name := range []string{"embed-bge", "embed-e5", "embed-minilm"} {
			t.Run(name, func(t *testing.T) { test(t, filepath.Join(corpus, "models", name)) })
		}
	})
}

func TestEmbeddings(t *testing.T) {
	eachEmbedder(t, func(t *testing.T, dir string) {
		var r embeddingReference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		m := open(t, dir, Options{Precision: F32})
		r.check(t, m, embedTolerance)
		if info := m.Info(); !slices.Equal(info.Tasks, []string{"embed"}) || !info.Unit || info.Dimensions != len(r.Texts[0].Embedding) {
			t.Errorf("tasks %v, unit %v, %d dimensions", info.Tasks, info.Unit, info.Dimensions)
		}
	})
}

// TestEmbeddingsGGUF compares files of llama.cpp's converter with the reference on
// the same weights.
func TestEmbeddingsGGUF(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "gguf")
	var list struct {
		Files []struct {
			File      string
			Reference []struct {
				Text      string
				IDs       []int32
				Embedding []float64
			}
		}
	}
	readJSON(t, filepath.Join(dir, "reference.json"), &list)
	found := 0
	for _, f := range list.Files {
		if len(f.Reference) == 0 || f.Reference[0].Embedding == nil {
			continue
		}
		found++
		t.Run(f.File, func(t *testing.T) {
			r := embeddingReference{Texts: nil}
			r.Texts = append(r.Texts, f.Reference...)
			r.check(t, open(t, filepath.Join(dir, f.File), Options{Precision: F32}), embedTolerance)
		})
	}
	if found != 2 {
		t.Errorf("%d files, want 2", found)
	}
}
