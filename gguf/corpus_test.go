package gguf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/testenv"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
)

// spellings are the tensors' names here and in published checkpoints.
var spellings = []struct{ gguf, published string }{
	{`^token_embd\.`, `*.embeddings.word_embeddings.`},
	{`^token_types\.`, `*.embeddings.token_type_embeddings.`},
	{`^token_embd_norm\.`, `*.embeddings.LayerNorm.`},
	{`^blk\.(\d+)\.attn_(q|k|v)\.`, `*.encoder.layer.$1.attention.self.$2.`},
	{`^blk\.(\d+)\.attn_output\.`, `*.encoder.layer.$1.attention.output.dense.`},
	{`^blk\.(\d+)\.attn_output_norm\.`, `*.encoder.layer.$1.attention.output.LayerNorm.`},
	{`^blk\.(\d+)\.ffn_up\.`, `*.encoder.layer.$1.intermediate.dense.`},
	{`^blk\.(\d+)\.ffn_down\.`, `*.encoder.layer.$1.output.dense.`},
	{`^blk\.(\d+)\.layer_output_norm\.`, `*.encoder.layer.$1.output.LayerNorm.`},
	{`^cls\.output\.`, `classifier.out_proj.`},
	{`^cls\.output\.`, `classifier.`},
	{`^cls\.`, `classifier.dense.`},

	{`^token_embd\.`, `model.embed_tokens.`},
	{`^output_norm\.`, `model.norm.`},
	{`^blk\.(\d+)\.attn_(q|k|v)\.`, `model.layers.$1.self_attn.${2}_proj.`},
	{`^blk\.(\d+)\.attn_output\.`, `model.layers.$1.self_attn.o_proj.`},
	{`^blk\.(\d+)\.attn_(q|k)_norm\.`, `model.layers.$1.self_attn.${2}_norm.`},
	{`^blk\.(\d+)\.attn_norm\.`, `model.layers.$1.input_layernorm.`},
	{`^blk\.(\d+)\.ffn_norm\.`, `model.layers.$1.post_attention_layernorm.`},
	{`^blk\.(\d+)\.ffn_(up|gate|down)\.`, `model.layers.$1.mlp.${2}_proj.`},
}

var letters = strings.NewReplacer(".self.q.", ".self.query.", ".self.k.", ".self.key.", ".self.v.", ".self.value.")

// source finds in the published checkpoint what a tensor was made from.
func source(checkpoint *safetensors.File, name string) (quant.Tensor, bool) {
	for _, s := range spellings {
		re := regexp.MustCompile(s.gguf)
		if !re.MatchString(name) {
			continue
		}
		for _, prefix := range []string{"bert", "roberta"} {
			published := letters.Replace(re.ReplaceAllString(name, strings.Replace(s.published, "*", prefix, 1)))
			if t, ok := checkpoint.Tensor(published); ok {
				return t, true
			}
		}
	}
	return quant.Tensor{}, false
}

func numbers(t *testing.T, x quant.Tensor) []float32 {
	t.Helper()
	y := make([]float32, x.Len())
	if err := quant.Dequantize(y, x.Type, x.Data); err != nil {
		t.Fatalf("%s: %v", x.Name, err)
	}
	return y
}

// distance is the root mean square of differences.
func distance(a, b []float32) float64 {
	var e float64
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		e += d * d
	}
	return math.Sqrt(e / float64(len(a)))
}

// TestCorpus opens the files that llama.cpp made and compares their tensors with
// the checkpoints that they were made from: F32, F16, BF16, Q8_0 and Q4_0 must be
// what quant.Quantize makes of those, to the byte; what it makes of them as Q4_K,
// Q5_K and Q6_K must be no further from them than llama.cpp's is.
func TestCorpus(t *testing.T) {
	dir := testenv.Parity(t)
	compared := make(map[quant.Type]int)
	var ours, theirs float64
	for file, model := range map[string]string{
		"bert-minilm-F16": "bert-minilm", "bert-minilm-with-pooler-F16": "bert-minilm", "xlmr-mmarco-F16": "xlmr-mmarco",
		"xlmr-256-Q8_0": "xlmr-256", "xlmr-256-Q4_K_M": "xlmr-256", "qwen3-256-Q8_0": "qwen3-256", "qwen3-256-Q4_K_M": "qwen3-256",
		"qwen3-256-Q5_K_M": "qwen3-256", "qwen3-256-Q6_K": "qwen3-256", "qwen3-reranker-BF16": "qwen3-reranker", "qwen3-reranker-Q4_0": "qwen3-reranker",
	} {
		f, err := gguf.Open(filepath.Join(dir, "gguf", file+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		checkpoint, err := safetensors.Open(filepath.Join(dir, "models", model))
		if err != nil {
			t.Fatal(err)
		}
		defer checkpoint.Close()
		found := 0
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			want, ok := source(checkpoint, name)
			if !ok {
				continue // tables that the converter makes or cuts
			}
			found++
			if slices.Contains(want.Shape, 1) && len(x.Shape) == 1 {
				want.Shape = x.Shape // a matrix of one row is a vector here
			}
			if !slices.Equal(x.Shape, want.Shape) {
				t.Errorf("%s: %s is %v, want %v", file, name, x.Shape, want.Shape)
				continue
			}
			exact := numbers(t, want)
			got := make([]byte, len(x.Data))
			if err := quant.Quantize(got, x.Type, exact); err != nil {
				t.Fatalf("%s: %s: %v", file, name, err)
			}
			compared[x.Type]++
			switch x.Type {
			case quant.Q4_K, quant.Q5_K, quant.Q6_K:
				mine := distance(numbers(t, quant.Tensor{Type: x.Type, Shape: x.Shape, Data: got}), exact)
				its := distance(numbers(t, x), exact)
				ours, theirs = ours+mine, theirs+its
				if mine > its {
					t.Errorf("%s: %s as %v is %.3g from the checkpoint, llama.cpp's %.3g", file, name, x.Type, mine, its)
				}
			default:
				if !bytes.Equal(got, x.Data) {
					t.Errorf("%s: %s as %v differs", file, name, x.Type)
				}
			}
		}
		if total := len(f.Names()); found < total-3 {
			t.Errorf("%s: only %d of %d tensors were found in %s", file, found, total, model)
		}
	}
	t.Logf("compared: %v; the K types' distances are %.3f of llama.cpp's", compared, ours/theirs)
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K} {
		if compared[typ] == 0 {
			t.Errorf("no tensor of type %v was compared", typ)
		}
	}
}

