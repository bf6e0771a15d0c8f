package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// TestConvert turns every safetensors model into files of several types, and
// compares tokens, scores, vectors and continuations with those of the original.
func TestConvert(t *testing.T) {
	configs, err := filepath.Glob(filepath.Join("..", "testdata", "*", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	zoo, err := filepath.Glob(filepath.Join("..", "testdata", "zoo", "*", "model", "config.json"))
	if err != nil || len(zoo) == 0 {
		t.Fatalf("no models in testdata/zoo (%v)", err)
	}
	configs = append(configs, zoo...)
	if dir := os.Getenv("WINNOW_PARITY_DIR"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "models", "*", "config.json"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no models in %s (%v)", dir, err)
		}
		configs = append(configs, more...)
	}
	for _, path := range configs {
		in := filepath.Dir(path)
		t.Run(filepath.Base(strings.TrimSuffix(filepath.ToSlash(in), "/model")), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			convert := func(in string, to quant.Type, name string) string {
				out := filepath.Join(dir, name+".gguf")
				if _, err := Convert(in, out, to, nil); err != nil {
					t.Fatalf("%v: %v", to, err)
				}
				return out
			}
			original := open(t, in, Options{Precision: F32})
			want := produce(t, original)
			exact := convert(in, quant.F32, "F32")
			m := open(t, exact, Options{Precision: F32})
			got := produce(t, m)
			got.equal(t, "F32", want, 2e-5)
			sameInfo(t, m.Info(), original.Info())
			t.Logf("%s: %d numbers, largest difference %.2g", m.Info().Architecture, len(got.numbers), got.distance(want))
			// The limit is of a number's error, as a share of the row's largest.
			for _, c := range []struct {
				to    quant.Type
				limit float64
			}{{quant.F16, 1.0 / 2047}, {quant.BF16, 1.0 / 255}, {quant.Q8_0, 1.0 / 220}, {quant.Q6_K, 0.05}, {quant.Q5_K, 0.12}, {quant.Q4_K, 0.2}, {quant.Q4_0, 0.2}} {
				out := convert(in, c.to, c.to.String())
				q := open(t, out, Options{Precision: F32})
				compareTensors(t, m.file, q.file, c.limit)
				// The weights that it stands for, as floats, are another file.
				of := produce(t, open(t, convert(out, quant.F32, c.to.String()+"-F32"), Options{Precision: F32}))
				produce(t, q).equal(t, c.to.String(), of, 2e-5)
			}
			compareTensors(t, m.file, open(t, convert(exact, quant.Q8_0, "again"), Options{}).file, 1.0/220)
		})
	}
}

