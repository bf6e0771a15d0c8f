package engine

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestRealGemma compares Gemma 3 270M in Q4_K_M with what llama.cpp continues
// texts by. llama.cpp rounds activations to 8 bits (and keys and values to 16), which moves
// logarithms of probabilities by up to 0.4; the prompts are ones of which it decides
// every step by more than 0.5. Where it decides by less, float32 decides as a
// computation of the same weights in Python does, and both differ from llama.cpp.
//
// testdata/gemma.sh fetches the model.
func TestRealGemma(t *testing.T) {
	path := testenv.Gemma(t)
	var r struct {
		Completions []struct {
			Prompt string
			Tokens []int
			Top    [][][2]float64
		}
	}
	readJSON(t, filepath.Join("..", "testdata", "gemma-3-270m-greedy.json"), &r)
	for _, precision := range []Precision{Auto, F32} {
		m := open(t, path, Options{Precision: precision})
		worst, sum, n := 0.0, 0.0, 0
		list := r.Completions
		if precision == F32 { // slow
			list = list[:4]
		}
		for _, c := range list {
			got, err := m.Complete(context.Background(), must(m.PromptTokens(c.Prompt)), CompleteOptions{MaxTokens: len(c.Tokens), Probs: 20})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Tokens {
				if i >= len(got.Tokens) || got.Tokens[i].ID != want {
					t.Errorf("%v, %q: token %d differs: %v", precision, c.Prompt, i, got.Text)
					break
				}
				for _, top := range c.Top[i] {
					for _, g := range got.Tokens[i].Top {
						if g.ID == int(top[0]) {
							d := math.Abs(math.Exp(g.Logprob) - top[1])
							worst = max(worst, d)
							sum, n = sum+d, n+1
						}
					}
				}
			}
		}
		t.Logf("%v: largest difference of a probability %.2g, mean %.2g", precision, worst, sum/float64(n))
		if mean := sum / float64(n); worst > 0.15 || mean > 1e-2 {
			t.Errorf("%v: probabilities differ by up to %.2g, %.2g in the mean", precision, worst, mean)
		}
	}
}
