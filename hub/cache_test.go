package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/hubtest"
)

// TestFind: what the hub's own client left half-way is no model, and a cache that
// points outside is an error.
func TestFind(t *testing.T) {
	const index = `{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`
	for _, c := range []struct {
		name  string
		files map[string]string
		ref   string
		want  string // "" is not cached
		wrong string // another error
	}{
		{name: "whole", files: map[string]string{"config.json": "{}", "tokenizer.json": "{}", "model.safetensors": "w"}, want: "."},
		{name: "no tokenizer", files: map[string]string{"config.json": "{}", "model.safetensors": "w"}},
		{name: "no weights", files: map[string]string{"config.json": "{}", "tokenizer.json": "{}"}},
		{name: "parts", files: map[string]string{"config.json": "{}", "vocab.txt": "", "model.safetensors.index.json": index,
			"model-00001-of-00002.safetensors": "", "model-00002-of-00002.safetensors": ""}, want: "."},
		{name: "a part is missing", files: map[string]string{"config.json": "{}", "vocab.txt": "", "model.safetensors.index.json": index, "model-00001-of-00002.safetensors": ""}},
		{name: "GGUF", files: map[string]string{"m.gguf": ""}, want: "m.gguf"},
		{name: "another GGUF", files: map[string]string{"m-Q8_0.gguf": ""}, ref: "o/n:F16"},
		{name: "GGUF in parts", files: map[string]string{"m-00001-of-00002.gguf": "", "m-00002-of-00002.gguf": ""}, want: "m-00001-of-00002.gguf"},
		{name: "half a GGUF", files: map[string]string{"m-00001-of-00002.gguf": ""}},
		{name: "nothing"},
		{name: "no such revision", files: map[string]string{"m.gguf": ""}, ref: "o/n@v1"},
		{name: "by its commit", files: map[string]string{"m.gguf": ""}, ref: "o/n@" + hubtest.Commit, want: "m.gguf"},
		{name: "outside", files: map[string]string{"../../refs/main": "../../.."}, wrong: "expected a commit"},
		{name: "escapes", files: map[string]string{"../../refs/main": "a\x1b[2J"}, wrong: "expected a commit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			root := filepath.Join(dir, "models--o--n")
			snapshot := filepath.Join(root, "snapshots", hubtest.Commit)
			write := func(path, data string) {
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(data), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			write(filepath.Join(root, "refs", "main"), hubtest.Commit)
			for name, data := range c.files {
				write(filepath.Join(snapshot, filepath.FromSlash(name)), data)
			}
			ref := model
			if c.ref != "" {
				ref, _ = ParseRef(c.ref)
			}
			path, err := Find(dir, ref)
			list, listErr := List(dir)
			if listErr != nil {
				t.Fatal(listErr)
			}
			switch {
			case c.wrong != "":
				if err == nil || errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "\x1b") {
					t.Errorf("%v, want %s", err, c.wrong)
				}
			case c.want == "":
				if !errors.Is(err, ErrNotCached) {
					t.Errorf("%s, %v", path, err)
				}
				if c.ref == "" && len(list) != 0 {
					t.Errorf("listed: %+v", list)
				}
			default:
				if want := filepath.Join(snapshot, c.want); err != nil || path != want {
					t.Errorf("%s, %v, want %s", path, err, want)
				}
				if len(list) != 1 || list[0].Path != path {
					t.Errorf("listed: %+v", list)
				}
			}
		})
	}
	if list, err := List(filepath.Join(t.TempDir(), "none")); err != nil || list != nil {
		t.Errorf("no cache: %v, %v", list, err)
	}
}
