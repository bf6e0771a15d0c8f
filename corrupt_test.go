package winnow

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestCorrupt opens every damaged model of the corpus: it gives an error that
// names the file, where one is expected, and otherwise an error or a score; it
// never panics, never hangs, never answers NaN, and takes no memory beyond the
// file's own size and 64 MB.
func TestCorrupt(t *testing.T) {
	corpus := filepath.Join(testenv.Parity(t), "corrupt")
	var index struct {
		Cases []struct {
			Kind, Name, What, Expect string
			Files, Remove            []string
		}
	}
	readJSON(t, filepath.Join(corpus, "index.json"), &index)
	if len(index.Cases) < 150 {
		t.Fatalf("%d cases", len(index.Cases))
	}
	for _, c := range index.Cases {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			dir := t.TempDir()
			path := dir
			copyFiles(t, dir, filepath.Join(corpus, "base"))
			copyFiles(t, dir, filepath.Join(corpus, c.Kind, c.Name))
			for _, name := range c.Remove {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			if c.Kind == "gguf" {
				path = filepath.Join(dir, "model.gguf")
			}
			done := make(chan error, 1)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			go func() { done <- rankWith(t, path) }()
			select {
			case err := <-done:
				runtime.ReadMemStats(&after)
				if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20+size(t, dir) {
					t.Errorf("%d bytes of memory were taken", taken)
				}
				if strings.HasPrefix(c.Expect, "error or") {
					return
				}
				if err == nil {
					t.Fatalf("%s: no error", c.What)
				}
				if !strings.Contains(err.Error(), filepath.Base(dir)) {
					t.Errorf("%s: the error does not name the file: %v", c.What, err)
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: no answer after 30 seconds", c.What)
			}
		})
	}
	t.Run("base", func(t *testing.T) {
		for _, path := range []string{filepath.Join(corpus, "base"), filepath.Join(corpus, "base.gguf")} {
			if err := rankWith(t, path); err != nil {
				t.Error(err)
			}
		}
	})
}

// rankWith loads the model and ranks some documents. A panic ends the test.
func rankWith(t *testing.T, path string) error {
	m, err := Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	results, err := m.Rerank(context.Background(), query, documents)
	for _, r := range results {
		if math.IsNaN(r.Score) || math.IsInf(r.Logit, 0) || math.IsNaN(r.Logit) {
			t.Errorf("score %v of logit %v", r.Score, r.Logit)
		}
	}
	return err
}

func copyFiles(t *testing.T, to, from string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func size(t *testing.T, dir string) uint64 {
	t.Helper()
	n := uint64(0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		n += uint64(info.Size())
	}
	return n
}
