package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/quant"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// TestOpenDiagnoses: Open looks at what a path holds (package modeldir) before it
// reads a model, and opens the only GGUF file of a folder.
func TestOpenDiagnoses(t *testing.T) {
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 471000000\n"
	for _, c := range []struct {
		name   string
		change func(dir string) error
		kind   error
		says   string
	}{
		{"weights", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(pointer), 0o600)
		}, fault.ErrFormat, "git lfs pull"},
		{"tokenizer", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(pointer), 0o600)
		}, fault.ErrFormat, "git lfs pull"},
		{"onnx", func(dir string) error {
			return os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "model.onnx"))
		}, fault.ErrUnsupported, "ONNX"},
		{"nothing", func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) }, fault.ErrFormat, "an empty folder"},
	} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := errors.Join(os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "bert-minilm"))), c.change(dir)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	dir := t.TempDir()
	if _, err := Convert(filepath.Join("..", "testdata", "modernbert-gte"), filepath.Join(dir, "only.gguf"), quant.F16, nil); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if info := m.Info(); info.Format != "gguf" || info.Family != "ModernBERT" {
		t.Errorf("%s, %s", info.Format, info.Family)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
