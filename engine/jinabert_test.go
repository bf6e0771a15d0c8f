package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

func newRandomJina(hidden, heads, intermediate, layers, positions, vocab int) *randomModel {
	m := newRandom(map[string]any{
		"architectures": []string{"JinaBertForSequenceClassification"}, "model_type": "bert", "hidden_act": "gelu",
		"hidden_size": hidden, "num_attention_heads": heads, "intermediate_size": intermediate, "num_hidden_layers": layers,
		"max_position_embeddings": positions, "type_vocab_size": 2, "vocab_size": vocab, "layer_norm_eps": 1e-12,
		"position_embedding_type": "alibi", "feed_forward_type": "geglu", "id2label": map[string]string{"0": "LABEL_0"},
	})
	m.shapes["bert.embeddings.word_embeddings.weight"] = []int{vocab, hidden}
	m.shapes["bert.embeddings.token_type_embeddings.weight"] = []int{2, hidden}
	m.norm("bert.embeddings.LayerNorm", hidden)
	for i := range layers {
		l := fmt.Sprintf("bert.encoder.layer.%d.", i)
		m.linear(l+"attention.self.query", hidden, hidden)
		m.linear(l+"attention.self.key", hidden, hidden)
		m.linear(l+"attention.self.value", hidden, hidden)
		m.linear(l+"attention.output.dense", hidden, hidden)
		m.norm(l+"attention.output.LayerNorm", hidden)
		m.shapes[l+"mlp.gated_layers.weight"] = []int{2 * intermediate, hidden}
		m.linear(l+"mlp.wo", hidden, intermediate)
		m.norm(l+"mlp.layernorm", hidden)
	}
	m.linear("bert.pooler.dense", hidden, hidden)
	m.linear("classifier", 1, hidden)
	return m
}

func TestOpenRefusesJinaBERT(t *testing.T) {
	testRefusals(t, func() *randomModel { return newRandomJina(16, 2, 24, 2, 64, 1200) }, []refusal{
		{"BERT's feed-forward block", func(m *randomModel) {
			delete(m.shapes, "bert.encoder.layer.1.mlp.gated_layers.weight")
			m.linear("bert.encoder.layer.1.intermediate.dense", 24, 16)
		}, fault.ErrFormat, []string{"1 missing (encoder.layer.1.mlp.gated_layers.weight)", "bert.encoder.layer.1.intermediate.dense.weight", "JinaBERT"}},
		{"half a gated layer", func(m *randomModel) { m.shapes["bert.encoder.layer.0.mlp.gated_layers.weight"] = []int{24, 16} },
			fault.ErrFormat, []string{"mlp.gated_layers.weight", "[24 16]", "[48 16]"}},
		{"positions", func(m *randomModel) { m.config["position_embedding_type"] = "absolute" },
			fault.ErrUnsupported, []string{"position_embedding_type", `"absolute"`, "alibi"}},
		{"feed-forward type", func(m *randomModel) { m.config["feed_forward_type"] = "original" },
			fault.ErrUnsupported, []string{"feed_forward_type", `"original"`, "geglu"}},
		{"heads", func(m *randomModel) { m.config["num_attention_heads"] = 3 },
			fault.ErrFormat, []string{"num_attention_heads", "found 3"}},
		{"epsilon", func(m *randomModel) { m.config["layer_norm_eps"] = 0 },
			fault.ErrFormat, []string{"layer_norm_eps", "found 0"}},
		{"NaN", func(m *randomModel) { m.values["bert.encoder.layer.0.mlp.wo.weight"] = nanAt(3 * 24) },
			fault.ErrFormat, []string{"bert.encoder.layer.0.mlp.wo.weight", "NaN in row 3, column 0"}},
	})
}

// A part is a tensor of a GGUF file: rows of one of a safetensors file.
type part struct {
	name     string
	of       string
	from, to int // rows; 0, 0: all
}

// jinaParts are the tensors of a jina-bert-v2 file, with the matrices of queries,
// keys and values and the halves of the gated layer together or apart.
func jinaParts(layers, intermediate int, apart bool) (parts []part) {
	both := func(name, of string) {
		parts = append(parts, part{name: name + ".weight", of: of + ".weight"}, part{name: name + ".bias", of: of + ".bias"})
	}
	parts = append(parts, part{name: "token_embd.weight", of: "bert.embeddings.word_embeddings.weight"},
		part{name: "token_types.weight", of: "bert.embeddings.token_type_embeddings.weight"})
	both("token_embd_norm", "bert.embeddings.LayerNorm")
	for i := range layers {
		to, of := "blk."+strconv.Itoa(i)+".", "bert.encoder.layer."+strconv.Itoa(i)+"."
		both(to+"attn_q", of+"attention.self.query")
		both(to+"attn_k", of+"attention.self.key")
		both(to+"attn_v", of+"attention.self.value")
		both(to+"attn_output", of+"attention.output.dense")
		both(to+"attn_output_norm", of+"attention.output.LayerNorm")
		gated := of + "mlp.gated_layers.weight"
		if apart {
			parts = append(parts, part{to + "ffn_gate.weight", gated, 0, intermediate}, part{to + "ffn_up.weight", gated, intermediate, 2 * intermediate})
		} else {
			parts = append(parts, part{name: to + "ffn_up.weight", of: gated})
		}
		both(to+"ffn_down", of+"mlp.wo")
		both(to+"layer_output_norm", of+"mlp.layernorm")
	}
	both("cls", "bert.pooler.dense")
	both("cls.output", "classifier")
	return parts
}

