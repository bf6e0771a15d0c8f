package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	in := filepath.Join("..", "..", "testdata", "bert-minilm")
	out := filepath.Join(t.TempDir(), "m.gguf")
	status, said, stderr := runWith(t, "", "convert", in, out, "--type", "f16")
	if status != 0 || !strings.Contains(said, "F16") {
		t.Fatalf("status %d: %s%s", status, said, stderr)
	}
	score := func(model string) float64 {
		status, said, stderr := runWith(t, "", "rank", "-m", model, "--json", "--raw-scores", "--precision", "f32", "a question", "an answer")
		var r struct {
			Results []struct {
				Score float64 `json:"relevance_score"`
			}
		}
		if err := json.Unmarshal([]byte(said), &r); err != nil || status != 0 || len(r.Results) != 1 {
			t.Fatalf("status %d: %s%s", status, said, stderr)
		}
		return r.Results[0].Score
	}
	if a, b := score(in), score(out); math.Abs(a-b) > 0.01 {
		t.Errorf("converted, a logit of %v is %v", a, b)
	}

	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := runWith(t, "", "convert", in, out); status != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("over a file that is there: status %d: %s", status, stderr)
	}
	if after, err := os.ReadFile(out); err != nil || string(after) != string(before) {
		t.Errorf("the file that was there has changed (%v)", err)
	}
	if status, _, stderr := runWith(t, "", "convert", in, out, "--force", "--type", "q9"); status != 2 || !strings.Contains(stderr, "q8_0") {
		t.Errorf("unknown type: status %d: %s", status, stderr)
	}
}

// TestConvertKinds converts what is no encoder with a classifier, and inspects it.
func TestConvertKinds(t *testing.T) {
	for _, c := range []struct{ model, to, want string }{
		{"qwen3-reranker", "q4_k_m", "rerank, complete"},
		{"gemma3-lm", "q8_0", "gemma3, family Gemma 3"},
		{"jina-v3", "bf16", "marked tokens → projector → cosine"},
		{"embed-dense", "f16", "last token → Dense 24"},
		{"colbert-modernbert", "q6_k", "every token → Dense 16 → MaxSim"},
		{"distilbert", "q4_0", "first token → dense → relu → classifier"},
	} {
		out := filepath.Join(t.TempDir(), "m.gguf")
		if status, _, stderr := runWith(t, "", "convert", filepath.Join("..", "..", "testdata", c.model), out, "--type", c.to); status != 0 {
			t.Errorf("%s: status %d: %s", c.model, status, stderr)
			continue
		}
		if status, said, stderr := runWith(t, "", "inspect", out); status != 0 || !strings.Contains(said, c.want) {
			t.Errorf("%s: status %d: %s%s\nwant %q", c.model, status, said, stderr, c.want)
		}
	}
}

func TestBench(t *testing.T) {
	status, said, stderr := runWith(t, "", "bench", "-m", filepath.Join("..", "..", "testdata", "bert-minilm"), "--time", "1ms", "--documents", "3", "--words", "12", "--json")
	var r benchReport
	if err := json.Unmarshal([]byte(said), &r); err != nil || status != 0 {
		t.Fatalf("status %d: %s%s", status, said, stderr)
	}
	if r.Documents != 3 || r.Requests < 3 || r.Tokens < 3*12 {
		t.Errorf("%d documents, %d requests, %d tokens", r.Documents, r.Requests, r.Tokens)
	}
	for name, n := range map[string]float64{"documents/s": r.DocumentsPS, "tokens/s": r.TokensPS, "p50": r.P50, "peak": r.Peak, "share": r.Share} {
		if !(n > 0) || math.IsInf(n, 0) {
			t.Errorf("%s is %v", name, n)
		}
	}
	if r.P99 < r.P50 {
		t.Errorf("p99 %v is below p50 %v", r.P99, r.P50)
	}
	// It ends with a row for README's table.
	_, said, _ = runWith(t, "", "bench", "-m", filepath.Join("..", "..", "testdata", "bert-minilm"), "--time", "1ms", "--documents", "3", "--words", "12", "--threads", "1")
	row := fmt.Sprintf(`(?m)\A.*\n(?s:.*)^\| %s, 1 threads \| bert-minilm, f32, 3 documents, %d tokens \| \d+ tokens/s \|\n\z`, r.Kernels, r.Tokens)
	if !regexp.MustCompile(row).MatchString(said) {
		t.Errorf("printed %q, expected its last line like %s", said, row)
	}
	if status, _, _ := runWith(t, "", "bench", "--documents", "0"); status != 2 {
		t.Errorf("no documents: status %d", status)
	}
}
