package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/winnow-rerank/winnow/engine"
)

// The model here is a small one with random weights.
func Example() {
	m, err := engine.Open("../testdata/bert-minilm", engine.Options{Threads: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	// Documents are encoded with the query, but tokenized once each.
	pairs, err := m.Encode(context.Background(), "What is deep learning?", []string{
		"Deep learning is a subset of machine learning based on artificial neural networks.",
		"Apples are red and sweet fruits that grow on trees.",
	}, engine.EncodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	outputs, err := m.Score(context.Background(), pairs.Sequences)
	if err != nil {
		log.Fatal(err)
	}
	for i, o := range outputs {
		fmt.Printf("%d tokens: logit %.3f, probability %.3f\n", pairs.Sequences[i].Len(), o.Logit, o.Probability)
	}
	// Output:
	// 54 tokens: logit 1.903, probability 0.870
	// 42 tokens: logit 2.263, probability 0.906
}
