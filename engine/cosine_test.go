package engine

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

// TestCosine: a model that embeds ranks by the cosine of its vectors if it is asked to,
// whatever else is scored with it, and only then.
func TestCosine(t *testing.T) {
	dir := filepath.Join("..", "testdata", "embed-bge")
	var r embeddingReference
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	var documents []string
	for _, x := range r.Texts[1:] {
		documents = append(documents, x.Text)
	}
	ctx := context.Background()
	if _, err := open(t, dir, Options{}).Encode(ctx, "q", documents, EncodeOptions{}); !errors.Is(err, ErrCannotRerank) {
		t.Errorf("without being asked: error %v, want ErrCannotRerank", err)
	}
	if _, err := Open(dir, Options{Score: "yes"}); err == nil || !strings.Contains(err.Error(), "cosine") {
		t.Errorf("the score yes: error %v, want one that names cosine", err)
	}
	var want []Output
	for _, o := range []Options{{Threads: 1, BatchTokens: 1}, {Threads: 2, BatchTokens: 50}, {Threads: 3}} {
		o.Precision, o.Score = F32, "cosine"
		m := open(t, dir, o)
		e, err := m.Encode(ctx, r.Texts[0].Text, documents, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Score(ctx, e.Sequences)
		if err != nil {
			t.Fatal(err)
		}
		for i, out := range got {
			cos := 0.0
			for j, x := range r.Texts[1+i].Embedding {
				cos += x * r.Texts[0].Embedding[j]
			}
			if math.Abs(out.Logit-cos) > 1e-5 || out.Probability != out.Logit {
				t.Errorf("document %d: %v, want %v", i, out, cos)
			}
		}
		if want == nil {
			want = got
		} else if !slices.Equal(got, want) {
			t.Errorf("%d threads: %v, want %v", o.Threads, got, want)
		}
		if info := m.Info(); !slices.Equal(info.Tasks, []string{"rerank", "embed"}) || info.Activation != "cosine" || info.Relevant != "cosine" {
			t.Errorf("tasks %v, activation %q", info.Tasks, info.Activation)
		}
		if _, err := m.Score(ctx, []Sequence{{IDs: []int32{1}}}); err == nil {
			t.Error("a sequence without a query has a score")
		}
	}
}

// TestCosinePrompts: query and document have the prompts that the files have for them,
// in either format; texts are cut as they are asked to be.
func TestCosinePrompts(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "embed-bge"))); err != nil {
		t.Fatal(err)
	}
	settings := `{"prompts": {"query": "what is ", "passage": "about: ", "other": "x"}, "default_prompt_name": "other"}`
	if err := os.WriteFile(filepath.Join(dir, "config_sentence_transformers.json"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.gguf")
	if _, err := Convert(dir, file, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	documents := []string{"Paris is a city", "a b c d e f g h", ""}
	for _, path := range []string{dir, file} {
		m := open(t, path, Options{Precision: F32, Score: "cosine"})
		e, err := m.Encode(ctx, "a city", documents, EncodeOptions{MaxDocument: 5})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Score(ctx, e.Sequences)
		if err != nil {
			t.Fatal(err)
		}
		q, err := m.EncodeTexts(ctx, []string{"a city"}, TextOptions{Prompt: "query"})
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.EncodeTexts(ctx, documents, TextOptions{Prompt: "passage"})
		if err != nil {
			t.Fatal(err)
		}
		added := m.tokenizer.Added(false)
		for i, s := range d.Sequences {
			if n := s.Len() - added; n > 5 {
				s.IDs = slices.Concat(s.IDs[:1+5], s.IDs[1+n:])
			}
			if !slices.Equal(e.Sequences[i].IDs, s.IDs) || e.Full[i] != d.Full[i] {
				t.Errorf("document %d: tokens %v of %d, want %v of %d", i, e.Sequences[i].IDs, e.Full[i], s.IDs, d.Full[i])
			}
			vectors, err := m.Embed(ctx, []Sequence{q.Sequences[0], s})
			if err != nil {
				t.Fatal(err)
			}
			if want := cosine(toFloat64(vectors[0]), toFloat64(vectors[1])); got[i].Logit != want {
				t.Errorf("document %d: %v, want %v", i, got[i].Logit, want)
			}
		}
	}
}
