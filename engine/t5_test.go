package engine

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestT5Truncation: of what is too long the document is cut, and the question stays.
func TestT5Truncation(t *testing.T) {
	m := open(t, filepath.Join("..", "testdata", "zoo", "t5", "model"), Options{})
	const query = "What is deep learning?"
	whole := must(m.Tokenize("Query: "+query+" Document: word Relevant:", true)).IDs
	e, err := m.Encode(context.Background(), query, []string{"word", strings.Repeat("word ", 600)}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Sequences[0].IDs; !slices.Equal(got, whole) {
		t.Errorf("tokens %v, want %v", got, whole)
	}
	question := len(must(m.Tokenize("Relevant:", true)).IDs)
	long := e.Sequences[1].IDs
	if n := len(long); n > 512 || n < 500 || e.Full[1] <= 512 || !slices.Equal(long[n-question:], whole[len(whole)-question:]) {
		t.Errorf("%d tokens of %d, which end in %v, want %v", n, e.Full[1], long[n-question:], whole[len(whole)-question:])
	}
}

// TestT5Prompts: the words of T5's rerankers are known by the model's name, which no
// other family's is taken for.
func TestT5Prompts(t *testing.T) {
	src := os.DirFS(filepath.Join("..", "testdata", "zoo", "t5", "model"))
	for name, want := range map[string]string{
		"InRanker-base": "monot5", "monot5-base-msmarco": "monot5",
		"mt5-base-mmarco-v2": "monot5-yes-no", "mt5-13b-mmarco-100k": "monot5-true", "ptt5-base-pt-msmarco-100k-v2": "ptt5", "monoptt5-small": "monoptt5",
	} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.CopyFS(dir, src); err != nil {
			t.Fatal(err)
		}
		m, err := Open(dir, Options{})
		if err != nil {
			// The vocabulary of the test's model has no such words.
			if want == "monot5" || !strings.Contains(err.Error(), "scores by the answer") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		m.Close()
		if got := m.Info().Prompt; got != want {
			t.Errorf("%s: prompt %s, want %s", name, got, want)
		}
	}
	if _, err := Open(filepath.Join("..", "testdata", "zoo", "t5", "model"), Options{Template: "monoptt5"}); err == nil || !strings.Contains(err.Error(), "▁Sim") && !strings.Contains(err.Error(), "▁Não") {
		t.Errorf("words that the vocabulary does not have: error %v", err)
	}
}

// TestT5FeedForward: what follows from feed_forward_proj goes before it where it stands
// beside it, as transformers has it.
func TestT5FeedForward(t *testing.T) {
	vector := func(changes ...string) []float32 {
		dir := copyModel(t, "zoo/t5-embed/model", map[string][2]string{})
		path := filepath.Join(dir, "config.json")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				t.Fatalf("no %s", changes[i])
			}
			text = strings.Replace(text, changes[i], changes[i+1], 1)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, _, _ := vectorAndStates(t, dir, "What is deep learning?")
		return v
	}
	const plain, act = `"feed_forward_proj": "relu"`, `"dense_act_fn": "relu"`
	usual := vector()
	silu := vector(plain, `"feed_forward_proj": "silu"`, act, `"dense_act_fn": null`)
	if slices.Equal(silu, usual) {
		t.Error("feed_forward_proj changes nothing")
	}
	for name, got := range map[string][]float32{
		"the activation":     vector(act, `"dense_act_fn": "silu"`),
		"both":               vector(plain, `"feed_forward_proj": "gated-gelu"`, act, `"dense_act_fn": "silu"`),
		"a gate without one": vector(plain, `"feed_forward_proj": "gated-silu"`, act, `"dense_act_fn": null`),
	} {
		if !slices.Equal(got, silu) {
			t.Errorf("%s: %v, want %v", name, got[:4], silu[:4])
		}
	}
}
