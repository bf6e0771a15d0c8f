//go:build !nomodel

package models_test

import (
	"context"
	"fmt"
	"log"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/models"
)

func ExampleDefault() {
	m, err := winnow.OpenBytes(models.Name, models.Default())
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ranked, err := m.Rerank(context.Background(), "What is deep learning?", []string{
		"Apples are red and sweet fruits that grow on trees.",
		"Deep learning is a subset of machine learning based on artificial neural networks.",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ranked {
		fmt.Printf("%d %.3f\n", r.Index, r.Score)
	}
	// Output:
	// 1 1.000
	// 0 0.000
}