// TestConvertVariants converts what the models of testdata do not have.
func TestConvertVariants(t *testing.T) {
	type changes = map[string][2]string
	for _, c := range []struct {
		name, model string
		changes     changes
	}{
		{"Llama 3's positions", "llama-lm", changes{"config.json": {`"rope_theta": 10000.0,`, `"rope_theta": 10000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},`}}},
		{"YaRN", "qwen3-reranker", changes{"config.json": {`"rope_scaling": null`, `"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}`}}},
		{"stretched positions", "qwen2-mxbai2", changes{"config.json": {`"rope_theta": 1000000.0,`, `"rope_scaling": {"type": "linear", "factor": 2.5},`}}},
		{"nested positions", "qwen2-mxbai2", changes{"config.json": {`"rope_theta": 1000000.0,`, `"rope_parameters": {"rope_type": "default", "rope_theta": 20000.0},`}}},
		{"stretched global layers", "gemma3-lm", changes{"config.json": {`"rope_scaling": null`, `"rope_scaling": {"rope_type": "linear", "factor": 8.0}`}}},
		{"layers by name", "gemma3-lm", changes{"config.json": {`"sliding_window_pattern": 6`, `"layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "sliding_attention"]`}}},
		{"another pattern", "gemma3-lm", changes{"config.json": {`"sliding_window_pattern": 6`, `"sliding_window_pattern": 3`}}},
		{"scale of scores", "gemma3-lm", changes{"config.json": {`"query_pre_attn_scalar": 32`, `"query_pre_attn_scalar": 50`}}},
		{"Mistral", "llama-lm", changes{"config.json": {`"model_type": "llama",`, `"model_type": "mistral", "architectures": ["MistralForCausalLM"],`}}},
		{"bands by name", "modernbert-gte", changes{"config.json": {`"architectures"`, `"layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"], "architectures"`}}},
		{"maxima", "embed-dense", changes{"1_Pooling/config.json": {`"lasttoken"`, `"max"`}}},
		{"maxima before a classifier", "chain-bert", changes{"1_Pooling/config.json": {`"mean"`, `"max"`}}},
		{"maxima of a decoder's states", "llama-lm", changes{
			"modules.json":          {"", `[{"path": "", "type": "sentence_transformers.models.Transformer"}, {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]`},
			"1_Pooling/config.json": {"", `{"word_embedding_dimension": 64, "pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": false}`}}},
		{"a template that asks for a token the tokenizer does not name", "qwen3-reranker", changes{
			"modules.json":              {"", `[{"path": "", "type": "sentence_transformers.models.Transformer"}]`},
			"sentence_bert_config.json": {"", `{"modality_config": {"message": {"format": "flat"}}}`},
			"chat_template.jinja":       {"", "{{ bos_token or '' }}{% for m in messages %}<{{ m.role }}> {{ m.content }}{% endfor %}"}}},
		{"mean", "embed-dense", changes{"1_Pooling/config.json": {`"lasttoken"`, `"mean"`}}},
		{"length 1 in between", "chain-bert", changes{"modules.json": {`sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm`, `sentence_transformers.models.Normalize`}}},
		{"not of length 1", "embed-dense", changes{"modules.json": {`sentence_transformers.base.modules.normalize.Normalize`, `sentence_transformers.models.Dropout`}}},
		{"lower case", "embed-bge", changes{"sentence_bert_config.json": {`"do_lower_case": false`, `"do_lower_case": true`}}},
		{"labels apart", "roberta-nli", changes{"config.json": {`"architectures"`, `"problem_type": "multi_label_classification", "architectures"`}}},
		{"queries as they are", "colbert-modernbert", changes{"config_sentence_transformers.json": {`"do_query_expansion": true`, `"do_query_expansion": false`}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := copyModel(t, c.model, c.changes)
			out := filepath.Join(t.TempDir(), "m.gguf")
			if _, err := Convert(in, out, quant.F32, nil); err != nil {
				t.Fatal(err)
			}
			original, m := open(t, in, Options{Precision: F32}), open(t, out, Options{Precision: F32})
			want := produce(t, original)
			produce(t, m).equal(t, c.name, want, 2e-5)
			if usual := produce(t, open(t, filepath.Join("..", "testdata", c.model), Options{Precision: F32})); c.name != "Mistral" && c.name != "lower case" && slices.Equal(usual.numbers, want.numbers) {
				t.Error("the change makes no difference")
			}
		})
	}
}

// newRandomDecoder has a classifier of so many labels, and biases where the class
// may have them.
func newRandomDecoder(class, modelType string, labels int, more map[string]any) *randomModel {
	const hidden, heads, shared, dim, intermediate, layers, vocab = 32, 4, 2, 8, 48, 2, 1429
	names := make(map[string]string)
	for i := range labels {
		names[strconv.Itoa(i)] = "LABEL_" + strconv.Itoa(i)
	}
	m := newRandom(map[string]any{
		"architectures": []string{class}, "model_type": modelType, "hidden_size": hidden, "num_attention_heads": heads,
		"num_key_value_heads": shared, "head_dim": dim, "intermediate_size": intermediate, "num_hidden_layers": layers,
		"max_position_embeddings": 256, "vocab_size": vocab, "rms_norm_eps": 1e-6, "rope_theta": 10000, "id2label": names,
	})
	maps.Copy(m.config, more)
	m.shapes["model.embed_tokens.weight"] = []int{vocab, hidden}
	m.shapes["model.norm.weight"], m.shapes["score.weight"] = []int{hidden}, []int{labels, hidden}
	for i := range layers {
		l := fmt.Sprintf("model.layers.%d.", i)
		for name, out := range map[string]int{"q": heads * dim, "k": shared * dim, "v": shared * dim} {
			if modelType == "qwen3" {
				m.shapes[l+"self_attn."+name+"_proj.weight"] = []int{out, hidden}
			} else {
				m.linear(l+"self_attn."+name+"_proj", out, hidden)
			}
		}
		if modelType == "qwen3" {
			m.shapes[l+"self_attn.q_norm.weight"], m.shapes[l+"self_attn.k_norm.weight"] = []int{dim}, []int{dim}
		}
		m.shapes[l+"self_attn.o_proj.weight"] = []int{hidden, heads * dim}
		m.shapes[l+"mlp.gate_proj.weight"], m.shapes[l+"mlp.up_proj.weight"] = []int{intermediate, hidden}, []int{intermediate, hidden}
		m.shapes[l+"mlp.down_proj.weight"] = []int{hidden, intermediate}
		m.shapes[l+"input_layernorm.weight"], m.shapes[l+"post_attention_layernorm.weight"] = []int{hidden}, []int{hidden}
	}
	for name, shape := range m.shapes {
		if len(shape) == 1 && strings.Contains(name, "norm") {
			m.values[name] = func(i int) float32 { return 1 + float32(i%5)/8 }
		} else {
			seed := rand.New(rand.NewPCG(uint64(len(name)), uint64(name[len(name)/2])))
			m.values[name] = func(int) float32 { return float32(seed.NormFloat64()) * 0.3 }
		}
	}
	return m
}

