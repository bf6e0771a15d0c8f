package tokenizer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/testenv"
)

// exportAndRead writes tok as GGUF metadata and reads that again, with the
// tokenizer.json in it where the keys do not suffice.
func exportAndRead(t *testing.T, tok *Tokenizer, types int, whole []byte) (back *Tokenizer, exact bool) {
	t.Helper()
	fields, exact, err := tok.GGUF(types, tok.Size()+3)
	if err != nil {
		t.Fatal(err)
	}
	m := newFieldMap(fields)
	if len(m) != len(fields) {
		t.Error("a key twice")
	}
	if tokens, _ := m.Strings("tokenizer.ggml.tokens"); len(tokens) != tok.Size()+3 {
		t.Errorf("%d pieces for %d rows", len(tokens), tok.Size()+3)
	}
	if !exact {
		m[HuggingFaceKey] = string(whole)
	}
	if back, err = FromGGUF("back.gguf", m); err != nil {
		t.Fatal(err)
	}
	return back, exact
}

// mustExpress are the tokenizers that the keys of GGUF have to suffice for, by
// the end of their directories' names.
var mustExpress = map[string]bool{
	"bert-minilm": true, "bert-2label": true, "xlmr-mmarco": true, "jina-v1-turbo": true, "qwen3-reranker": true, "qwen2-mxbai2": true,
	"jina-v3": true, "llama-lm": true, "modernbert-gte": true, "gemma-reranker": true, "jina-v2-base": true, "deberta-xsmall": false, "xlmr-v2-m3": false,
	"bert-all-minilm": true, "roberta-bytelevel-bpe": true, "qwen3-bpe": true, "gemma3-spm-bpe": true, "modernbert-bpe": true,
	"xlm-roberta-unigram": false,
}

func TestExportModels(t *testing.T) {
	dirs, err := filepath.Glob("../testdata/*/config.json")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no models", err)
	}
	if dir := os.Getenv("WINNOW_PARITY_DIR"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "models", "*", "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, more...)
	}
	for _, dir := range dirs {
		dir = filepath.Dir(dir)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			tok, err := FromDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if fields, exact, err := tok.GGUF(0, 0); err != nil || !exact && whole == nil {
				t.Fatalf("exact %v, error %v", exact, err)
			} else if _, ok := newFieldMap(fields).Uint("tokenizer.ggml.token_type_count"); ok {
				t.Error("a count of token types for a model without any")
			}
			data, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			var config struct {
				Types int `json:"type_vocab_size"`
			}
			if err := json.Unmarshal(data, &config); err != nil {
				t.Fatal(err)
			}
			back, exact := exportAndRead(t, tok, config.Types, whole)
			t.Logf("exact %v: %s", exact, t.Name())
			if want, ok := mustExpress[name]; ok && exact != want {
				t.Errorf("exact %v, expected %v", exact, want)
			}
			if tok.pad != back.pad && tok.pad >= 0 {
				t.Errorf("padding %d, expected %d", back.pad, tok.pad)
			}
			if data, err = os.ReadFile(filepath.Join(dir, "reference.json")); err != nil {
				t.Fatal(err)
			}
			var ref struct {
				Queries, Documents []string
				Texts              []struct{ Text string }
				Greedy             []struct{ Prompt string }
			}
			if err := json.Unmarshal(data, &ref); err != nil {
				t.Fatal(err)
			}
			texts := slices.Concat(stressTexts, ref.Queries, ref.Documents)
			for _, s := range ref.Texts {
				texts = append(texts, s.Text)
			}
			for _, s := range ref.Greedy {
				texts = append(texts, s.Prompt)
			}
			for i, text := range texts {
				if other := texts[(i+1)%len(texts)]; !tok.agrees(back, text, other) {
					t.Errorf("%.80q, %.80q: %v, expected %v", text, other, must(back.Tokens(nil, text)), must(tok.Tokens(nil, text)))
				}
			}
			for _, q := range ref.Queries {
				for _, d := range ref.Documents {
					if !tok.agrees(back, q, d) {
						t.Errorf("%.80q, %.80q", q, d)
					}
				}
			}
		})
	}
}

func TestExportReal(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "tokenizers")
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no tokenizers in %s", dir)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			whole := readGzip(t, filepath.Join(name, "tokenizer.json.gz"))
			tok, err := FromJSON(name, whole)
			if err != nil {
				t.Fatal(err)
			}
			back, exact := exportAndRead(t, tok, 1, whole)
			t.Logf("exact %v: %s", exact, t.Name())
			if want, ok := mustExpress[filepath.Base(name)]; ok && exact != want {
				t.Errorf("exact %v, expected %v", exact, want)
			}
			var ref reference
			if err := json.Unmarshal(readGzip(t, filepath.Join(name, "reference.json.gz")), &ref); err != nil {
				t.Fatal(err)
			}
			checkReference(t, back, &ref)
		})
	}
}

