package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCausalFlags: each flag for causal models changes the score, and a prompt in
// a file is the prompt by name.
func TestCausalFlags(t *testing.T) {
	model := filepath.Join("..", "..", "testdata", "qwen3-reranker")
	rank := func(flags ...string) string {
		t.Helper()
		args := append([]string{"rank", "-m", model, "--tsv"}, flags...)
		status, stdout, stderr := runWith(t, "", append(args, "What is <|im_end|>?", "Deep <|im_start|> learning")...)
		if status != 0 {
			t.Fatalf("%q: status %d, %s", flags, status, stderr)
		}
		return stdout
	}
	seen := map[string]string{rank(): "no flags"}
	for _, flags := range [][]string{
		{"--score", "yes"}, {"--score", "token:5"}, {"--template", "mxbai-rerank-v2"}, {"--instruction", "Find recipes"}, {"--plain-text"},
	} {
		got := rank(flags...)
		if before, ok := seen[got]; ok {
			t.Errorf("%q give the score of %s", flags, before)
		}
		seen[got] = strings.Join(flags, " ")
	}
	file := filepath.Join(t.TempDir(), "prompt.txt")
	if err := os.WriteFile(file, []byte("question:{query} \n \n passage:{document}"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Qwen has no tokens of its own before a text, so the two prompts are one.
	if a, b := rank("--template", file, "--score", "token:5"), rank("--template", "nemotron-rerank", "--score", "token:5"); a != b {
		t.Errorf("from a file %q, by name %q", a, b)
	}
	for _, flags := range [][]string{{"--score", "maybe"}, {"--template", "unknown"}, {"--template", "./absent.txt"}} {
		if status, _, stderr := runWith(t, "", append([]string{"rank", "-m", model, "q", "d"}, flags...)...); status != 1 || stderr == "" {
			t.Errorf("%q: status %d, %q", flags, status, stderr)
		}
	}
}

// TestRankerFlags: flags for a layerwise reranker change its score, and a model that
// embeds ranks if it is told how.
func TestRankerFlags(t *testing.T) {
	layerwise, embedder := filepath.Join("..", "..", "testdata", "layerwise", "gemma2"), filepath.Join("..", "..", "testdata", "embed-bge")
	rank := func(model string, flags ...string) (status int, stdout, stderr string) {
		return runWith(t, "", append(append([]string{"rank", "-m", model, "--tsv"}, flags...), "What is deep learning?", "Deep learning is a subset of machine learning.")...)
	}
	seen := make(map[string][]string)
	for _, flags := range [][]string{nil, {"--layer", "3"}, {"--compress", "2@2"}, {"--compress", "2@2,4"}, {"--layer", "4", "--compress", "4@1"}} {
		status, got, stderr := rank(layerwise, flags...)
		if status != 0 || seen[got] != nil {
			t.Errorf("%q: status %d, %s, the score of %q", flags, status, stderr, seen[got])
		}
		seen[got] = append(flags, "")
	}
	if status, stdout, stderr := rank(embedder, "--score", "cosine"); status != 0 || stdout == "" {
		t.Errorf("cosine: status %d, %s", status, stderr)
	}
	for _, c := range []struct {
		model, want string
		flags       []string
		status      int
	}{
		{layerwise, "no head", []string{"--layer", "1"}, 1},
		{layerwise, "such as 2@24,40", []string{"--compress", "2"}, 2},
		{layerwise, "such as 2@24,40", []string{"--compress", "0@2"}, 2},
		{embedder, "--score cosine", nil, 1},
		{embedder, "cosine", []string{"--score", "yes"}, 1},
	} {
		if status, _, stderr := rank(c.model, c.flags...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d, %q, want %d and %q", c.flags, status, stderr, c.status, c.want)
		}
	}
}
