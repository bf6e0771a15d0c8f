package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A fileCase is a small tokenizer in one of the layouts of files that models
// are published in, and what the Hugging Face library makes of texts with it.
// testdata/small.py writes them.
type fileCase struct {
	Name  string
	Files map[string]string // by name; "base64:…" for what is no text
	Rows  []struct {
		Text, Decoded string
		IDs, Tokens   []int32
	}
	Pairs []struct {
		A, B, How, Error string
		Max              int
		IDs, Types       []int32
	}
}

func fileCases(t testing.TB) []fileCase {
	t.Helper()
	var cases []fileCase
	if err := json.Unmarshal(readGzip(t, "testdata/small.json.gz"), &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// write puts the files in a new directory.
func (c *fileCase) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name := range c.Files {
		if err := os.WriteFile(filepath.Join(dir, name), c.file(t, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c *fileCase) file(t testing.TB, name string) []byte {
	t.Helper()
	text, ok := strings.CutPrefix(c.Files[name], "base64:")
	if !ok {
		return []byte(text)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFiles compares tokenizers of every scheme and layout of files with the
// Hugging Face library.
func TestFiles(t *testing.T) {
	for _, c := range fileCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromDir(c.write(t))
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, tok)
		})
	}
}

func (c *fileCase) check(t *testing.T, tok *Tokenizer) {
	t.Helper()
	var e Encoding
	for _, row := range c.Rows {
		if tok.Encode(&e, row.Text, 0); !slices.Equal(e.IDs, row.IDs) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", row.Text, e.IDs, row.IDs)
		}
		if got := must(tok.Tokens(nil, row.Text)); !slices.Equal(got, row.Tokens) {
			t.Errorf("Tokens(%q)\n got %v\nwant %v", row.Text, got, row.Tokens)
		}
		if got := must(tok.Decode(row.IDs, true)); got != row.Decoded {
			t.Errorf("Decode(%v)\n got %q\nwant %q", row.IDs, got, row.Decoded)
		}
	}
	how := map[string]Truncation{"longest_first": LongestFirst, "only_second": OnlySecond, "only_first": OnlyFirst}
	for _, p := range c.Pairs {
		err := tok.EncodePair(&e, p.A, p.B, p.Max, how[p.How])
		if (err != nil) != (p.Error != "") {
			t.Errorf("EncodePair(%q, %q, %d, %q): error %v, expected %q", p.A, p.B, p.Max, p.How, err, p.Error)
			continue
		}
		if err == nil && (!slices.Equal(e.IDs, p.IDs) || !slices.Equal(e.Types, p.Types)) {
			t.Errorf("EncodePair(%q, %q, %d, %q)\n got %v %v\nwant %v %v", p.A, p.B, p.Max, p.How, e.IDs, e.Types, p.IDs, p.Types)
		}
	}
}

// TestPlain makes sure that no text makes special tokens, however it spells
// them, where nobody vouches for it.
func TestPlain(t *testing.T) {
	for _, c := range fileCases(t) {
		tok, err := FromDir(c.write(t))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for id := range int32(tok.Size()) {
			if tok.IsSpecial(id) && tok.Piece(id) != "<unk>" && tok.Piece(id) != "[UNK]" {
				names = append(names, tok.Piece(id))
			}
		}
		wide := strings.NewReplacer("<", "＜", ">", "＞", "[", "［", "]", "］", "/", "／").Replace
		for _, name := range names {
			for _, text := range []string{name, "a " + name + "b", wide(name), strings.Join(names, "")} {
				must(tok.Tokens(nil, text)) // which remembers other ids for these words
				for _, id := range must(tok.PlainTokens(nil, text)) {
					if slices.Contains(names, tok.Piece(id)) {
						t.Errorf("%s: %q makes %q", c.Name, text, tok.Piece(id))
					}
				}
			}
		}
	}
}

// bertMetadata spells a WordPiece vocabulary as llama.cpp's converter does.
func bertMetadata(tok *Tokenizer) metadata {
	var tokens []string
	var types []int64
	for id := range int32(tok.Size()) {
		piece, kind := tok.Piece(id), int64(ggufNormal)
		if rest, inner := strings.CutPrefix(piece, "##"); tok.IsSpecial(id) {
			kind = ggufControl
		} else if inner {
			piece = rest
		} else {
			piece = "▁" + piece
		}
		tokens, types = append(tokens, piece), append(types, kind)
	}
	m := metadata{"tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.token_type_count": uint64(2)}
	for key, name := range map[string]string{"unknown": "[UNK]", "bos": "[CLS]", "seperator": "[SEP]", "padding": "[PAD]", "mask": "[MASK]"} {
		id, _ := tok.ID(name)
		m["tokenizer.ggml."+key+"_token_id"] = uint64(id)
	}
	return m
}

// xlmrMetadata spells an XLM-R vocabulary as llama.cpp's converter does, which
// does not know the last token, <mask>.
func xlmrMetadata(t testing.TB, tok *Tokenizer, model []byte) metadata {
	t.Helper()
	m, err := parseSentencePiece("model", model)
	if err != nil {
		t.Fatal(err)
	}
	u := tok.model.(*unigram)
	n := tok.Size()
	tokens, types, scores := make([]string, n), make([]int64, n), make([]float32, n)
	for i := range tokens {
		tokens[i], types[i], scores[i] = tok.Piece(int32(i)), ggufNormal, float32(u.scores[i])
		if tok.IsSpecial(int32(i)) {
			types[i] = ggufControl
		}
	}
	mask := n - 1
	tokens[mask], types[mask], scores[mask] = "[PAD"+tokens[mask]+"]", ggufUnused, -10000
	return metadata{
		"tokenizer.ggml.model": "t5", "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": scores,
		"tokenizer.ggml.precompiled_charsmap": m.charsmap, "tokenizer.ggml.token_type_count": uint64(1),
		"tokenizer.ggml.bos_token_id": uint64(0), "tokenizer.ggml.eos_token_id": uint64(2), "tokenizer.ggml.unknown_token_id": uint64(3),
		"tokenizer.ggml.seperator_token_id": uint64(2), "tokenizer.ggml.padding_token_id": uint64(1), "tokenizer.ggml.mask_token_id": uint64(mask),
	}
}

// TestFilesGGUF reads the same tokenizers from GGUF metadata.
func TestFilesGGUF(t *testing.T) {
	for _, c := range fileCases(t) {
		var m metadata
		tok, err := FromDir(c.write(t))
		if err != nil {
			t.Fatal(err)
		}
		switch c.Name {
		case "wordpiece", "wordpiece-vocab":
			m = bertMetadata(tok)
		case "xlmr-spm":
			m = xlmrMetadata(t, tok, c.file(t, "sentencepiece.bpe.model"))
		default:
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			got, err := FromGGUF("small.gguf", m)
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, got)
			pad, _ := tok.PadID()
			if id, ok := got.PadID(); !ok || id != pad {
				t.Errorf("padding %d %v, expected %d", id, ok, pad)
			}
		})
	}
}

