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
