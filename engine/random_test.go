package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A randomModel is a model of any shape with random weights, to be
// written as a Hugging Face directory. Tests change its parts before that.
type randomModel struct {
	config map[string]any
	shapes map[string][]int
	values map[string]func(i int) float32 // in place of random ones
}

func newRandom(config map[string]any) *randomModel {
	return &randomModel{config: config, shapes: make(map[string][]int), values: make(map[string]func(int) float32)}
}

func (m *randomModel) linear(name string, out, in int) {
	m.shapes[name+".weight"], m.shapes[name+".bias"] = []int{out, in}, []int{out}
}

func (m *randomModel) norm(name string, width int) {
	m.shapes[name+".weight"], m.shapes[name+".bias"] = []int{width}, []int{width}
	m.values[name+".weight"] = func(int) float32 { return 1 }
}

func newRandomBERT(hidden, heads, intermediate, layers, positions, vocab int) *randomModel {
	m := newRandom(map[string]any{
		"architectures": []string{"BertForSequenceClassification"}, "model_type": "bert", "hidden_act": "gelu",
		"hidden_size": hidden, "num_attention_heads": heads, "intermediate_size": intermediate, "num_hidden_layers": layers,
		"max_position_embeddings": positions, "type_vocab_size": 2, "vocab_size": vocab, "layer_norm_eps": 1e-12,
		"id2label": map[string]string{"0": "LABEL_0"},
	})
	linear := m.linear
	norm := func(name string) { m.norm(name, hidden) }
	m.shapes["bert.embeddings.word_embeddings.weight"] = []int{vocab, hidden}
	m.shapes["bert.embeddings.position_embeddings.weight"] = []int{positions, hidden}
	m.shapes["bert.embeddings.token_type_embeddings.weight"] = []int{2, hidden}
	norm("bert.embeddings.LayerNorm")
	for i := range layers {
		l := fmt.Sprintf("bert.encoder.layer.%d.", i)
		linear(l+"attention.self.query", hidden, hidden)
		linear(l+"attention.self.key", hidden, hidden)
		linear(l+"attention.self.value", hidden, hidden)
		linear(l+"attention.output.dense", hidden, hidden)
		norm(l + "attention.output.LayerNorm")
		linear(l+"intermediate.dense", intermediate, hidden)
		linear(l+"output.dense", hidden, intermediate)
		norm(l + "output.LayerNorm")
	}
	linear("bert.pooler.dense", hidden, hidden)
	linear("classifier", 1, hidden)
	return m
}

// write makes the directory, with the tokenizer of a parity model, whose
// vocabulary has 1200 words.
func (m *randomModel) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	header := make(map[string]any)
	var data []byte
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(m.shapes)) {
		n, begin := 1, len(data)
		for _, d := range m.shapes[name] {
			n *= d
		}
		value := m.values[name]
		for i := range n {
			v := float32(random.NormFloat64()) * 0.1
			if value != nil {
				v = value(i)
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": m.shapes[name], "data_offsets": []int{begin, len(data)}}
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(m.config)
	if err != nil {
		t.Fatal(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	file = append(append(file, head...), data...)
	files := map[string][]byte{"config.json": config, "model.safetensors": file}
	for _, name := range []string{"tokenizer.json", "vocab.txt", "special_tokens_map.json"} {
		if files[name], err = os.ReadFile(filepath.Join("..", "testdata", "bert-minilm", name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// randomSequence is n tokens of the parity model's vocabulary.
func randomSequence(n int, seed uint64) Sequence {
	random := rand.New(rand.NewPCG(seed, 3))
	s := Sequence{IDs: make([]int32, n), Types: make([]int32, n)}
	for i := range n {
		s.IDs[i] = random.Int32N(1200)
		if i > n/2 {
			s.Types[i] = 1
		}
	}
	return s
}
