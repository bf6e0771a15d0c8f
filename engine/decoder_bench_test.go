package engine

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// The benchmarks of causal models take the model that WINNOW_BENCH_MODEL names.
func benchDecoder(b *testing.B) *Model {
	path := os.Getenv("WINNOW_BENCH_MODEL")
	if path == "" {
		b.Skip("WINNOW_BENCH_MODEL is unset")
	}
	m := open(b, path, Options{})
	// The head is packed at the first completion.
	if _, err := m.Complete(context.Background(), []int32{1}, CompleteOptions{MaxTokens: 1}); err != nil {
		b.Fatal(err)
	}
	b.Logf("%s, %d threads, kernels %s, %d MB of weights", m.info.Precision, m.info.Threads, m.info.Kernels, m.info.WeightBytes>>20)
	return m
}

func BenchmarkPrefill(b *testing.B) {
	m := benchDecoder(b)
	const tokens = 512
	r := rand.New(rand.NewPCG(1, 1))
	ids := make([]int32, tokens)
	for b.Loop() {
		for i := range ids {
			ids[i] = r.Int32N(10000)
		}
		if _, err := m.Complete(context.Background(), ids, CompleteOptions{MaxTokens: 0, NoCache: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*tokens)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkGenerate(b *testing.B) {
	m := benchDecoder(b)
	const tokens = 32
	for b.Loop() {
		if _, err := m.Complete(context.Background(), []int32{1, 2, 3, 4}, CompleteOptions{MaxTokens: tokens, NoCache: true, IgnoreEnd: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*tokens)/b.Elapsed().Seconds(), "tokens/s")
}

func BenchmarkRerankDecoder(b *testing.B) {
	m := benchDecoder(b)
	r := rand.New(rand.NewPCG(1, 1))
	words := strings.Fields("the of and river deep learning bread network city water music stone light paper green seven house run early table")
	tokens := 0
	for b.Loop() {
		var documents []string
		for range 20 {
			var d []string
			for range 150 {
				d = append(d, words[r.IntN(len(words))])
			}
			documents = append(documents, strings.Join(d, " "))
		}
		query := "which " + words[r.IntN(len(words))] + " " + words[r.IntN(len(words))] + " is " + words[r.IntN(len(words))]
		pairs, err := m.Encode(context.Background(), query, documents, EncodeOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := m.Score(context.Background(), pairs.Sequences); err != nil {
			b.Fatal(err)
		}
		for _, s := range pairs.Sequences {
			tokens += s.Len()
		}
	}
	b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tokens/s")
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/request")
}