// TestGGUFErrors gives WordPiece and Unigram metadata that is wrong somewhere.
func TestGGUFErrors(t *testing.T) {
	bert := metadata{
		"tokenizer.ggml.model":      "bert",
		"tokenizer.ggml.tokens":     []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁a", "b"},
		"tokenizer.ggml.token_type": []int64{3, 3, 3, 3, 1, 1},
	}
	t5 := metadata{
		"tokenizer.ggml.model":      "t5",
		"tokenizer.ggml.tokens":     []string{"<s>", "<pad>", "</s>", "<unk>", "▁", "a"},
		"tokenizer.ggml.token_type": []int64{3, 3, 3, 2, 1, 1},
		"tokenizer.ggml.scores":     []float32{0, 0, 0, 0, -1, -2},
	}
	for _, m := range []metadata{bert, t5} {
		if _, err := FromGGUF("m.gguf", m); err != nil {
			t.Fatal(err)
		}
	}
	infinite := []float32{0, 0, 0, 0, 0, 1}
	infinite[5] /= infinite[0]
	for _, c := range []struct {
		m    metadata
		want string
	}{
		{bert.with("tokenizer.ggml.model", nil), "tokenizer.ggml.model"},
		{bert.with("tokenizer.ggml.tokens", []string{}), "tokenizer.ggml.tokens"},
		{bert.with("tokenizer.ggml.tokens", nil), "tokenizer.ggml.tokens"},
		{bert.with("tokenizer.ggml.token_type", []int64{3}), "token_type: found 1 types"},
		{bert.with("tokenizer.ggml.unknown_token_id", uint64(6)), "unknown_token_id: found 6"},
		{bert.with("tokenizer.ggml.seperator_token_id", uint64(1<<32-1)), "seperator_token_id: found nothing"},
		{t5.with("tokenizer.ggml.scores", nil), "tokenizer.ggml.scores"},
		{t5.with("tokenizer.ggml.scores", []float32{1}), "found 1 scores"},
		{t5.with("tokenizer.ggml.scores", infinite), "scores[5]: found +Inf"},
		{t5.with("tokenizer.ggml.tokens", []string{"<s>", "<pad>", "</s>", "<unk>", "▁", "\xff"}), "tokens[5]: found a piece that is not UTF-8"},
		{t5.with("tokenizer.ggml.mask_token_id", uint64(1<<40)), "mask_token_id"},
		{t5.with("tokenizer.ggml.precompiled_charsmap", []byte{1, 2}), "precompiled_charsmap"},
	} {
		_, err := FromGGUF("m.gguf", c.m)
		if !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected an error about %s", err, c.want)
		}
	}
	if _, err := FromGGUF("m.gguf", bert.with("tokenizer.ggml.model", "rwkv")); !errors.Is(err, fault.ErrUnsupported) {
		t.Errorf("%v, expected an unsupported model", err)
	}
}

