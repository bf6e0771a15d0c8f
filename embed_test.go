package winnow

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestEmbed(t *testing.T) {
	var r struct {
		Texts []struct {
			Prompt, Text string
			IDs          []int32
			Embedding    []float64
		}
	}
	readJSON(t, "testdata/embed-dense/reference.json", &r)
	m := open(t, "testdata/embed-dense", WithPrecision(F32))
	if info := m.Info(); info.Dimensions != 24 || !info.Unit || info.Pooling != "last token" || info.DefaultPrompt != "query" || info.Prompts["query"] != "question: " {
		t.Errorf("%+v", info)
	}
	ctx := context.Background()
	for i, x := range r.Texts {
		got, err := m.Embed(ctx, []string{x.Text}, Prompt(x.Prompt))
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Tokens != len(x.IDs) {
			t.Errorf("text %d: %d tokens, want %d", i, got[0].Tokens, len(x.IDs))
		}
		for j, want := range x.Embedding {
			if math.Abs(float64(got[0].Vector[j])-want) > 2e-6 {
				t.Errorf("text %d, number %d: %v, want %v", i, j, got[0].Vector[j], want)
			}
		}
	}
	length := func(v []float32) (sum float64) {
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		return math.Sqrt(sum)
	}
	short, err := m.Embed(ctx, []string{"a text"}, Dimensions(7))
	if err != nil || len(short[0].Vector) != 7 || math.Abs(length(short[0].Vector)-1) > 1e-6 {
		t.Errorf("7 dimensions: %v, %v", short, err)
	}
	raw, err := m.Embed(ctx, []string{"a text"}, Dimensions(7), Normalize(false))
	if err != nil || math.Abs(length(raw[0].Vector)-1) < 1e-3 {
		t.Errorf("not normalised: %v, %v", raw, err)
	}
	if ratio := raw[0].Vector[0] / short[0].Vector[0]; math.Abs(float64(raw[0].Vector[6]/short[0].Vector[6]-ratio)) > 1e-4 {
		t.Errorf("%v and %v are not parallel", raw[0].Vector, short[0].Vector)
	}

	long := strings.Repeat("many words ", 100)
	var tooLong *TooLongError
	if _, err := m.Embed(ctx, []string{"a", long}, Truncate(TruncateNever)); !errors.As(err, &tooLong) || tooLong.Index != 1 || tooLong.Limit != 48 || !strings.HasPrefix(err.Error(), "winnow: text 1: ") {
		t.Errorf("a text that is too long gives %v", err)
	}
	texts, err := m.EncodeTexts(ctx, []string{long}, TextOptions{MaxTokens: 10})
	if err != nil || texts[0].Tokens() != 10 || !texts[0].Truncated() {
		t.Errorf("cut to 10: %v, %v", texts, err)
	}
	var unknown *UnknownPromptError
	if _, err := m.Embed(ctx, []string{"a"}, Prompt("passage")); !errors.As(err, &unknown) || unknown.Name != "passage" {
		t.Errorf("an unknown prompt gives %v", err)
	}
	for _, n := range []int{-1, 25} {
		if _, err := m.Embed(ctx, []string{"a"}, Dimensions(n)); err == nil {
			t.Errorf("%d dimensions: no error", n)
		}
	}
	if got, err := m.Embed(ctx, nil); err != nil || len(got) != 0 {
		t.Errorf("no texts: %v, %v", got, err)
	}
	if _, err := m.Rerank(ctx, "q", []string{"d"}); !errors.Is(err, ErrCannotRerank) {
		t.Errorf("Rerank gives %v", err)
	}
	if _, err := open(t, "testdata/bert-minilm").Embed(ctx, []string{"a"}); !errors.Is(err, ErrCannotEmbed) {
		t.Errorf("Embed of a reranker gives %v", err)
	}
	plain, err := m.EncodeTexts(ctx, []string{"[SEP]"}, TextOptions{PlainText: true})
	if err != nil {
		t.Fatal(err)
	}
	marked, err := m.EncodeTexts(ctx, []string{"[SEP]"}, TextOptions{})
	if err != nil || plain[0].Tokens() <= marked[0].Tokens() {
		t.Errorf("plain text has %v, else %v", plain, marked)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Embed(cancelled, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestEmbedSameBits(t *testing.T) {
	texts := []string{"What is deep learning?", "", "a", strings.Repeat("deep networks ", 9), "深度学习是什么？"}
	for _, name := range []string{"embed-dense", "embed-bge"} {
		m := open(t, "testdata/"+name, WithThreads(3), WithBatchTokens(16))
		all, err := m.Embed(context.Background(), texts)
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for i, text := range texts {
			wait.Go(func() {
				alone, err := m.Embed(context.Background(), []string{text})
				if err != nil || !slices.Equal(alone[0].Vector, all[i].Vector) {
					t.Errorf("%s, text %d: other bits alone, %v", name, i, err)
				}
			})
		}
		wait.Wait()
	}
}

func TestWithLabel(t *testing.T) {
	ctx := context.Background()
	documents := []string{"Deep learning is a subset of machine learning.", "Apples are red."}
	sum := make([]float64, len(documents))
	for _, label := range []string{"contradiction", "1", "NEUTRAL"} {
		m := open(t, "testdata/roberta-nli", WithLabel(label))
		scores, err := m.Score(ctx, "What is deep learning?", documents)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range scores {
			sum[i] += s
		}
		if info := m.Info(); info.Activation != "softmax" || !slices.Contains(info.Labels, info.Relevant) {
			t.Errorf("%s: %s, relevant %q", label, info.Activation, info.Relevant)
		}
	}
	for i, s := range sum {
		if math.Abs(s-1) > 1e-12 {
			t.Errorf("document %d: the labels' probabilities sum to %v", i, s)
		}
	}
	if info := open(t, "testdata/roberta-nli").Info(); info.Relevant != "entailment" {
		t.Errorf("relevant is %q", info.Relevant)
	}
	for _, c := range []struct{ model, label string }{{"roberta-nli", "3"}, {"bert-minilm", "yes"}, {"embed-bge", "0"}, {"colbert-bert", "0"}, {"jina-v3", "0"}} {
		if m, err := Open("testdata/"+c.model, WithLabel(c.label)); err == nil || !strings.Contains(err.Error(), `"`+c.label+`"`) {
			t.Errorf("%s with the label %q: %v", c.model, c.label, err)
			m.Close()
		}
	}
}

// TestLateInteraction: a query is encoded once, and scores do not depend on what is
// scored together.
func TestLateInteraction(t *testing.T) {
	m := open(t, "testdata/colbert-modernbert", WithThreads(2))
	ctx := context.Background()
	documents := []string{"Deep learning is a subset of machine learning.", "", "Apples are red.", strings.Repeat("long ", 100)}
	pairs, err := m.Encode(ctx, "What is deep learning?", documents, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !pairs[3].Truncated() || pairs[3].Tokens() != 64 {
		t.Errorf("a long document has %d tokens", pairs[3].Tokens())
	}
	all, err := m.ScoreEncoded(ctx, pairs)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range documents {
		alone, err := m.Rerank(ctx, "What is deep learning?", []string{d})
		if err != nil || alone[0].Logit != all[i].Logit || alone[0].Score != all[i].Score {
			t.Errorf("document %d: %v alone, %v (%v)", i, alone, all[i], err)
		}
		if s := all[i].Score; s < 0 || s > 1 || math.Abs(s-all[i].Logit/24) > 1e-12 {
			t.Errorf("document %d: score %v, logit %v", i, s, all[i].Logit)
		}
	}
	var tooLong *TooLongError
	if _, err := m.Encode(ctx, "q", documents, EncodeOptions{Truncation: TruncateNever}); !errors.As(err, &tooLong) || tooLong.Index != 3 {
		t.Errorf("a document that is too long gives %v", err)
	}
	if _, err := m.Encode(ctx, "q", documents, EncodeOptions{MaxTokens: 3}); err == nil {
		t.Error("3 tokens: no error")
	}
}
