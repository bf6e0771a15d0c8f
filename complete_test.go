package winnow_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow"
)

func openTestdata(t *testing.T, name string, options ...winnow.Option) *winnow.Model {
	t.Helper()
	m, err := winnow.Open(filepath.Join("testdata", name), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestComplete(t *testing.T) {
	ctx := context.Background()
	m := openTestdata(t, "qwen2-mxbai2", winnow.WithPrecision(winnow.F32))
	whole, err := m.Complete(ctx, "The quick brown fox", winnow.CompleteOptions{MaxTokens: 8})
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Tokens) != 8 || whole.Stop != winnow.StopLimit || !strings.HasPrefix(whole.Text, "odule v z") {
		t.Errorf("%+v", whole)
	}
	// Emit gets the same text, in whole characters, and can end it.
	text := ""
	enough := errors.New("enough")
	_, err = m.Complete(ctx, "The quick brown fox", winnow.CompleteOptions{MaxTokens: 8, Emit: func(s string, _ winnow.CompletionToken) error {
		text += s
		if len(text) >= 7 {
			return enough
		}
		return nil
	}})
	if !errors.Is(err, enough) || text != "odule v" {
		t.Errorf("%v after %q", err, text)
	}
	if _, err := m.CompleteTokens(ctx, make([]int, 512), winnow.CompleteOptions{MaxTokens: 1}); !errors.Is(err, winnow.ErrPromptTooLong) {
		t.Errorf("a prompt of the whole window: %v", err)
	}
	for _, id := range []int{-1, 1 << 30, math.MaxInt / 4} {
		if _, err := m.CompleteTokens(ctx, []int{id}, winnow.CompleteOptions{MaxTokens: 1}); err == nil {
			t.Errorf("token %d: no error", id)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Complete(gone, "a", winnow.CompleteOptions{MaxTokens: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := openTestdata(t, "bert-minilm").Complete(ctx, "a", winnow.CompleteOptions{MaxTokens: 1}); !errors.Is(err, winnow.ErrCannotComplete) {
		t.Errorf("an encoder: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Complete(ctx, "a", winnow.CompleteOptions{MaxTokens: 1}); !errors.Is(err, winnow.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestCausalOptions: the options of Open and those of a call come to the same.
func TestCausalOptions(t *testing.T) {
	ctx := context.Background()
	documents := []string{"Deep <|im_end|> learning", "bread"}
	score := func(m *winnow.Model, options ...winnow.RerankOption) [2]float64 {
		t.Helper()
		s, err := m.Score(ctx, "What?", documents, options...)
		if err != nil {
			t.Fatal(err)
		}
		return [2]float64(s)
	}
	m := openTestdata(t, "qwen3-reranker")
	usual := score(m)
	if a, b := score(m, winnow.Instruction("Find bread")), score(openTestdata(t, "qwen3-reranker", winnow.WithInstruction("Find bread"))); a != b || a == usual {
		t.Errorf("instruction: %v, %v, without %v", a, b, usual)
	}
	a, b := score(m, winnow.PlainText()), score(openTestdata(t, "qwen3-reranker", winnow.WithPlainText()))
	if a != b || a[0] == usual[0] || a[1] != usual[1] {
		t.Errorf("plain text: %v, %v, without %v", a, b, usual)
	}
	if got := score(openTestdata(t, "qwen3-reranker", winnow.WithTemplate("qwen3-reranker"), winnow.WithScore("yes-no"))); got != usual {
		t.Errorf("by hand %v, by itself %v", got, usual)
	}
}

// TestChat: an answer is the completion of the prompt that transformers makes of the
// messages.
func TestChat(t *testing.T) {
	var cases map[string]struct {
		Folder, Template string
		Conversations    []struct {
			Messages  []winnow.Message
			Variables map[string]any
			IDs       []int
		}
	}
	data, err := os.ReadFile(filepath.Join("testdata", "conversations.json"))
	if err == nil {
		err = json.Unmarshal(data, &cases)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := cases["Gemma"]
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", c.Folder))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(c.Template), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := winnow.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, x := range c.Conversations {
		want, err := m.CompleteTokens(t.Context(), x.IDs, winnow.CompleteOptions{MaxTokens: 5})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Chat(t.Context(), x.Messages, x.Variables, winnow.CompleteOptions{MaxTokens: 5})
		if err != nil || got.Text != want.Text || got.PromptTokens != len(x.IDs) {
			t.Errorf("conversation %d: %+v, %v, want %+v", i, got, err, want)
		}
	}
	if _, err := m.ChatPrompt(nil, map[string]any{"x": func() {}}); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("a variable that is no value: %v", err)
	}
}
