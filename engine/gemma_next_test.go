package engine

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestGemmaNext compares what Gemma 3 270M in Q4_K_M takes for the next token of ten
// texts with what llama.cpp does. Activations are rounded alike in both, but a
// difference of 10⁻⁷ in a sum moves one of them now and then by a whole step, and
// within a few layers that spreads to as much as the rounding itself: llama.cpp's
// own answers differ as much when flash attention is switched off, and by up to
// 0.03 between its server and a call of its library. So that is the measure: over
// the texts, the mean of the largest differences.
func TestGemmaNext(t *testing.T) {
	path := testenv.Gemma(t)
	var r struct {
		Next []struct {
			Prompt string
			Tokens []int32
			Top    [][4]float64
		}
	}
	readJSON(t, filepath.Join("..", "testdata", "gemma-3-270m-next.json"), &r)
	m := open(t, path, Options{})
	var ours, theirs float64
	for _, c := range r.Next {
		ids := must(m.PromptTokens(c.Prompt))
		if !slices.Equal(ids, c.Tokens) {
			t.Errorf("%q: tokens %d, want %d", c.Prompt, ids, c.Tokens)
		}
		got, err := m.Complete(context.Background(), ids, CompleteOptions{MaxTokens: 1, Probs: 40, NoCache: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Tokens) == 0 {
			t.Fatalf("%q: no token", c.Prompt)
		}
		var off, self float64
		for _, top := range c.Top {
			self = max(self, math.Abs(top[1]-top[2]), math.Abs(top[1]-top[3]))
			for _, g := range got.Tokens[0].Top {
				if g.ID == int(top[0]) {
					off = max(off, math.Abs(math.Exp(g.Logprob)-top[1]))
				}
			}
		}
		t.Logf("%q: off by %.3f, llama.cpp from itself by %.3f", c.Prompt, off, self)
		if off > 0.1 {
			t.Errorf("%q: a probability is off by %.3f", c.Prompt, off)
		}
		ours, theirs = ours+off, theirs+self
	}
	n := float64(len(r.Next))
	t.Logf("mean of the largest differences %.4f, llama.cpp from itself %.4f", ours/n, theirs/n)
	if ours > 1.3*theirs {
		t.Errorf("off by %.4f in the mean, llama.cpp from itself by %.4f", ours/n, theirs/n)
	}
}