// TestDirErrors opens directories with files that are wrong or missing.
func TestDirErrors(t *testing.T) {
	small := map[string]*fileCase{}
	for _, c := range fileCases(t) {
		small[c.Name] = &c
	}
	for _, c := range []struct {
		like    string // case that the other files are of
		name    string
		content string
		kind    error
		want    string
	}{
		{"", "readme", "", fault.ErrUnsupported, "without tokenizer.json"},
		{"wordpiece-vocab", "vocab.txt", "[PAD]\n[CLS]\n[SEP]\n", fault.ErrFormat, `"[UNK]"`},
		{"wordpiece-vocab", "vocab.txt", "", fault.ErrFormat, "vocab.txt"},
		{"wordpiece-vocab", "tokenizer_config.json", `{"do_lower_case":3}`, fault.ErrFormat, "tokenizer_config.json: do_lower_case: found 3"},
		{"wordpiece-vocab", "tokenizer_config.json", `[]`, fault.ErrFormat, "found a list"},
		{"wordpiece-vocab", "special_tokens_map.json", `{`, fault.ErrFormat, "special_tokens_map.json"},
		{"xlmr-spm", "sentencepiece.bpe.model", "", fault.ErrFormat, "no pieces"},
		{"xlmr-spm", "sentencepiece.bpe.model", "\x0a\x7f", fault.ErrFormat, "127 bytes"},
		{"xlmr-spm", "sentencepiece.bpe.model", "\x0a\x03\x0a\x01a", fault.ErrFormat, "at least <unk>, <s> and </s>"},
		{"xlmr-spm", "sentencepiece.bpe.model", "\x0a\x03\x0a\x01a\x12\x02\x18\x03", fault.ErrUnsupported, "type 3"},
		{"deberta-spm", "spm.model", "\x0a\x03\x0a\x01\xff", fault.ErrFormat, "not UTF-8"},
		{"deberta-spm", "spm.model", "\x0a\x08\x0a\x01a\x15\x00\x00\xc0\x7f", fault.ErrFormat, "the score NaN"},
		{"roberta-merges", "vocab.json", `[]`, fault.ErrFormat, "vocab.json"},
		{"roberta-merges", "merges.txt", "a b c\n", fault.ErrFormat, "merges.txt"},
		{"roberta-merges", "tokenizer_config.json", `{"tokenizer_class":"CLIPTokenizer"}`, fault.ErrUnsupported, `"CLIPTokenizer" without`},
	} {
		dir := t.TempDir()
		if c.like != "" {
			dir = small[c.like].write(t)
		}
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := FromDir(dir)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.30q: %v, expected an error about %s", c.name, c.content, err, c.want)
		}
	}
}

// TestLowerCaseOfBERT: putting any character in lower case first makes no difference to
// BERT's normalizer that does so itself, whether it strips accents or not.
func TestLowerCaseOfBERT(t *testing.T) {
	lower := lowercase{loadUnidata()}
	for _, strip := range []bool{false, true} {
		bert := newBertNormalizer(true, true, strip, true)
		for r := rune(0); r <= unicode.MaxRune; r++ {
			text := utf8.AppendRune(nil, r)
			first, _, _ := lower.normalize(nil, text, true, bound(len(text)))
			got, _, _ := bert.normalize(nil, first, true, bound(len(first)))
			want, _, _ := bert.normalize(nil, text, true, bound(len(text)))
			if string(got) != string(want) {
				t.Fatalf("%U: %q, want %q", r, got, want)
			}
		}
	}
}
