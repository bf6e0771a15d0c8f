//go:build unix

package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/quant"
)

// cutCopies are copies of a model, as a folder and as a GGUF file, with the files that
// their tables and weights are in.
func cutCopies(t *testing.T, name string) map[string]string {
	dir := copyModel(t, name, nil)
	file := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := Convert(dir, file, quant.F16, nil); err != nil {
		t.Fatal(err)
	}
	return map[string]string{dir: filepath.Join(dir, "model.safetensors"), file: file}
}

// isFault says whether the error is that of a page that could not be read.
func isFault(err error) bool {
	var fault interface {
		error
		Addr() uintptr
	}
	return errors.As(err, &fault)
}

// TestCutWhileMapped: a model whose file is cut short while it is used gives errors, and
// the process and other models go on. What needs nothing of the file still works.
func TestCutWhileMapped(t *testing.T) {
	ctx := context.Background()
	other := open(t, filepath.Join("..", "testdata", "bert-minilm"), Options{})
	for _, name := range []string{"bert-minilm", "modernbert-gte", "deberta-xsmall", "qwen3-reranker", "gemma3-lm", "embed-dense", "colbert-bert", "jina-v3"} {
		for path, file := range cutCopiesOf(t, name) {
			m := open(t, path, Options{Threads: 2})
			if err := os.Truncate(file, 64); err != nil {
				t.Fatal(err)
			}
			// Pages that are there already would stay, and the mapping's last one is zeros.
			// Every way of asking reads the table of words.
			asked := 0
			if e, err := m.Encode(ctx, "what is deep learning", []string{"a", "b c", "d"}, EncodeOptions{}); err == nil {
				asked++
				if _, err := m.Score(ctx, e.Sequences); !isFault(err) {
					t.Errorf("%s: scores: error %v, want a fault", path, err)
				}
			}
			if e, err := m.EncodeTexts(ctx, []string{"a", "b c"}, TextOptions{}); err == nil {
				asked++
				if _, err := m.Embed(ctx, e.Sequences); !isFault(err) {
					t.Errorf("%s: vectors: error %v, want a fault", path, err)
				}
			}
			if _, err := m.Complete(ctx, []int32{5, 6, 7}, CompleteOptions{MaxTokens: 1}); err != ErrCannotComplete {
				asked++
				if !isFault(err) {
					t.Errorf("%s: completion: error %v, want a fault", path, err)
				}
			}
			if asked == 0 {
				t.Errorf("%s: nothing could be asked", path)
			}
			if _, err := m.Encode(ctx, "a", []string{"b"}, EncodeOptions{}); err != nil && !strings.Contains(err.Error(), "rerank") {
				t.Errorf("%s: tokens: %v", path, err)
			}
			m.Close()
		}
	}
	e, err := other.Encode(ctx, "a", []string{"b"}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Score(ctx, e.Sequences); err != nil {
		t.Errorf("another model: %v", err)
	}
}

func cutCopiesOf(t *testing.T, name string) map[string]string {
	if name != "jina-v3" { // which has no form in GGUF
		return cutCopies(t, name)
	}
	dir := copyModel(t, name, nil)
	return map[string]string{dir: filepath.Join(dir, "model.safetensors")}
}

// TestCutWhileLoading: a file that is cut short between the reading of its header and that
// of its weights is an error; nothing of the model stays.
func TestCutWhileLoading(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	for _, name := range []string{"bert-minilm", "qwen3-reranker", "gemma3-lm"} {
		for path, file := range cutCopies(t, name) {
			f, err := checkpoint.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			// Between two pages, for what is left of one reads as zeros.
			if err := os.Truncate(file, info.Size()/2/65536*65536); err != nil {
				t.Fatal(err)
			}
			if _, err := load(f, path, Options{Precision: F32}); !isFault(err) || !strings.Contains(err.Error(), filepath.Base(path)) {
				t.Errorf("%s: error %v, want a fault that names the file", path, err)
			}
		}
	}
	for range 1000 {
		if runtime.NumGoroutine() <= goroutines {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
}
