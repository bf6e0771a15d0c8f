package tokenizer

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/testenv"
)

func TestBPEGGUF(t *testing.T) {
	dir := testenv.Parity(t)
	names, err := filepath.Glob(filepath.Join(dir, "gguf", "*.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, path := range names {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if kind, _ := f.String("tokenizer.ggml.model"); kind != "gpt2" && kind != "llama" {
			continue
		}
		checked++
		name := filepath.Base(path)
		model := name[:strings.LastIndex(name, "-")]
		t.Run(name, func(t *testing.T) {
			tok, err := FromGGUF(path, f)
			if err != nil {
				t.Fatal(err)
			}
			checkBPEModel(t, tok, readBPEReference(t, filepath.Join(dir, "models", model, "reference.json")))
			like, err := FromDir(filepath.Join(dir, "models", model))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range stressTexts {
				got, want := must(tok.Tokens(nil, s)), must(like.Tokens(nil, s))
				if !slices.Equal(got, want) {
					t.Errorf("%q:\n got %v\nwant %v", s, got, want)
				}
				if strings.Contains(s, "<mask>") {
					continue // a control token in these files, a plain one in tokenizer.json
				}
				if got, want := must(tok.Decode(want, true)), must(like.Decode(want, true)); got != want {
					t.Errorf("decoded %q:\n got %q\nwant %q", s, got, want)
				}
			}
		})
	}
	if checked < 10 {
		t.Errorf("only %d files", checked)
	}
}

// stressTexts are texts in which special tokens, blanks and scripts meet.
var stressTexts = []string{
	"", " ", "  ", "a", " a", "a ", "  two  blanks   three    four     five ", "\n\n\n", "line\r\nline\rline\n \n", "\ttab\t\ttabs",
	"don't DON'T I'Ve we'll ‘quoted’", "12345 1,234.5 ½ Ⅷ ١٢٣", "camelCaseHTTPServer", "日本語テキスト 한국어 中文", "العَرَبِيَّة हिन्दी ไทย", "e\u0301 \u1e9b\u0323 \u212b ﬁ Å",
	"👩‍👩‍👧‍👦🇫🇷 ❤️", "\u00ad\u200b\ufeff\u0000", "▁under▁score ▁▁", "Ġbyte ĠĠ", "<0x41><0x0A>", "[CLS] [SEP][MASK]  [MASK]  [PAD]", "<s></s> <pad> <unk>  <mask>",
	"<|im_start|>user\nhi<|im_end|>", "<think>\n\n</think>\u0338", "<bos><eos><start_of_turn>model\n", strings.Repeat("a", 300), strings.Repeat("ab ", 200), strings.Repeat("é", 120), strings.Repeat("\u0301", 20),
}

// metadata is a GGUF file's metadata in a map.
type metadata map[string]any

func get[T any](m metadata, key string) (T, bool) {
	v, ok := m[key].(T)
	return v, ok
}

func (m metadata) String(key string) (string, bool)    { return get[string](m, key) }
func (m metadata) Strings(key string) ([]string, bool) { return get[[]string](m, key) }
func (m metadata) Floats(key string) ([]float32, bool) { return get[[]float32](m, key) }
func (m metadata) Ints(key string) ([]int64, bool)     { return get[[]int64](m, key) }
func (m metadata) Uint(key string) (uint64, bool)      { return get[uint64](m, key) }
func (m metadata) Bool(key string) (value, ok bool)    { return get[bool](m, key) }
func (m metadata) Bytes(key string) ([]byte, bool)     { return get[[]byte](m, key) }
func (m metadata) with(key string, value any) metadata {
	out := metadata{key: value}
	for k, v := range m {
		if _, ok := out[k]; !ok {
			out[k] = v
		}
	}
	return out
}

