package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLabelFlag(t *testing.T) {
	model := filepath.Join("..", "..", "testdata", "roberta-nli")
	seen := map[string]bool{}
	for _, flags := range [][]string{nil, {"--label", "neutral"}, {"--label", "0"}} {
		status, stdout, stderr := runWith(t, "", append([]string{"rank", "-m", model, "--tsv", "q", "a document"}, flags...)...)
		if status != 0 || stderr != "" {
			t.Fatalf("%q: status %d, %s", flags, status, stderr)
		}
		seen[stdout] = true
	}
	if len(seen) != 3 {
		t.Errorf("3 labels give %d scores", len(seen))
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", model, "--label", "maybe", "q", "d"); status != 1 || !strings.Contains(stderr, `label "maybe": the model has 0 contradiction, 1 entailment, 2 neutral`) {
		t.Errorf("an unknown label: status %d, %s", status, stderr)
	}
}

func TestInspectEncoders(t *testing.T) {
	for model, want := range map[string][]string{
		"roberta-nli":  {"(relevant: entailment)", "softmax"},
		"ettin":        {"first token → Dense 32 → norm → Dense 1", "Identity"},
		"embed-dense":  {"tasks         embed", "24 dimensions: last token", `query: "question: " (the default)`},
		"colbert-bert": {"every token → Dense 12 → MaxSim", "mean"},
	} {
		status, stdout, stderr := runWith(t, "", "inspect", filepath.Join("..", "..", "testdata", model))
		if status != 0 {
			t.Fatalf("%s: status %d, %s", model, status, stderr)
		}
		for _, s := range want {
			if !strings.Contains(stdout, s) {
				t.Errorf("%s: no %q in\n%s", model, s, stdout)
			}
		}
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", filepath.Join("..", "..", "testdata", "embed-bge"), "q", "d"); status != 1 || !strings.Contains(stderr, "cannot rerank") {
		t.Errorf("rank with a model that embeds: status %d, %s", status, stderr)
	}
}
