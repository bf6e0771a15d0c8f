package checkpoint

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// noTensors is a model file without tensors.
type noTensors struct{}

func (noTensors) Names() []string                    { return nil }
func (noTensors) Tensor(string) (quant.Tensor, bool) { return quant.Tensor{}, false }
func (noTensors) Release(string)                     {}
func (noTensors) Close() error                       { return nil }

// changed copies a model of testdata and changes texts in its files: old and new
// by file. A file whose new text is "-" is removed, one without an old text is
// written.
func changed(t *testing.T, name string, changes map[string][2]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "..", "testdata", name))); err != nil {
		t.Fatal(err)
	}
	for file, change := range changes {
		path := filepath.Join(dir, file)
		if change[1] == "-" {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text := change[1]
		if change[0] != "" {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(data), change[0]) {
				t.Fatalf("%s does not say %q", file, change[0])
			}
			text = strings.Replace(string(data), change[0], change[1], 1)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readChain opens a model and reads all that sentence-transformers has beside it.
func readChain(t *testing.T, dir string) (*File, *Chain, error) {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { f.Close() })
	c, err := f.Chain(32, "")
	if err == nil {
		_, err = f.SequenceLimit()
	}
	if err == nil {
		_, _, err = f.Prompts()
	}
	if err == nil && c.Pooling == compute.PoolNone {
		words, bad := f.Tokenizer()
		if err = bad; err == nil {
			_, err = f.Late(words, 64, 2000)
		}
	}
	if err == nil {
		err = f.Load(LoadOptions{Family: "Chain", Ignore: func(name string) bool { return !strings.HasPrefix(name, "dense.") }}, c)
	}
	return f, c, err
}

// encoderSays is a sentence_bert_config.json.
func encoderSays(members string) map[string][2]string {
	return map[string][2]string{"sentence_bert_config.json": {"", "{" + members + "}"}}
}

func TestSentenceModelsRefuse(t *testing.T) {
	format, unsupported := fault.ErrFormat, fault.ErrUnsupported
	type changes = map[string][2]string
	for _, test := range []struct {
		name, model string
		changes     changes
		kind        error
		want        []string
	}{
		{"no JSON", "ettin", changes{"modules.json": {"", "["}}, format, []string{"modules.json", "list of modules"}},
		{"no modules", "ettin", changes{"modules.json": {"", "[]"}}, format, []string{"0 modules"}},
		{"path outside", "ettin", changes{"modules.json": {`"2_Dense"`, `"../2_Dense"`}}, format, []string{"2.path", `"../2_Dense"`}},
		{"no transformer", "ettin", changes{"modules.json": {"modules.transformer.Transformer", "modules.bow.BoW"}}, unsupported, []string{"BoW", "Transformer"}},
		{"unknown module", "ettin", changes{"modules.json": {"dense.Dense", "cnn.CNN"}}, unsupported, []string{`"CNN"`, "Dense"}},
		{"pooling kind", "ettin", changes{"1_Pooling/config.json": {`"cls"`, `"attention"`}}, unsupported, []string{"by attention", "lasttoken"}},
		{"two poolings", "ettin", changes{"1_Pooling/config.json": {`"cls"`, `["cls", "attention"]`}}, unsupported, []string{"cls and attention"}},
		{"pooling width", "ettin", changes{"1_Pooling/config.json": {"32", "33"}}, format, []string{"embedding_dimension", "33", "32"}},
		{"pooling of another kind", "ettin", changes{"1_Pooling/config.json": {`"cls"`, `7`}}, format, []string{"pooling_mode", "7"}},
		{"pooling without prompt", "embed-dense", changes{"1_Pooling/config.json": {"true", "false"}}, unsupported, []string{"include_prompt"}},
		{"what the first of two reads", "ettin", changes{"2_Dense/config.json": {`"sentence_embedding"`, `"token_embeddings"`}}, format, []string{"2_Dense", "module_input_name", `"token_embeddings"`, `"sentence_embedding"`}},
		{"what nobody reads", "embed-dense", changes{"2_Dense/config.json": {`"module_output_name": "sentence_embedding"`, `"module_output_name": "elsewhere"`}}, format, []string{"module_output_name", `"elsewhere"`}},
		{"length of vectors", "embed-dense", changes{"config_sentence_transformers.json": {"{", `{"truncate_dim": 0,`}}, format, []string{"truncate_dim", "0"}},
		{"state of another layer", "embed-bge", encoderSays(`"modality_config": {"text": {"method": "forward", "method_output_name": ["hidden_states", 1]}}`), unsupported, []string{"sentence_bert_config.json", "modality_config.text.method_output_name", "hidden_states"}},
		{"method", "embed-bge", encoderSays(`"modality_config": {"text": {"method": "get_text_features", "method_output_name": null}}`), unsupported, []string{"modality_config.text.method", "get_text_features"}},
		{"output", "embed-bge", encoderSays(`"modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, "module_output_name": "features"`), unsupported, []string{"module_output_name", "features"}},
		{"call without special tokens", "embed-bge", encoderSays(`"processing_kwargs": {"text": {"add_special_tokens": false}}`), unsupported, []string{"processing_kwargs.text.add_special_tokens", "false"}},
		{"call that cuts otherwise", "embed-bge", encoderSays(`"processing_kwargs": {"common": {"truncation": "only_second"}}`), unsupported, []string{"processing_kwargs.common.truncation", "only_second"}},
		{"template without its end", "embed-bge", encoderSays(`"processing_kwargs": {"chat_template": {"restore_suffix": false}}`), unsupported, []string{"processing_kwargs.chat_template.restore_suffix"}},
		{"tokenizer's argument", "embed-bge", encoderSays(`"tokenizer_args": {"truncation_side": "left"}`), unsupported, []string{"tokenizer_args.truncation_side", "left"}},
		{"model's argument", "embed-bge", encoderSays(`"model_kwargs": {"gguf_file": "x.gguf"}`), unsupported, []string{"model_kwargs.gguf_file", "x.gguf"}},
		{"tokenizer's length", "embed-bge", encoderSays(`"tokenizer_args": {"model_max_length": 0}`), format, []string{"sentence_bert_config.json", "model_max_length", "0"}},
		{"no pooling", "ettin", changes{"modules.json": {"pooling.Pooling", "dropout.Dropout"}}, unsupported, []string{"without Pooling"}},
		{"dense width", "chain-bert", changes{"2_Dense/config.json": {`"in_features": 32`, `"in_features": 31`}}, format, []string{"2_Dense", "in_features", "31", "32"}},
		{"dense outputs", "chain-bert", changes{"2_Dense/config.json": {`"out_features": 24`, `"out_features": -1`}}, format, []string{"out_features", "-1"}},
		{"dense shape", "embed-dense", changes{"2_Dense/config.json": {`"out_features": 24`, `"out_features": 20`}}, format, []string{"dense.2.linear.weight", "[24 32]", "[20 32]"}},
		{"activation", "ettin", changes{"2_Dense/config.json": {"activation.GELU", "activation.Hardswish"}}, unsupported, []string{"Hardswish", "GELU"}},
		{"own activation", "ettin", changes{"2_Dense/config.json": {"torch.nn.modules.activation.GELU", "mine.GELU"}}, unsupported, []string{"mine.GELU"}},
		{"bias that is not there", "chain-bert", changes{"2_Dense/config.json": {`"bias": false`, `"bias": true`}}, format, []string{"2_Dense", "bias"}},
		{"norm width", "chain-bert", changes{"3_LayerNorm/config.json": {"24", "32"}}, format, []string{"dimension", "32", "24"}},
		{"no weights", "chain-bert", changes{"2_Dense/model.safetensors": {"", "-"}}, format, []string{"2_Dense", "no weights"}},
		{"no folder", "chain-bert", changes{"2_Dense": {"", "-"}}, format, []string{"2_Dense"}},
		{"damaged weights", "chain-bert", changes{"2_Dense/model.safetensors": {"", "12345678{}"}}, format, []string{"2_Dense"}},
		{"length", "ettin", changes{"sentence_bert_config.json": {"", `{"max_seq_length": -5}`}}, format, []string{"max_seq_length", "-5"}},
		{"default prompt", "embed-dense", changes{"config_sentence_transformers.json": {`"default_prompt_name": "query"`, `"default_prompt_name": "passage"`}}, format, []string{"default_prompt_name", "passage"}},
		{"prompt that is no text", "embed-dense", changes{"config_sentence_transformers.json": {`"question: "`, `7`}}, format, []string{"prompts.query"}},
		{"mark", "colbert-modernbert", changes{"config_sentence_transformers.json": {`"[Q] "`, `"[Query] "`}}, format, []string{`"[Query] "`}},
		{"length of queries", "colbert-modernbert", changes{"config_sentence_transformers.json": {`"query_length": 24`, `"query_length": 2.5`}}, format, []string{"query_length", "2.5"}},
		{"skipped words", "colbert-modernbert", changes{"config_sentence_transformers.json": {`["!"`, `[7`}}, format, []string{"skiplist_words"}},
		{"expansion", "colbert-multivector", changes{"sentence_bert_config.json": {`"fixed"`, `"min"`}}, unsupported, []string{"query_expansion", "fixed"}},
		{"words left out of queries", "colbert-multivector", changes{"2_MultiVectorMask/config.json": {`"document"`, `"query"`}}, unsupported, []string{"2_MultiVectorMask", "skiplist_tasks", "query"}},
		{"tokens that alone count", "colbert-multivector", changes{"2_MultiVectorMask/config.json": {`"keep_only_token_ids": null`, `"keep_only_token_ids": [7]`}}, unsupported, []string{"keep_only_token_ids", "[7]"}},
		{"adapter", "bert-minilm", changes{"adapter_config.json": {"", "{}"}}, unsupported, []string{"adapter_config.json", "merge"}},
		{"pickle", "bert-minilm", changes{"model.safetensors": {"", "-"}, "pytorch_model.bin": {"", "x"}}, unsupported, []string{"pytorch_model.bin", "AutoModelForSequenceClassification", "save_pretrained"}},
		{"pickled encoder", "embed-bge", changes{"model.safetensors": {"", "-"}, "pytorch_model.bin": {"", "x"}}, unsupported, []string{"import AutoModel as"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := readChain(t, changed(t, test.model, test.changes))
			if err == nil {
				t.Fatal("no error")
			}
			if !errors.Is(err, test.kind) {
				t.Errorf("%v is no %v", err, test.kind)
			}
			for _, s := range test.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

// TestSentenceModels reads the chains of the models of testdata, and reads them
// again from a GGUF file.
func TestSentenceModels(t *testing.T) {
	for _, c := range []struct{ model, words string }{
		{"embed-bge", "first token → length 1"},
		{"embed-dense", "last token → Dense 24 → length 1"},
		{"chain-bert", "mean of all tokens → Dense 24 → norm → Dense 1"},
		{"ettin", "first token → Dense 32 → norm → Dense 1"},
		{"colbert-bert", "every token → Dense 12"},
		{"colbert-modernbert", "every token → Dense 16"},
		{"colbert-multivector", "every token → Dense 12"},
	} {
		f, chain, err := readChain(t, filepath.Join("..", "..", "..", "testdata", c.model))
		if err != nil {
			t.Errorf("%s: %v", c.model, err)
			continue
		}
		if got := chain.String(); got != c.words {
			t.Errorf("%s: %s, want %s", c.model, got, c.words)
		}
		prompts, usual, _ := f.Prompts()
		var labels []string
		if f.ChainScores(chain) {
			labels = DefaultLabels(chain.Width)
		}
		words, err := f.Tokenizer()
		if err != nil {
			t.Fatal(err)
		}
		var late *LateSettings
		g := throughGGUF(t, f, func(e *Export) {
			e.Chain(chain, labels)
			e.Texts(prompts, usual)
			if f.LowerCase() {
				e.Set(keyLower.GGUF, true)
			}
			e.Tensors()
			if chain.Pooling == compute.PoolNone {
				late, err = f.Late(words, 64, 2000)
				e.Late(late)
			} else {
				e.Add("some", []int{1}, []float32{1})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		again, err := g.Chain(32, "")
		if err != nil {
			t.Fatal(err)
		}
		if again.String() != chain.String() || again.Unit != chain.Unit || again.Width != chain.Width || g.ChainScores(again) != f.ChainScores(chain) {
			t.Errorf("%s through GGUF: %s, want %s", c.model, again, chain)
		}
		p, u, err := g.Prompts()
		if err != nil || !maps.Equal(p, prompts) || u != usual || g.LowerCase() != f.LowerCase() {
			t.Errorf("%s through GGUF: prompts %q, %q, %v; want %q, %q", c.model, p, u, err, prompts, usual)
		}
		if late != nil {
			l, err := g.Late(words, 64, 2000)
			if late.Query.Mark >= 0 { // the mark says it all
				late.Query.Prefix, late.Document.Prefix = "", ""
			}
			if err != nil || l.Query != late.Query || l.Document != late.Document || l.Expand != late.Expand || l.Attend != late.Attend || !maps.Equal(l.Skip, late.Skip) {
				t.Errorf("%s through GGUF: %+v, want %+v; %v", c.model, l, late, err)
			}
		}
		g.Labels()
		if unread := g.Unread(); unread != nil {
			t.Errorf("%s through GGUF: unread %v", c.model, unread)
		}
	}
}

func TestLogitScore(t *testing.T) {
	modules := `[{"path": "", "type": "a.Transformer"}, {"path": "1_LogitScore", "type": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"}]`
	for _, c := range []struct {
		config  string
		yes, no int
		ok      bool
		err     string
	}{
		{`{"true_token_id": 7, "false_token_id": 9}`, 7, 9, true, ""},
		{`{"true_token_id": 7, "false_token_id": null}`, 7, -1, true, ""},
		{`{"true_token_id": 7}`, 7, -1, true, ""},
		{`{}`, 0, 0, false, "true_token_id"},
		{`{"true_token_id": -7}`, 0, 0, false, "-7"},
		{`{"true_token_id": 7, "false_token_id": "no"}`, 0, 0, false, "false_token_id"},
	} {
		f := open(t, folder(t, map[string]string{"config.json": "{}", "modules.json": modules, "1_LogitScore/config.json": c.config}, map[string][]int{"x": {1}}))
		yes, no, ok, err := f.Sentence.LogitScore()
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.config, err, c.err)
			}
		case yes != c.yes || no != c.no || ok != c.ok || err != nil:
			t.Errorf("%s: %d, %d, %v, %v", c.config, yes, no, ok, err)
		}
	}
	if _, _, ok, err := configFile(t, "{}").Sentence.LogitScore(); ok || err != nil {
		t.Errorf("no module: %v, %v", ok, err)
	}
}

// FuzzModules: whatever modules.json holds, there is a list of modules or an error.
func FuzzModules(f *testing.F) {
	for _, name := range []string{"ettin", "embed-dense", "colbert-modernbert"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "..", "testdata", name, "modules.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`[{"type":"Transformer","path":"/"}]`))
	f.Add([]byte(`[{"type":"","path":""}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		modules, err := parseModules(filepath.Join("x", "modules.json"), data)
		if err == nil && len(modules) == 0 {
			t.Error("neither modules nor an error")
		}
		for _, m := range modules {
			if rel, err := filepath.Rel("x", m.Folder); err != nil || !filepath.IsLocal(rel) {
				t.Errorf("a module in %q", m.Folder)
			}
		}
	})
}

// FuzzConfig: no config.json makes reading it panic, and no file without tensors
// is loaded.
func FuzzConfig(f *testing.F) {
	folders, err := filepath.Glob(filepath.Join("..", "..", "..", "testdata", "*", "config.json"))
	if err != nil || len(folders) < 10 {
		f.Fatal(folders, err)
	}
	slices.Sort(folders)
	for _, path := range folders {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"hidden_size": 9223372036854775807, "num_hidden_layers": 1e9, "id2label": {"1": 2}}`))
	f.Add([]byte(`{"hidden_size": NaN, "rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": Infinity}}, "layer_types": [null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ParseObject("config.json", data)
		if err != nil {
			return
		}
		m := &File{Format: Safetensors, Config: config, values: config, source: noTensors{}, Sentence: &SentenceModel{}}
		var s sampleSettings
		m.Read(&s)
		m.Labels()
		m.ConfiguredActivation()
		m.LayerTypes(3, func(int) bool { return true })
		for _, kind := range []string{"", "full_attention", "sliding_attention"} {
			m.RoPE(kind, RoPEDefaults{ThetaKey: Key{HF: "rope_theta"}, Theta: 10000, Scaled: true, Partial: true, Dim: 32, Positions: 128})
		}
		m.Unread()
		if err := m.Load(LoadOptions{Settings: []any{&s}}, &struct {
			Words compute.Embedding `hf:"words" shape:"Vocab hidden"`
		}{}); err == nil {
			t.Error("no error without tensors")
		}
	})
}
