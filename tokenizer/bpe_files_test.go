package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestMergesFiles reads vocab.json and merges.txt instead of tokenizer.json.
func TestMergesFiles(t *testing.T) {
	for _, name := range []string{"jina-v1-turbo", "qwen2-mxbai2", "qwen3-reranker", "jina-v3"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(testenv.Parity(t), "models", name)
			want, err := FromDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			bare := t.TempDir()
			for _, name := range []string{"vocab.json", "merges.txt", "config.json", "tokenizer_config.json"} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(bare, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tok, err := FromDir(bare)
			if err != nil {
				t.Fatal(err)
			}
			checkBPEModel(t, tok, readBPEReference(t, filepath.Join(dir, "reference.json")))
			for _, s := range stressTexts {
				if got, want := must(tok.Tokens(nil, s)), must(want.Tokens(nil, s)); !slices.Equal(got, want) {
					t.Errorf("%q:\n got %v\nwant %v", s, got, want)
				}
			}
		})
	}
}

// TestStream compares the parts of a text with the whole.
func TestStream(t *testing.T) {
	for _, c := range smallCases(t) {
		tok, err := FromJSON(c.Name, c.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		if tok.decoder == nil || strings.HasPrefix(c.Name, "suffix") || c.Name == "both" {
			continue // the last piece reads otherwise than one in the middle
		}
		for _, row := range c.Rows {
			ids := must(tok.Tokens(nil, row.Text))
			want := must(tok.Decode(ids, false))
			if strings.Contains(want, "\ufffd") {
				continue // bytes that the vocabulary lacks
			}
			var b strings.Builder
			s := tok.Stream(false)
			for _, id := range ids {
				part := must(s.Add(id))
				if strings.Contains(part, "\ufffd") {
					t.Errorf("%s: half a character in %q", c.Name, part)
				}
				b.WriteString(part)
			}
			b.WriteString(must(s.Rest()))
			if b.String() != want {
				t.Errorf("%s: %q, expected %q", c.Name, b.String(), want)
			}
		}
	}
}

// TestStreamHolds checks what comes out when, with tokens that cut characters
// in the middle.
func TestStreamHolds(t *testing.T) {
	tok, err := FromJSON("bytes", []byte(`{"model":{"type":"BPE","vocab":{"a":0,"ä¸":1,"Ńæ":2,"ĸĩ":3,"ä":4},"merges":[]},"decoder":{"type":"ByteLevel"}}`))
	if err != nil {
		t.Fatal(err)
	}
	s := tok.Stream(true)
	var got []string
	for _, id := range []int32{0, 1, 2, 3, 0, 4} { // a | e4 b8 | ad e6 | 96 87 | a | e4
		got = append(got, must(s.Add(id)))
	}
	got = append(got, must(s.Rest()), must(s.Add(0)))
	if want := []string{"a", "", "中", "文", "a", "", "\ufffd", "a"}; !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}
