package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// explosive is a model of testdata whose tokenizer makes far too much of a "§".
func explosive(t *testing.T, name string, o Options) *Model {
	t.Helper()
	// No class of its own, which would replace the normalizer.
	dir := copyModel(t, name, map[string][2]string{"tokenizer_config.json": {"", `{"tokenizer_class":"PreTrainedTokenizerFast"}`}})
	path := filepath.Join(dir, "tokenizer.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	stages := []any{map[string]any{"type": "Replace", "pattern": map[string]any{"String": "§"}, "content": strings.Repeat("x", 1<<18)}}
	if n := file["normalizer"]; n != nil {
		stages = append([]any{n}, stages...)
	}
	file["normalizer"] = map[string]any{"type": "Sequence", "normalizers": stages}
	if data, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, dir, o)
}

// TestTooMuch asks models with texts that are too much for their tokenizers: that call
// fails, and the next one, or one beside it, scores as the model whose tokenizer is whole.
func TestTooMuch(t *testing.T) {
	for name, score := range map[string]string{"bert-minilm": "", "qwen3-reranker": "", "qwen2-mxbai2": "", "jina-v3": "",
		"colbert-bert": "", "embed-bge": scoreCosine} {
		t.Run(name, func(t *testing.T) {
			o := Options{Score: score}
			m, whole := explosive(t, name, o), openOwn(t, name, o)
			query, documents := "what is deep learning", []string{"deep learning is a subset", "apples are red"}
			want := scoresOf(t, whole, query, documents)
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() {
					for _, plain := range []bool{false, true} {
						o := EncodeOptions{Plain: plain, MaxDocument: 20 * i, Side: []Side{RightSide, LeftSide}[i%2]}
						for _, texts := range [][]string{{query + "§", "a", "b"}, {query, "a", "b§"}, {query, strings.Repeat("a ", 400) + "§"}} {
							if e, err := m.Encode(t.Context(), texts[0], texts[1:], o); !errors.Is(err, ErrTooMuch) {
								t.Errorf("%.20q, plain %v: %d sequences, %v", texts, plain, len(e.Sequences), err)
							}
						}
					}
					for j, got := range scoresOf(t, m, query, documents) {
						if got != want[j] {
							t.Errorf("document %d beside others: %v, want %v", j, got, want[j])
						}
					}
				})
			}
			all.Wait()
			if s, err := m.Tokenize("§", false); !errors.Is(err, ErrTooMuch) {
				t.Errorf("%d tokens, %v", s.Len(), err)
			}
			if _, err := m.PromptTokens("§"); !errors.Is(err, ErrTooMuch) {
				t.Error(err)
			}
			if score == scoreCosine {
				if _, err := m.EncodeTexts(t.Context(), []string{"a", "§"}, TextOptions{}); !errors.Is(err, ErrTooMuch) {
					t.Error(err)
				}
				if _, err := m.EncodeTexts(t.Context(), []string{"a"}, TextOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestCalibrateTooMuch: 8 bits are chosen by texts, which must be no more than the
// tokenizer takes.
func TestCalibrateTooMuch(t *testing.T) {
	m := explosive(t, "bert-minilm", Options{})
	if _, err := m.calibrationText("§", "a"); !errors.Is(err, ErrTooMuch) {
		t.Errorf("a query: %v", err)
	}
	if _, err := m.calibrationText("a", "§"); !errors.Is(err, ErrTooMuch) {
		t.Errorf("a document: %v", err)
	}
}

// scoresOf are the logits of documents.
func scoresOf(t *testing.T, m *Model, query string, documents []string) []float64 {
	t.Helper()
	e, err := m.Encode(context.Background(), query, documents, EncodeOptions{})
	if err != nil {
		t.Error(err)
		return make([]float64, len(documents))
	}
	out, err := m.Score(context.Background(), e.Sequences)
	if err != nil {
		t.Error(err)
		return make([]float64, len(documents))
	}
	logits := make([]float64, len(out))
	for i, o := range out {
		logits[i] = o.Logit
	}
	return logits
}
