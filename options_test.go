package winnow

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
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

// TestParsePrecision: names of precisions are those of the constants, and others are errors.
func TestParsePrecision(t *testing.T) {
	for _, p := range []Precision{Auto, F32, F16, Int8, Int8A16} {
		if got, err := ParsePrecision(string(p)); err != nil || got != p {
			t.Errorf("%q is %q, %v", p, got, err)
		}
	}
	for _, name := range []string{"", "f8", "INT8"} {
		if _, err := ParsePrecision(name); err == nil || !strings.HasPrefix(err.Error(), "winnow: precision") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestModelOptions: options that choose what is computed reach the model.
func TestModelOptions(t *testing.T) {
	ctx := context.Background()
	var pauses atomic.Int64
	m := open(t, "testdata/bert-minilm", WithPause(func() { pauses.Add(1) }), WithThreads(1), WithPrecision(F32))
	if m.Operations() != 0 {
		t.Errorf("%d operations before anything was asked", m.Operations())
	}
	score, err := m.Score(ctx, query, documents[:1])
	if err != nil {
		t.Fatal(err)
	}
	tokens := must(m.Encode(ctx, query, documents[:1], EncodeOptions{}))[0].Tokens()
	i := m.Info()
	// Four projections and two matrices of the feed-forward part a layer, two operations a number.
	least := int64(2 * (tokens - 1) * (i.Layers - 1) * (4*i.Hidden*i.Hidden + 2*i.Hidden*i.Intermediate))
	if got := m.Operations(); got < least || got > 2*least {
		t.Errorf("%d operations, expected about %d", got, least)
	}
	if pauses.Load() == 0 {
		t.Error("no pause between layers")
	}
	if again := must(m.Score(ctx, query, documents[:1])); again[0] != score[0] {
		t.Errorf("%v, then %v", score, again)
	}

	layers := open(t, "testdata/layerwise/minicpm").Info().Layers
	all := must(open(t, "testdata/layerwise/minicpm").Score(ctx, query, documents))
	last := must(open(t, "testdata/layerwise/minicpm", WithLayer(layers)).Score(ctx, query, documents))
	early := must(open(t, "testdata/layerwise/minicpm", WithLayer(layers-1)).Score(ctx, query, documents))
	if !slices.Equal(all, last) || slices.Equal(all, early) {
		t.Errorf("%d layers: %v, the last: %v, the one before: %v", layers, all, last, early)
	}
	for name, o := range map[string]Option{"WithLayer(-1)": WithLayer(-1), "WithCompression(-1)": WithCompression(-1)} {
		if m, err := Open("testdata/layerwise/minicpm", o); err == nil || !strings.HasPrefix(err.Error(), "winnow: "+name) {
			if err == nil {
				m.Close()
			}
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open("testdata/bert-minilm", WithCompression(2, 1)); err == nil {
		t.Error("compression of a model that has none")
	}

	mean, cls := open(t, "testdata/embed-bge", WithPooling("mean")), open(t, "testdata/embed-bge", WithPooling("cls"))
	a, b := must(mean.Embed(ctx, documents)), must(cls.Embed(ctx, documents))
	if mean.Info().Pooling != "mean of all tokens" || cls.Info().Pooling != "first token" || slices.Equal(a[0].Vector, b[0].Vector) {
		t.Errorf("pooling %s and %s", mean.Info().Pooling, cls.Info().Pooling)
	}
	_, err = cls.Embed(ctx, documents, Prompt("nobody"))
	var prompt *UnknownPromptError
	if !errors.As(err, &prompt) || prompt.Name != "nobody" || !strings.HasPrefix(err.Error(), `winnow: prompt "nobody": `) || errors.Unwrap(prompt) == nil {
		t.Errorf("a prompt that there is none of: %v", err)
	}

	chat := open(t, "testdata/llama-lm", WithChatTemplate("{{ messages[0].content }}!{{ messages|length }}"))
	if got, err := chat.ChatPrompt([]Message{{"user", "a"}, {"assistant", "b"}}, nil); err != nil || got != "a!2" {
		t.Errorf("%q, %v", got, err)
	}
}

// must is the value of a call that may not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
