package bulk

import (
	"errors"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow"
)

// TestModel: pairs in any order score as each by itself does, with a model that reads pairs
// and with one that reads lists.
func TestModel(t *testing.T) {
	pairs := []Pair{
		{Query: "deep learning", Document: "a subset of machine learning"}, {Query: "deep learning", Document: "apples"},
		{Query: "apples", Document: "apples"}, {Query: "deep learning", Document: ""}, {Query: "", Document: "apples"},
	}
	for _, name := range []string{"bert-minilm", "jina-v3"} {
		m, err := winnow.Open("../../testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := Encode(t.Context(), m, pairs)
		if err != nil || len(encoded) != len(pairs) {
			t.Fatal(len(encoded), err)
		}
		scores, err := Score(t.Context(), m, encoded, false)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := Score(t.Context(), m, encoded, true)
		if err != nil {
			t.Fatal(err)
		}
		var want, logits []float64
		for _, p := range pairs {
			r, err := m.Rerank(t.Context(), p.Query, []string{p.Document})
			if err != nil {
				t.Fatal(err)
			}
			want, logits = append(want, r[0].Score), append(logits, r[0].Logit)
		}
		if !slices.Equal(scores, want) || !slices.Equal(raw, logits) {
			t.Errorf("%s: %v and %v, want %v and %v", name, scores, raw, want, logits)
		}
		m.Close()
		if _, err := Encode(t.Context(), m, pairs); !errors.Is(err, winnow.ErrClosed) {
			t.Errorf("a closed model: %v", err)
		}
		if _, err := Score(t.Context(), m, encoded, false); !errors.Is(err, winnow.ErrClosed) {
			t.Errorf("a closed model: %v", err)
		}
	}
}