// TestConvertClassifiers converts decoders that have a classifier.
func TestConvertClassifiers(t *testing.T) {
	for _, c := range []struct {
		class, modelType string
		labels           int
		more             map[string]any
		o                Options
	}{
		{"Qwen2ForSequenceClassification", "qwen2", 2, nil, Options{}},
		{"Qwen3ForSequenceClassification", "qwen3", 1, nil, Options{}},
		{"Qwen3ForSequenceClassification", "qwen3", 3, nil, Options{Label: "2"}},
		{"GemmaForSequenceClassification", "gemma", 1, nil, Options{}},
		{"MistralForSequenceClassification", "mistral", 1, nil, Options{}},
		{"LlamaForSequenceClassification", "llama", 1, nil, Options{}},
		{"LlamaForSequenceClassification", "llama", 1, map[string]any{"is_causal": false}, Options{}},
		{"MistralForSequenceClassification", "mistral", 1, map[string]any{"is_causal": false}, Options{}},
		{"LlamaBidirectionalForSequenceClassification", "llama_bidirec", 1, map[string]any{"pooling": "avg", "temperature": 0.2}, Options{}},
	} {
		in := newRandomDecoder(c.class, c.modelType, c.labels, c.more).write(t)
		for _, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
			data, err := os.ReadFile(filepath.Join("..", "testdata", "qwen3-reranker", name))
			if err == nil {
				err = os.WriteFile(filepath.Join(in, name), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(filepath.Join(in, "special_tokens_map.json")); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "m.gguf")
		if _, err := Convert(in, out, quant.F32, nil); err != nil {
			t.Errorf("%s: %v", c.class, err)
			continue
		}
		c.o.Precision = F32
		want := produce(t, open(t, in, c.o))
		produce(t, open(t, out, c.o)).equal(t, fmt.Sprintf("%s, %d labels", c.class, c.labels), want, 2e-5)
		if want.numbers[0] == want.numbers[2] {
			t.Errorf("%s: all scores are %v", c.class, want.numbers[0])
		}
	}
}

// TestConvertBare converts encoders without a head whose names are not BERT's: as
// BERT, where that is what they compute.
func TestConvertBare(t *testing.T) {
	const hidden, vocab = 32, 1200
	distil := newRandom(map[string]any{
		"architectures": []string{"DistilBertModel"}, "model_type": "distilbert", "dim": hidden, "n_heads": 4, "n_layers": 2, "hidden_dim": 48,
		"max_position_embeddings": 64, "vocab_size": vocab, "activation": "gelu",
	})
	distil.shapes["embeddings.word_embeddings.weight"], distil.shapes["embeddings.position_embeddings.weight"] = []int{vocab, hidden}, []int{64, hidden}
	distil.norm("embeddings.LayerNorm", hidden)
	for i := range 2 {
		l := fmt.Sprintf("transformer.layer.%d.", i)
		for _, name := range []string{"q_lin", "k_lin", "v_lin", "out_lin"} {
			distil.linear(l+"attention."+name, hidden, hidden)
		}
		distil.norm(l+"sa_layer_norm", hidden)
		distil.linear(l+"ffn.lin1", 48, hidden)
		distil.linear(l+"ffn.lin2", hidden, 48)
		distil.norm(l+"output_layer_norm", hidden)
	}
	electra := func(width int) *randomModel {
		m := newRandomBERT(hidden, 4, 48, 2, 64, vocab)
		m.config["architectures"], m.config["model_type"], m.config["embedding_size"] = []string{"ElectraModel"}, "electra", width
		for _, name := range slices.Collect(maps.Keys(m.shapes)) {
			shape := m.shapes[name]
			delete(m.shapes, name)
			if rest, ok := strings.CutPrefix(name, "bert."); ok && !strings.HasPrefix(rest, "pooler") {
				m.shapes["electra."+rest] = shape
			}
		}
		if width != hidden {
			for _, name := range []string{"word", "position", "token_type"} {
				name = "electra.embeddings." + name + "_embeddings.weight"
				m.shapes[name] = []int{m.shapes[name][0], width}
			}
			m.norm("electra.embeddings.LayerNorm", width)
			m.linear("electra.embeddings_project", hidden, width)
		}
		return m
	}
	for _, c := range []struct {
		model        *randomModel
		architecture string
	}{{distil, "bert"}, {electra(hidden), "bert"}, {electra(16), "electra"}} {
		in, out := c.model.write(t), filepath.Join(t.TempDir(), "m.gguf")
		if _, err := Convert(in, out, quant.F32, nil); err != nil {
			t.Fatal(err)
		}
		m := open(t, out, Options{Precision: F32})
		if got := m.Info().Architecture; got != c.architecture {
			t.Errorf("architecture %s, want %s", got, c.architecture)
		}
		original := open(t, in, Options{Precision: F32})
		sameInfo(t, m.Info(), original.Info())
		produce(t, m).equal(t, c.architecture, produce(t, original), 2e-5)
	}
}

// TestOpenRefusesKeys damages keys that only winnow writes.
func TestOpenRefusesKeys(t *testing.T) {
	for _, c := range []struct {
		model, key string
		value      any
		want       string
	}{
		{"colbert-bert", "bert.late_interaction.query_length", uint32(2), "a whole number from 4"},
		{"colbert-bert", "bert.late_interaction.query_token_id", uint32(1 << 30), "late_interaction.query_token_id"},
		{"colbert-bert", "bert.late_interaction.document_length", "60", "late_interaction.document_length"},
		{"colbert-bert", "bert.late_interaction.expand", uint32(1), "true or false"},
		{"embed-dense", "bert.prompts.texts", []string{"question: "}, "one for each of the 2 names"},
		{"embed-dense", "bert.prompts.default", "passage", "prompts.default"},
		{"embed-dense", "bert.dense_2_activation", "hardswish", "dense_2_activation"},
		{"embed-dense", "bert.dense_2_residual", true, "dense_2_residual.weight"},
		{"embed-dense", "bert.sequence_length", int32(-1), "sequence_length"},
		{"chain-bert", "bert.classifier.output_labels", []string{"a", "b"}, "one for each of the chain's 1 numbers"},
		{"chain-bert", "bert.classifier.pooling_type", uint32(9), "classifier.pooling_type"},
		{"gemma3-lm", "gemma3.attention.sliding_window_pattern", uint32(0), "sliding_window_pattern"},
	} {
		out := filepath.Join(t.TempDir(), "m.gguf")
		if _, err := Convert(filepath.Join("..", "testdata", c.model), out, quant.F32, nil); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		metadata := slices.DeleteFunc(f.Metadata(), func(kv gguf.KV) bool { return kv.Key == c.key })
		var tensors []gguf.Source
		for _, name := range f.Names() {
			tensor, _ := f.Tensor(name)
			tensors = append(tensors, sourceOf(tensor))
		}
		var b bytes.Buffer
		if err := gguf.Write(&b, append(metadata, gguf.KV{Key: c.key, Value: c.value}), tensors); err != nil {
			t.Fatal(err)
		}
		f.Close()
		m, err := OpenBytes("m.gguf", b.Bytes(), Options{})
		if err == nil {
			m.Close()
			t.Errorf("%s is %v: no error", c.key, c.value)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s is %v: error %q does not say %q", c.key, c.value, err, c.want)
		}
	}
}

// sameInfo compares what a file says of itself with the original.
func sameInfo(t *testing.T, got, want Info) {
	t.Helper()
	type facts struct {
		tasks                                  []string
		dimensions, length, layers, vocabulary int
		pooling, prompt                        string
		unit, listwise                         bool
		prompts                                map[string]string
	}
	of := func(i Info) facts {
		return facts{i.Tasks, i.Dimensions, i.MaxLength, i.Layers, i.Vocabulary, i.Pooling, i.DefaultPrompt, i.Unit, i.Listwise, i.Prompts}
	}
	if !maps.Equal(got.Prompts, want.Prompts) {
		t.Errorf("prompts %v, want %v", got.Prompts, want.Prompts)
	}
	got.Prompts, want.Prompts = nil, nil
	if !reflect.DeepEqual(of(got), of(want)) {
		t.Errorf("%+v, want %+v", of(got), of(want))
	}
}

// A yield is what a model makes of the same texts.
type yield struct {
	ids     []int32
	numbers []float64
}

func produce(t *testing.T, m *Model) yield {
	t.Helper()
	query := "What is deep learning?"
	texts := []string{"Deep learning is a subset of machine learning.", "  Äpfel are red\tand 深度学习 🙂 don't ", "", "a literal [SEP] </s> <mask> <eos> x",
		strings.Repeat("long ", 300)}
	var p yield
	for _, task := range m.Info().Tasks {
		switch task {
		case "rerank":
			pairs, err := m.Encode(context.Background(), query, texts, EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			p.take(pairs)
			out, err := m.Score(context.Background(), pairs.Sequences)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				p.numbers = append(p.numbers, o.Logit, o.Probability)
			}
		case "embed":
			for _, prompt := range append(slices.Sorted(maps.Keys(m.Info().Prompts)), "") {
				pairs, err := m.EncodeTexts(context.Background(), texts, TextOptions{Prompt: prompt})
				if err != nil {
					t.Fatal(err)
				}
				p.take(pairs)
				vectors, err := m.Embed(context.Background(), pairs.Sequences)
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range vectors {
					if m.Info().Unit {
						Normalize(v)
					}
					p.numbers = append(p.numbers, toFloat64(v)...)
				}
			}
		case "complete":
			ids := must(m.PromptTokens(query))
			p.ids = append(p.ids, ids...)
			c, err := m.Complete(context.Background(), ids, CompleteOptions{MaxTokens: 3, Probs: 4})
			if err != nil {
				t.Fatal(err)
			}
			for _, token := range c.Tokens {
				p.ids = append(p.ids, int32(token.ID))
				for _, top := range token.Top {
					p.numbers = append(p.numbers, top.Logprob)
				}
			}
		}
	}
	return p
}

func (p *yield) take(pairs Encoded) {
	for _, s := range pairs.Sequences {
		p.ids = append(append(p.ids, s.IDs...), s.Types...)
		if q, ok := s.group.(*encodedQuery); ok {
			p.ids = append(p.ids, q.sequence.IDs...)
		}
	}
}

func (p yield) equal(t *testing.T, name string, want yield, tolerance float64) {
	t.Helper()
	if !slices.Equal(p.ids, want.ids) {
		t.Errorf("%s: ids %v, want %v", name, p.ids, want.ids)
	}
	if len(p.numbers) != len(want.numbers) || len(p.numbers) == 0 {
		t.Errorf("%s: %d numbers, want %d", name, len(p.numbers), len(want.numbers))
	} else if d := p.distance(want); !(d <= tolerance) {
		t.Errorf("%s: numbers differ by up to %.3g", name, d)
	}
}

// distance is the largest difference of numbers, relative where they are above 1.
func (p yield) distance(want yield) float64 {
	most := 0.0
	for i, x := range p.numbers {
		y := want.numbers[i]
		most = max(most, math.Abs(x-y)/max(1, math.Abs(y)))
	}
	return most
}

// compareTensors asserts that got has the tensors of want, each number within
// limit of the largest in its row.
func compareTensors(t *testing.T, want, got *checkpoint.File, limit float64) {
	t.Helper()
	if len(want.TensorNames()) != len(got.TensorNames()) {
		t.Errorf("%d tensors, want %d", len(got.TensorNames()), len(want.TensorNames()))
	}
	for _, name := range want.TensorNames() {
		a, _ := want.Tensor(name)
		b, ok := got.Tensor(name)
		if !ok || a.Len() != b.Len() {
			t.Errorf("%s: shape %v, want %v", name, b.Shape, a.Shape)
			continue
		}
		x, y := make([]float32, a.Len()), make([]float32, b.Len())
		if err := errors.Join(quant.Dequantize(x, a.Type, a.Data), quant.Dequantize(y, b.Type, b.Data)); err != nil {
			t.Fatal(err)
		}
		width := len(x)
		if len(a.Shape) > 0 {
			width /= a.Shape[0]
		}
		for i := 0; i < len(x); i += width {
			row := 0.0
			for _, v := range x[i : i+width] {
				row = max(row, math.Abs(float64(v)))
			}
			for j := i; j < i+width; j++ {
				if d := math.Abs(float64(x[j] - y[j])); d > limit*row+1e-7 {
					t.Fatalf("%s of %v: number %d is %v, want %v", name, b.Type, j, y[j], x[j])
				}
			}
		}
	}
}

// TestConvertRefuses asserts that nothing is left behind where a conversion
// fails.
func TestConvertRefuses(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	if _, err := Convert(filepath.Join("..", "testdata", "bert-minilm"), out, quant.IQ4_XS, nil); err == nil || !strings.Contains(err.Error(), "q8_0") {
		t.Errorf("type IQ4_XS: error %v, want one that names the types", err)
	}
	if _, err := Convert(filepath.Join(dir, "nothing"), out, quant.F32, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such model: error %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%d files were left", len(entries))
	}
}
