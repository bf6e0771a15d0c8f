package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// TestLongestFirst holds the lengths that truncation from the left keeps to those of
// the tokenizer, which truncates from the right.
func TestLongestFirst(t *testing.T) {
	m := openOwn(t, "bert-minilm", Options{})
	words := func(n int) []int32 {
		return must(m.tokenizer.Tokens(nil, strings.Repeat("the ", n)))
	}
	var right, left tokenizer.Encoding
	for a := range 12 {
		for b := range 12 {
			for limit := 3; limit < 28; limit++ {
				if err := m.tokenizer.Pair(&right, words(a), words(b), limit, tokenizer.LongestFirst); err != nil {
					t.Fatal(err)
				}
				if err := m.tokenizer.PairSide(&left, words(a), words(b), limit, tokenizer.LongestFirst, tokenizer.Left); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(left.IDs, right.IDs) || !slices.Equal(left.Types, right.Types) {
					t.Fatalf("%d and %d tokens in %d: %v from the left, %v from the right", a, b, limit, left.IDs, right.IDs)
				}
			}
		}
	}
}

// TestTruncateLeft looks for the beginning of a text that is too long: it is gone, and
// the token types go with the ids.
func TestTruncateLeft(t *testing.T) {
	m := openOwn(t, "bert-minilm", Options{})
	long := "first " + strings.Repeat("word ", 200) + "last"
	ctx := context.Background()
	kept := func(o EncodeOptions) []int32 {
		t.Helper()
		o.MaxLength = 30
		e, err := m.Encode(ctx, "query", []string{long}, o)
		if err != nil {
			t.Fatal(err)
		}
		s := e.Sequences[0]
		if s.Len() != 30 && o.MaxDocument == 0 || len(s.Types) != s.Len() || e.Full[0] <= s.Len() {
			t.Fatalf("%d tokens with %d types of %d", s.Len(), len(s.Types), e.Full[0])
		}
		return s.IDs
	}
	tail := must(m.tokenizer.Tokens(nil, "last"))
	head := must(m.tokenizer.Tokens(nil, "first"))
	for _, most := range []int{0, 7} {
		left, right := kept(EncodeOptions{Side: LeftSide, MaxDocument: most}), kept(EncodeOptions{MaxDocument: most})
		if end := left[:len(left)-1]; !slices.Equal(end[len(end)-len(tail):], tail) {
			t.Errorf("at most %d: the end is not kept: %v", most, left)
		}
		if i := slices.Index(right, head[0]); i < 0 || !slices.Equal(right[i:i+len(head)], head) {
			t.Errorf("at most %d: the beginning is not kept: %v", most, right)
		}
	}
}

// TestEncodeEnds encodes for a caller who has gone.
func TestEncodeEnds(t *testing.T) {
	m := openOwn(t, "bert-minilm", Options{})
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(gone)
	for _, n := range []int{1, 1000} {
		if _, err := m.Encode(ctx, "query", make([]string, n), EncodeOptions{}); !errors.Is(err, gone) {
			t.Errorf("%d documents: %v", n, err)
		}
	}
}

// TestTruncateLeftPrompts is TestTruncateLeft for the models that have encoders of their own.
func TestTruncateLeftPrompts(t *testing.T) {
	for _, name := range []string{"qwen3-reranker", "colbert-bert", "jina-v3"} {
		m := openOwn(t, name, Options{MaxLength: 512})
		long := "first " + strings.Repeat("word ", 2000) + "last"
		for _, left := range []bool{false, true} {
			e, err := m.Encode(context.Background(), "query", []string{long}, EncodeOptions{Side: map[bool]Side{false: RightSide, true: LeftSide}[left]})
			if err != nil {
				t.Fatal(err)
			}
			text := must(m.tokenizer.Decode(e.Sequences[0].IDs, true))
			if strings.Contains(text, "word word last") != left || strings.Contains(text, "first word") == left {
				t.Errorf("%s, left %v: %.60q … %q", name, left, text, text[max(0, len(text)-60):])
			}
		}
	}
}

// TestTruncateShortTexts truncates texts that have more tokens than bytes.
func TestTruncateShortTexts(t *testing.T) {
	short := 0
	for _, name := range []string{"xlmr-mmarco", "qwen3-reranker", "gemma-reranker", "llama-lm", "bert-minilm"} {
		m := openOwn(t, name, Options{})
		for _, text := range []string{"7", "x y", "ﷺ", "ﷺ ﷺ"} {
			ids := must(m.tokenizer.Tokens(nil, text))
			for maxTokens := 1; maxTokens <= len(ids)+1; maxTokens++ {
				_, dropped, err := m.truncateText(text, maxTokens, EncodeOptions{Side: RightSide})
				if want := max(0, len(ids)-maxTokens); err != nil || dropped != want {
					t.Errorf("%s: %q in %d tokens: %d dropped, want %d: %v", name, text, maxTokens, dropped, want, err)
				}
			}
			if len(ids) > len(text) {
				short++
			}
		}
	}
	if short < 3 {
		t.Errorf("%d texts with more tokens than bytes, want at least 3", short)
	}
}

// TestListLimit holds the prompts of a listwise model to a limit below its window, the
// text around the documents included.
func TestListLimit(t *testing.T) {
	m := openOwn(t, "jina-v3", Options{})
	documents := slices.Repeat([]string{strings.Repeat("word ", 40)}, 12)
	refused := 0
	for limit := 100; limit < m.maxLength; limit += 50 {
		e, err := m.Encode(context.Background(), "what", documents, EncodeOptions{MaxLength: limit})
		if errors.Is(err, ErrNoRoom) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		list := e.Sequences[0].group.(*documentList)
		for _, p := range list.blocks {
			if len(p.ids) > limit || e.Limit != limit {
				t.Errorf("limit %d: a prompt of %d tokens, and the limit %d is told", limit, len(p.ids), e.Limit)
			}
		}
		out, err := m.Score(context.Background(), e.Sequences)
		if err != nil || len(out) != len(documents) {
			t.Errorf("limit %d: %d scores: %v", limit, len(out), err)
		}
	}
	if refused == 0 || refused > 10 {
		t.Errorf("%d limits refused", refused)
	}
}