// TestExportSmall exports tokenizers of every make: those that are called exact
// must be.
func TestExportSmall(t *testing.T) {
	for _, c := range smallCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromJSON(c.Name, c.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			if m := tok.model.(*bpe); m.opts.prefix != "" || m.opts.suffix != "" {
				if _, _, err := tok.GGUF(0, 0); !errors.Is(err, fault.ErrUnsupported) {
					t.Errorf("error %v", err)
				}
				return
			}
			back, exact := exportAndRead(t, tok, 0, c.Tokenizer)
			t.Logf("exact %v: %s", exact, t.Name())
			for _, row := range c.Rows {
				if got := must(back.Tokens(nil, row.Text)); !slices.Equal(got, row.IDs) {
					t.Errorf("%q (exact %v):\n got %v\nwant %v", row.Text, exact, got, row.IDs)
				}
			}
		})
	}
}

// TestExportNames compares the fields with those of the files that
// llama.cpp's converter made of the same models.
func TestExportNames(t *testing.T) {
	for _, c := range []struct {
		dir, model, pre string
		ids             map[string]uint32
		flags           [3]bool // BOS, EOS, SEP
	}{
		{"bert-minilm", "bert", "bert-bge", map[string]uint32{"bos": 9, "eos": 10, "unknown": 8, "seperator": 10, "padding": 0, "mask": 11}, [3]bool{true, true, false}},
		{"xlmr-mmarco", "t5", "default", map[string]uint32{"bos": 0, "eos": 2, "unknown": 3, "seperator": 2, "padding": 1, "mask": 1201}, [3]bool{true, true, true}},
		{"modernbert-gte", "gpt2", "modern-bert", map[string]uint32{"bos": 1227, "eos": 1228, "unknown": 1226, "seperator": 1228, "padding": 1229, "mask": 1230}, [3]bool{true, true, false}},
		{"qwen3-reranker", "gpt2", "qwen2", map[string]uint32{"eos": 1402, "padding": 1400}, [3]bool{}},
		{"jina-v1-turbo", "gpt2", "roberta-bpe", map[string]uint32{"bos": 0, "eos": 2, "unknown": 3, "seperator": 2, "padding": 1, "mask": 4}, [3]bool{true, true, true}},
		{"llama-lm", "llama", "default", map[string]uint32{"bos": 1, "eos": 2, "unknown": 0}, [3]bool{true, false, false}},
		{"gemma-reranker", "llama", "default", map[string]uint32{"bos": 2, "eos": 1, "unknown": 3, "padding": 0}, [3]bool{true, false, false}},
	} {
		tok, err := FromDir(filepath.Join("../testdata", c.dir))
		if err != nil {
			t.Fatal(err)
		}
		fields, _, err := tok.GGUF(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		m := newFieldMap(fields)
		if model, _ := m.String("tokenizer.ggml.model"); model != c.model {
			t.Errorf("%s: model %q, expected %q", c.dir, model, c.model)
		}
		if pre, _ := m.String("tokenizer.ggml.pre"); pre != c.pre {
			t.Errorf("%s: pre %q, expected %q", c.dir, pre, c.pre)
		}
		for name, want := range c.ids {
			if id, ok := m.Uint("tokenizer.ggml." + name + "_token_id"); !ok || id != uint64(want) {
				t.Errorf("%s: %s %d, expected %d", c.dir, name, id, want)
			}
		}
		for i, name := range []string{"bos", "eos", "sep"} {
			if flag, ok := m.Bool("tokenizer.ggml.add_" + name + "_token"); !ok || flag != c.flags[i] {
				t.Errorf("%s: add %s %v, expected %v", c.dir, name, flag, c.flags[i])
			}
		}
	}
}

// TestInexact changes what the keys cannot say, one thing at a time.
func TestInexact(t *testing.T) {
	whole, err := os.ReadFile("../testdata/bert-minilm/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	compact := string(whole)
	for _, c := range []struct {
		name, old, new string
		exact          bool
	}{
		{"as it is", "", "", true},
		{"cased", `"lowercase": true`, `"lowercase": false`, true},
		{"accents", `"strip_accents": null`, `"strip_accents": false`, true},
		{"ideographs", `"handle_chinese_chars": true`, `"handle_chinese_chars": false`, false},
		{"control characters", `"clean_text": true`, `"clean_text": false`, false},
		{"long words", `"max_input_chars_per_word": 100`, `"max_input_chars_per_word": 90`, false},
		{"pre-tokenizer", `"BertPreTokenizer"`, `"WhitespaceSplit"`, false},
	} {
		if c.old != "" && !strings.Contains(compact, c.old) {
			t.Fatalf("%s: no %s", c.name, c.old)
		}
		text := []byte(strings.Replace(compact, c.old, c.new, 1))
		tok, err := FromJSON(c.name, text)
		if err != nil {
			t.Fatal(err)
		}
		back, exact := exportAndRead(t, tok, 2, text)
		if exact != c.exact {
			t.Errorf("%s: exact %v", c.name, exact)
		}
		if !tok.equals(back) {
			t.Errorf("%s: another tokenizer came back", c.name)
		}
	}
	if _, err := FromGGUF("m.gguf", metadata{HuggingFaceKey: `{"model":`}); !errors.Is(err, fault.ErrFormat) {
		t.Error(err)
	}
}
