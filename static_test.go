package winnow

import (
	"context"
	"math"
	"testing"
)

// TestStaticTokenStates: the states of a static model's tokens average to the text's
// vector, and a text without tokens has none.
func TestStaticTokenStates(t *testing.T) {
	m, err := Open("testdata/zoo/static-model2vec/model")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	embed := func(every bool) []Embedding {
		texts, err := m.EncodeTexts(context.Background(), []string{"", "deep learning is fun"}, TextOptions{EveryToken: every})
		if err != nil {
			t.Fatal(err)
		}
		list, err := m.EmbedEncoded(context.Background(), texts)
		if err != nil || len(list) != 2 || list[0].Tokens != 0 || len(list[0].States) != 0 || list[1].Tokens < 2 {
			t.Fatalf("every token %v: %+v, %v", every, list, err)
		}
		return list
	}
	states, vector := embed(true)[1].States, embed(false)[1].Vector
	mean := make([]float64, len(vector))
	for _, s := range states {
		for i, v := range s {
			mean[i] += float64(v) / float64(len(states))
		}
	}
	var ab, aa, bb float64
	for i, v := range vector {
		ab, aa, bb = ab+mean[i]*float64(v), aa+mean[i]*mean[i], bb+float64(v)*float64(v)
	}
	if cosine := ab / math.Sqrt(aa*bb); math.Abs(cosine-1) > 1e-6 {
		t.Errorf("the mean of %d states has the cosine %v with the vector, want 1", len(states), cosine)
	}
}
