package tokenizer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestCorrupt reads the damaged tokenizers of the parity corpus: each is an
// error of the right kind that names the file, or a tokenizer that works.
func TestCorrupt(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "corrupt")
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Cases []struct {
			Kind, Name, Expect string
			Files              []string
		}
	}
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	unsupported := []string{"unknown-model", "unknown-normalizer", "unknown-pre-tokenizer", "unknown-post-processor"}
	harmless := []string{"vocab-beyond-embeddings"} // only with a model's sizes at hand
	checked := 0
	for _, c := range index.Cases {
		var tok *Tokenizer
		var err error
		switch {
		case c.Kind == "tokenizer":
			files := copyWithout(t, filepath.Join(dir, "base"), "tokenizer.json", "vocab.txt")
			for _, name := range c.Files {
				data, err := os.ReadFile(filepath.Join(dir, c.Kind, c.Name, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(files, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tok, err = FromDir(files)
		case c.Kind == "gguf" && slices.Contains([]string{"no-tokens", "tokens-not-strings", "token-types-short"}, c.Name):
			path := filepath.Join(dir, c.Kind, c.Name, "model.gguf")
			f, openErr := gguf.Open(path)
			if openErr != nil {
				t.Fatal(openErr)
			}
			defer f.Close()
			tok, err = FromGGUF(path, f)
		default:
			continue
		}
		checked++
		if err != nil {
			want := fault.ErrFormat
			if slices.Contains(unsupported, c.Name) {
				want = fault.ErrUnsupported
			}
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "tokenizer.json") && !strings.Contains(err.Error(), "model.gguf") {
				t.Errorf("%s: %v", c.Name, err)
			}
			continue
		}
		if c.Expect == "error" && !slices.Contains(harmless, c.Name) {
			t.Errorf("%s: no error", c.Name)
		}
		for _, s := range stressTexts {
			for _, id := range must(tok.Tokens(nil, s)) {
				if id < 0 || int(id) >= tok.Size() {
					t.Errorf("%s: the id %d of %d", c.Name, id, tok.Size())
				}
			}
			must(tok.Decode(must(tok.Tokens(nil, s)), false)) // none is too much
		}
	}
	if checked < 30 {
		t.Errorf("only %d cases", checked)
	}
}
