package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// TestStaticRefuses: a table of vectors that does not fit its tokenizer, or rows that are
// not there, end in an error that names the tensor.
func TestStaticRefuses(t *testing.T) {
	const weights = "model.safetensors"
	for _, c := range []struct{ name, old, now, want string }{
		{"no table", `"embeddings"`, `"embeddingz"`, "embedding.weight"},
		{"a mapping of fractions", `{"dtype":"I64"`, `{"dtype":"F64"`, "tensor mapping: found shape [88] of type F64"},
		{"weights of whole numbers", `"weights":{"dtype":"F32"`, `"weights":{"dtype":"I32"`, "tensor weights of type I32"},
	} {
		dir := copyModel(t, "zoo/static-quantised/model", map[string][2]string{weights: {c.old, c.now}})
		if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, fault.ErrFormat) && !errors.Is(err, fault.ErrUnsupported) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	// The last number of the mapping, which is the last but the weights.
	dir := copyModel(t, "zoo/static-quantised/model", nil)
	path := filepath.Join(dir, weights)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header := string(data[8 : 8+binary.LittleEndian.Uint64(data)])
	end := header[strings.Index(header, `"mapping"`):]
	end = end[strings.Index(end, "data_offsets"):]
	var from int
	for _, r := range end[strings.Index(end, "[")+1 : strings.Index(end, ",")] {
		from = 10*from + int(r-'0')
	}
	binary.LittleEndian.PutUint64(data[8+len(header)+from:], 60)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "tensor mapping: found number 0 is 60, expected 0 to 59") {
		t.Errorf("a row that is not there: error %v", err)
	}
}

// TestStaticRanks: the cheapest first stage ranks, too, if it is asked to, and texts
// without a token have the cosine 0.
func TestStaticRanks(t *testing.T) {
	m := open(t, filepath.Join("..", "testdata", "zoo", "static-model2vec", "model"), Options{Score: "cosine"})
	e, err := m.Encode(context.Background(), "deep learning", []string{"deep learning", "", "a router"}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Score(context.Background(), e.Sequences)
	if err != nil {
		t.Fatal(err)
	}
	if one := out[0].Logit; one < 1-1e-6 || one > 1+1e-6 || out[1].Logit != 0 || e.Sequences[1].Len() != 0 || !(out[2].Logit < 0.9) {
		t.Errorf("scores %v", out)
	}
}

// TestStaticLength: StaticEmbedding reads tokenizer.json alone, and has texts cut where that
// says so, whatever stands beside it.
func TestStaticLength(t *testing.T) {
	const folder = "0_StaticEmbedding/"
	for name, c := range map[string]struct {
		tokenizer, config string
		want              int
	}{
		"no limit":              {`"truncation": null`, "", 2001},
		"tokenizer_config.json": {`"truncation": null`, `{"model_max_length": 20}`, 2001},
		"tokenizer.json":        {`"truncation": {"direction": "Right", "max_length": 7, "strategy": "LongestFirst", "stride": 0}`, `{"model_max_length": 20}`, 7},
	} {
		changes := map[string][2]string{folder + "tokenizer.json": {`"truncation": null`, c.tokenizer}}
		if c.config != "" {
			changes[folder+"tokenizer_config.json"] = [2]string{"", c.config}
		}
		dir := copyModel(t, "zoo/static-sentence/model", changes)
		out := filepath.Join(t.TempDir(), "converted.gguf")
		if _, err := Convert(dir, out, quant.F32, nil); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, out} {
			e, err := open(t, path, Options{}).EncodeTexts(context.Background(), []string{strings.Repeat("a ", 2001)}, TextOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(e.Sequences[0].IDs); got != c.want {
				t.Errorf("%s, %s: %d tokens, want %d", name, filepath.Ext(path), got, c.want)
			}
		}
	}
}