// TestCorpusOpens opens every file there is.
func TestCorpusOpens(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "gguf")
	var reference struct {
		Files []struct {
			File  string
			Bytes int64
			Types map[string]int `json:"tensor_types"`
		}
	}
	decode(t, filepath.Join(dir, "reference.json"), &reference)
	for _, want := range reference.Files {
		f, err := gguf.Open(filepath.Join(dir, want.File))
		if err != nil {
			t.Error(err)
			continue
		}
		types := make(map[string]int)
		for _, name := range f.Names() {
			x, _ := f.Tensor(name)
			types[x.Type.String()]++
			for i, v := range numbers(t, x) {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Errorf("%s: number %d of %s is %v", want.File, i, name, v)
				}
			}
			if n := len(x.Shape); n > 2 || strings.HasSuffix(name, ".bias") && n != 1 {
				t.Errorf("%s: %s has the shape %v", want.File, name, x.Shape)
			}
		}
		for typ, n := range want.Types {
			if types[typ] != n {
				t.Errorf("%s: %d tensors of %s, want %d", want.File, types[typ], typ, n)
			}
		}
		tokens, ok := f.Strings("tokenizer.ggml.tokens")
		embeddings, _ := f.Tensor("token_embd.weight")
		width, _ := f.Uint(f.Architecture() + ".embedding_length")
		if !ok || len(tokens) > embeddings.Shape[0] || uint64(embeddings.Shape[1]) != width {
			t.Errorf("%s: %d tokens, embeddings of %v, embedding_length %d", want.File, len(tokens), embeddings.Shape, width)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func decode(t *testing.T, path string, x any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, x); err != nil {
		t.Fatal(err)
	}
}

// beyond are the damaged files of the corpus in which the format is whole: only
// who knows the model can see that its settings, vocabulary, set of tensors or
// weights make no sense.
var beyond = []string{
	"no-architecture", "unknown-architecture", "no-block-count", "block-count-1e9",
	"head-count-0", "head-count-3", "width-mismatch", "width-wrong-type", "eps-nan",
	"no-tokens", "tokens-not-strings", "tokens-too-few", "special-id-out-of-range", "token-types-short",
	"missing-tensor", "nan-weight",
}

// TestCorruptCorpus opens the damaged files. None may panic or take more memory
// than 64 MB above its size; those with a fault of format must be refused, by the
// name of the file.
func TestCorruptCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "corrupt")
	var index struct {
		Cases []struct{ Kind, Name, What, Expect string }
	}
	decode(t, filepath.Join(dir, "index.json"), &index)
	opened := make(map[string]bool)
	n := 0
	for _, c := range index.Cases {
		if c.Kind != "gguf" {
			continue
		}
		n++
		path := filepath.Join(dir, "gguf", c.Name, "model.gguf")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := gguf.Open(path)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: opening takes %d bytes", c.Name, used)
		}
		if err == nil {
			opened[c.Name] = true
			f.Close()
		}
		switch {
		case c.Expect != "error":
		case slices.Contains(beyond, c.Name):
			if err != nil {
				t.Errorf("%s (%s): %v; the format is whole", c.Name, c.What, err)
			}
		case err == nil:
			t.Errorf("%s (%s): no error", c.Name, c.What)
		case !errors.Is(err, fault.ErrFormat) && !errors.Is(err, fault.ErrUnsupported) || !strings.HasPrefix(err.Error(), path):
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if n < 50 {
		t.Errorf("only %d cases", n)
	}
	if f, err := gguf.Open(filepath.Join(dir, "base.gguf")); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	for _, name := range beyond {
		if !opened[name] {
			t.Errorf("%s: no such case opened", name)
		}
	}
}