// smallGPT2 has the letters a to d, some merges of them, and special tokens.
func smallGPT2(pre string) metadata {
	return metadata{
		"tokenizer.ggml.model":        "gpt2",
		"tokenizer.ggml.pre":          pre,
		"tokenizer.ggml.tokens":       []string{"<s>", "</s>", "<mask>", "a", "b", "c", "d", "Ġ", "ab", "Ġab", "abc", "cd", "1"},
		"tokenizer.ggml.token_type":   []int64{3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		"tokenizer.ggml.merges":       []string{"a b", "c d", "Ġ ab", "ab c"},
		"tokenizer.ggml.bos_token_id": uint64(0),
		"tokenizer.ggml.eos_token_id": uint64(1),
	}
}

func TestGPT2Flags(t *testing.T) {
	type flags struct{ bos, eos, sep bool }
	for _, c := range []struct {
		pre          string
		flags        *flags
		single, pair []int32
	}{
		{"gpt-2", nil, []int32{8}, []int32{8, 11}},
		{"roberta-bpe", &flags{true, true, true}, []int32{0, 8, 1}, []int32{0, 8, 1, 1, 11, 1}},
		{"jina-v1-en", nil, []int32{8}, []int32{8, 1, 11}}, // the separator is forced
		{"modern-bert", &flags{true, true, false}, []int32{0, 8, 1}, []int32{0, 8, 1, 11, 1}},
		{"qwen2", &flags{}, []int32{8}, []int32{8, 11}},
		{"llama-bpe", nil, []int32{0, 8}, []int32{0, 8, 11}},
	} {
		m := smallGPT2(c.pre)
		if c.flags != nil {
			m["tokenizer.ggml.add_bos_token"] = c.flags.bos
			m["tokenizer.ggml.add_eos_token"] = c.flags.eos
			m["tokenizer.ggml.add_sep_token"] = c.flags.sep
		}
		tok, err := FromGGUF("small.gguf", m)
		if err != nil {
			t.Fatal(err)
		}
		var e Encoding
		if tok.Encode(&e, "ab", 0); !slices.Equal(e.IDs, c.single) {
			t.Errorf("%s: %v, expected %v", c.pre, e.IDs, c.single)
		}
		if err := tok.EncodePair(&e, "ab", "cd", 0, LongestFirst); err != nil || !slices.Equal(e.IDs, c.pair) {
			t.Errorf("%s: pair %v %v, expected %v", c.pre, e.IDs, err, c.pair)
		}
	}
}

// TestPreKinds tokenizes with every known kind and refuses the others.
func TestPreKinds(t *testing.T) {
	for name := range preKinds {
		tok, err := FromGGUF("small.gguf", smallGPT2(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := must(tok.Decode(must(tok.Tokens(nil, "abc dab cd")), false)); got != "abc dab cd" {
			t.Errorf("%s: %q", name, got)
		}
	}
	_, err := FromGGUF("small.gguf", smallGPT2("no-such-kind"))
	if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(err.Error(), `"no-such-kind"`) {
		t.Error(err)
	}
	m := smallGPT2("")
	delete(m, "tokenizer.ggml.pre")
	if _, err := FromGGUF("small.gguf", m); !errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
}

func TestBPEGGUFErrors(t *testing.T) {
	gpt2 := smallGPT2("gpt-2")
	llama := metadata{
		"tokenizer.ggml.model":      "llama",
		"tokenizer.ggml.tokens":     []string{"<unk>", "<s>", "</s>", "▁", "a", "▁a"},
		"tokenizer.ggml.token_type": []int64{2, 3, 3, 1, 1, 1},
		"tokenizer.ggml.scores":     []float32{0, 0, 0, -2, -1, -3},
	}
	if tok, err := FromGGUF("m.gguf", llama); err != nil || !slices.Equal(must(tok.Tokens(nil, "a ab")), []int32{5, 5, 0}) {
		t.Error(err, must(tok.Tokens(nil, "a ab")))
	}
	nan := []float32{0, 0, 0, 0, 0, 0}
	nan[3] /= nan[0]
	for _, c := range []struct {
		m    metadata
		want string
	}{
		{gpt2.with("tokenizer.ggml.merges", []string{"a b", "a b c"}), "model.merges[1]"},
		{gpt2.with("tokenizer.ggml.merges", []string{"a z"}), `the piece "z"`},
		{gpt2.with("tokenizer.ggml.merges", []string{"b b"}), `the piece "bb"`},
		{gpt2.with("tokenizer.ggml.merges", nil), "tokenizer.ggml.merges"},
		{gpt2.with("tokenizer.ggml.bos_token_id", uint64(99)), "bos_token_id"},
		{gpt2.with("tokenizer.ggml.token_type", []int64{1}), "token_type"},
		{llama.with("tokenizer.ggml.scores", []float32{1}), "tokenizer.ggml.scores"},
		{llama.with("tokenizer.ggml.scores", nan), "tokenizer.ggml.scores[3]"},
	} {
		_, err := FromGGUF("m.gguf", c.m)
		if !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected an error about %s", err, c.want)
		}
	}
}