// TestJinaBERTFromGGUF compares jina-bert-v2 files with the model that they are
// made of.
func TestJinaBERTFromGGUF(t *testing.T) {
	dir := filepath.Join("..", "testdata", "jina-v1-turbo")
	var r reference
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	original := open(t, dir, Options{Precision: F32})
	want, err := original.Score(context.Background(), r.sequences())
	if err != nil {
		t.Fatal(err)
	}
	var words struct {
		Model struct {
			Vocab  map[string]int
			Merges []string
		}
	}
	readJSON(t, filepath.Join(dir, "tokenizer.json"), &words)
	tokens := make([]string, len(words.Model.Vocab))
	types := make([]int32, len(tokens))
	for word, id := range words.Model.Vocab {
		tokens[id], types[id] = word, 1
	}
	for _, special := range []int{0, 1, 2, 4} {
		types[special] = 3
	}
	info := original.Info()
	metadata := []gguf.KV{
		{Key: "general.architecture", Value: "jina-bert-v2"},
		{Key: "jina-bert-v2.block_count", Value: uint32(info.Layers)},
		{Key: "jina-bert-v2.context_length", Value: uint32(r.MaxLength)},
		{Key: "jina-bert-v2.embedding_length", Value: uint32(info.Hidden)},
		{Key: "jina-bert-v2.feed_forward_length", Value: uint32(info.Intermediate)},
		{Key: "jina-bert-v2.attention.head_count", Value: uint32(info.Heads)},
		{Key: "jina-bert-v2.attention.layer_norm_epsilon", Value: float32(1e-12)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "jina-v1-en"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: words.Model.Merges},
		{Key: "tokenizer.ggml.token_type_count", Value: uint32(2)},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.seperator_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.padding_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(3)},
		{Key: "tokenizer.ggml.mask_token_id", Value: uint32(4)},
		{Key: "tokenizer.ggml.add_bos_token", Value: true},
		{Key: "tokenizer.ggml.add_eos_token", Value: true},
		{Key: "tokenizer.ggml.add_sep_token", Value: true},
	}
	write := func(t *testing.T, parts []part) string {
		var sources []gguf.Source
		for _, p := range parts {
			tensor, ok := original.file.Tensor(p.of)
			if !ok {
				t.Fatalf("there is no tensor %s", p.of)
			}
			tensor.Name = p.name
			if p.to > 0 {
				row := tensor.Type.Bytes(tensor.Shape[1])
				tensor = quant.Tensor{Name: p.name, Type: tensor.Type, Shape: []int{p.to - p.from, tensor.Shape[1]}, Data: tensor.Data[p.from*row : p.to*row]}
			}
			sources = append(sources, sourceOf(tensor))
		}
		path := filepath.Join(t.TempDir(), "jina.gguf")
		if err := gguf.WriteFile(path, metadata, sources); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, apart := range map[string]bool{"together": false, "apart": true} {
		t.Run(name, func(t *testing.T) {
			m := open(t, write(t, jinaParts(info.Layers, info.Intermediate, apart)), Options{Precision: F32})
			got, err := m.Score(context.Background(), r.sequences())
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("pair %d: %v, want %v", i, got[i], want[i])
				}
			}
			for i, p := range r.Pairs {
				if p.Truncation != "longest_first" || strings.Contains(r.Documents[p.Document], "<mask>") {
					continue
				}
				pairs, err := m.Encode(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]}, EncodeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(pairs.Sequences[0].IDs); got != fmt.Sprint(p.IDs) {
					t.Errorf("pair %d: ids %v, want %v", i, got, p.IDs)
				}
			}
		})
	}
	t.Run("without the pooler", func(t *testing.T) {
		// As published: the classifier in the pooler's place.
		parts := jinaParts(info.Layers, info.Intermediate, true)
		n := len(parts)
		parts = append(parts[:n-4], part{name: "cls.weight", of: "classifier.weight"}, part{name: "cls.bias", of: "classifier.bias"})
		m, err := Open(write(t, parts), Options{})
		if err == nil {
			m.Close()
			t.Fatal("no error")
		}
		if !strings.Contains(err.Error(), "pooler") {
			t.Errorf("%q does not say that the pooler is missing", err)
		}
	})
}
