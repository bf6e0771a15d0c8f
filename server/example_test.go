package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/server"
)

// A server is an http.Handler, which other programs can put among theirs. The
// model here is a small one with random weights.
func Example() {
	s, err := server.New(server.Options{Models: []server.ModelSpec{{
		Name: "small",
		Load: func(context.Context) (server.Model, error) {
			return winnow.Open("../testdata/bert-minilm")
		},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(context.Background()); err != nil {
		log.Fatal(err)
	}
	web := httptest.NewServer(s)
	defer web.Close()

	r, err := http.Post(web.URL+"/v1/rerank", "application/json", strings.NewReader(
		`{"query": "deep learning", "documents": ["apples", "neural networks"], "top_n": 1}`))
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	var ranking struct {
		Results []struct {
			Index int
			Score float64 `json:"relevance_score"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&ranking); err != nil {
		log.Fatal(err)
	}
	for _, result := range ranking.Results {
		fmt.Printf("%s: document %d, score %.3f\n", r.Status, result.Index, result.Score)
	}
	// Output: 200 OK: document 0, score 0.903
}
