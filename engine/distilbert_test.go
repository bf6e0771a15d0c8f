package engine

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// TestDistilBERTAsBERT reads a DistilBERT with a classifier as llama.cpp's converter
// writes it: as a BERT that has no token types, in which ReLU comes behind cls.
func TestDistilBERTAsBERT(t *testing.T) {
	in, path := filepath.Join("..", "testdata", "distilbert"), filepath.Join(t.TempDir(), "m.gguf")
	if _, err := Convert(in, path, quant.F32, nil); err != nil {
		t.Fatal(err)
	}
	own, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	metadata := []gguf.KV{{Key: "general.architecture", Value: "bert"}, {Key: "tokenizer.ggml.token_type_count", Value: uint32(1)}}
	for _, kv := range own.Metadata() {
		key, ok := strings.CutPrefix(kv.Key, "distilbert.")
		switch {
		case ok && slices.Contains([]string{"vocab_size", "hidden_activation"}, key):
		case ok:
			metadata = append(metadata, gguf.KV{Key: "bert." + key, Value: kv.Value})
		case strings.HasPrefix(kv.Key, "tokenizer."):
			metadata = append(metadata, kv)
		}
	}
	var tensors []gguf.Source
	for _, name := range own.Names() {
		tensor, _ := own.Tensor(name)
		tensors = append(tensors, sourceOf(tensor))
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	m, err := OpenBytes("llama.gguf", b.Bytes(), Options{Precision: F32})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	produce(t, m).equal(t, "llama.cpp's DistilBERT", produce(t, open(t, in, Options{Precision: F32})), 1e-6)
}
