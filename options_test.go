package winnow

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOptionsAreChecked: an option that makes no sense is an error that names it.
func TestOptionsAreChecked(t *testing.T) {
	ctx := context.Background()
	for name, o := range map[string]Option{
		"WithThreads(-1)": WithThreads(-1), "WithThreads(100000)": WithThreads(100000), "WithMaxLength(-1)": WithMaxLength(-1),
		"WithBatchTokens(-2)": WithBatchTokens(-2), `precision "f8"`: WithPrecision("f8"), `WithPooling("max")`: WithPooling("max"),
	} {
		m, err := Open("testdata/bert-minilm", o)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "winnow: "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := open(t, "testdata/bert-minilm")
	for name, o := range map[string]RerankOption{"TopN(-1)": TopN(-1), "MaxTokens(-1)": MaxTokens(-1), "Truncate(9)": Truncate(9)} {
		if _, err := m.Rerank(ctx, query, documents, o); err == nil || !strings.HasPrefix(err.Error(), "winnow: "+name) {
			t.Errorf("Rerank with %s: %v", name, err)
		}
		if _, err := m.Score(ctx, query, documents, o); err == nil {
			t.Errorf("Score with %s: no error", name)
		}
		for _, err := range m.ScoreSeq(ctx, query, slices.Values(documents), o) {
			if err == nil {
				t.Errorf("ScoreSeq with %s: no error", name)
			}
		}
	}
	e := open(t, "testdata/embed-dense")
	for name, o := range map[string]EmbedOption{"Dimensions(-1)": Dimensions(-1), "Dimensions(1000)": Dimensions(1000), "MaxTokens(-1)": MaxTokens(-1)} {
		if _, err := e.Embed(ctx, documents, o); err == nil || !strings.HasPrefix(err.Error(), "winnow: "+name) {
			t.Errorf("Embed with %s: %v", name, err)
		}
	}
}

// TestTextOptions: one option of texts for both kinds of call.
func TestTextOptions(t *testing.T) {
	ctx := context.Background()
	m, e := open(t, "testdata/bert-minilm"), open(t, "testdata/embed-dense")
	long := strings.Repeat("word ", 400) + "last"
	right, err := m.Score(ctx, "q", []string{long}, MaxTokens(30))
	left, err2 := m.Score(ctx, "q", []string{long}, MaxTokens(30), Truncate(TruncateLeft))
	if err != nil || err2 != nil || right[0] == left[0] {
		t.Errorf("truncated right %v (%v), left %v (%v)", right, err, left, err2)
	}
	a, err := e.Embed(ctx, []string{long}, MaxTokens(12))
	b, err2 := e.Embed(ctx, []string{long}, MaxTokens(12), Truncate(TruncateLeft))
	if err != nil || err2 != nil || a[0].Tokens != 12 || b[0].Tokens != 12 || slices.Equal(a[0].Vector, b[0].Vector) {
		t.Errorf("truncated right %v (%v), left %v (%v)", a, err, b, err2)
	}
}

func TestScoreSeq(t *testing.T) {
	ctx := context.Background()
	many := slices.Repeat(documents, 80) // more than are scored at a time
	for _, name := range []string{"bert-minilm", "jina-v3"} {
		m := open(t, "testdata/"+name)
		want, err := m.Score(ctx, query, many, RawScores())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r, err := range m.ScoreSeq(ctx, query, slices.Values(many), RawScores()) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Index != n || r.Score != want[n] || r.Document != many[n] {
				t.Fatalf("%s: result %d is %+v, want score %v", name, n, r, want[n])
			}
			n++
		}
		if n != len(many) {
			t.Errorf("%s: %d results of %d documents", name, n, len(many))
		}
	}
	m := open(t, "testdata/bert-minilm", WithMaxLength(60))
	many[200] = strings.Repeat("long ", 100)
	var tooLong *TooLongError
	n := 0
	for _, err := range m.ScoreSeq(ctx, query, slices.Values(many), Truncate(TruncateNever)) {
		if err == nil {
			n++
		} else if !errors.As(err, &tooLong) {
			t.Error(err)
		}
	}
	if n != streamDocuments || tooLong == nil || tooLong.Index != 200 {
		t.Errorf("%d results, then %v", n, tooLong)
	}
	for range m.ScoreSeq(ctx, query, slices.Values(many)) {
		break // what has begun can be left
	}
}

func TestCompleteSeq(t *testing.T) {
	ctx := context.Background()
	m := open(t, "testdata/qwen2-mxbai2", WithPrecision(F32))
	o := CompleteOptions{MaxTokens: 8}
	whole, err := m.Complete(ctx, "The quick brown fox", o)
	if err != nil {
		t.Fatal(err)
	}
	text, parts := "", 0
	for part, err := range m.CompleteSeq(ctx, "The quick brown fox", o) {
		if err != nil {
			t.Fatal(err)
		}
		text += part
		parts++
	}
	if text != whole.Text || parts < 4 {
		t.Errorf("%q in %d parts, want %q", text, parts, whole.Text)
	}
	for range m.CompleteSeq(ctx, "The quick brown fox", o) {
		break
	}
	for _, err := range open(t, "testdata/bert-minilm").CompleteSeq(ctx, "a", o) {
		if !errors.Is(err, ErrCannotComplete) || !strings.HasPrefix(err.Error(), "winnow: ") {
			t.Error(err)
		}
	}
}

// TestPublicErrors: errors of files are this package's own types, with the text of what
// found them.
func TestPublicErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "broken.gguf")
	if err := os.WriteFile(path, []byte("GGUF\x03\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	var format *FormatError
	if !errors.Is(err, ErrFormat) || !errors.As(err, &format) || format.Path != path || format.Found == "" || !strings.HasPrefix(err.Error(), "winnow: "+path) {
		t.Errorf("a broken file: %v", err)
	}
	copyFiles(t, dir, "testdata/bert-minilm")
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"architectures":["ViTModel"],"model_type":"vit"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	var unsupported *UnsupportedError
	if !errors.Is(err, ErrUnsupported) || !errors.As(err, &unsupported) || !strings.Contains(unsupported.What, "ViT") {
		t.Errorf("an unknown class: %v", err)
	}
}

func TestConvert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.gguf")
	seen := 0
	c, err := Convert("testdata/bert-minilm", out, "f16", func(done, of int) { seen = done })
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() != c.Bytes || c.Tensors != seen || c.Types["F16"] == 0 {
		t.Errorf("%+v after %d tensors (%v)", c, seen, err)
	}
	want, err := open(t, "testdata/bert-minilm", WithPrecision(F16)).Score(context.Background(), query, documents)
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(t, out, WithPrecision(F16)).Score(context.Background(), query, documents)
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v (%v)", got, err)
	}
	for i := range want {
		if d := got[i] - want[i]; d > 1e-3 || d < -1e-3 {
			t.Errorf("document %d: %v, before %v", i, got[i], want[i])
		}
	}
	if _, err := Convert("testdata/bert-minilm", out, "q9", nil); err == nil || !strings.Contains(err.Error(), `"q9"`) {
		t.Errorf("q9: %v", err)
	}
}
