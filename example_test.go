package winnow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow"
)

// The model here is a small one with random weights, which a test needs; with a
// trained one the first document comes first.
func Example() {
	m, err := winnow.Open("testdata/bert-minilm", winnow.WithThreads(2))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	ranked, err := m.Rerank(context.Background(), "What is deep learning?", []string{
		"Deep learning is a subset of machine learning based on artificial neural networks.",
		"Apples are red and sweet fruits that grow on trees.",
		"The theory of relativity was developed by Albert Einstein.",
	}, winnow.TopN(2))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ranked {
		fmt.Printf("%d %.4f\n", r.Index, r.Score)
	}
	// Output:
	// 1 0.9057
	// 2 0.8900
}

func ExampleOpen() {
	m, err := winnow.Open("testdata/bert-minilm", winnow.WithThreads(1), winnow.WithPrecision(winnow.F32), winnow.WithMaxLength(64))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	info := m.Info()
	fmt.Println(info.Family, info.Tasks, info.Precision, info.MaxLength)

	_, err = winnow.Open("example_test.go")
	fmt.Println(errors.Is(err, winnow.ErrFormat))
	// Output:
	// BERT [rerank] f32 64
	// true
}

func ExampleModel_Rerank() {
	m, err := winnow.Open("testdata/bert-minilm")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ranked, err := m.Rerank(context.Background(), "deep learning", []string{"neural networks", "apples", "pears"}, winnow.TopN(2))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range ranked {
		fmt.Printf("%d %.3f %s\n", r.Index, r.Score, r.Document)
	}
	// Output:
	// 1 0.903 apples
	// 2 0.858 pears
}

func ExampleConvert() {
	dir, err := os.MkdirTemp("", "winnow")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "model.gguf")
	c, err := winnow.Convert("testdata/bert-minilm", file, "f16", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Tensors, "tensors:", c.Types)
	// Output: 57 tensors: map[F16:19 F32:38]
}

func ExampleModel_Score() {
	m, err := winnow.Open("testdata/bert-minilm")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	logits, err := m.Score(context.Background(), "query", []string{"a document"}, winnow.RawScores())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n", logits[0])
	// Output: 0.835
}

func ExampleModel_Encode() {
	m, err := winnow.Open("testdata/bert-minilm")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	// A scheduler encodes first, and then decides by the number of tokens what to
	// score together.
	pairs, err := m.Encode(context.Background(), "deep learning", []string{"neural networks", "apples"}, winnow.EncodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range pairs {
		fmt.Println(p.Tokens(), "tokens")
	}
	results, err := m.ScoreEncoded(context.Background(), pairs)
	fmt.Println(len(results), "results", err)
	// Output:
	// 19 tokens
	// 14 tokens
	// 2 results <nil>
}

func ExampleTooLongError() {
	m, err := winnow.Open("testdata/bert-minilm", winnow.WithMaxLength(16))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	_, err = m.Rerank(context.Background(), "deep learning",
		[]string{"one", "two three four five six seven eight nine ten"}, winnow.Truncate(winnow.TruncateNever))
	var tooLong *winnow.TooLongError
	if errors.As(err, &tooLong) {
		fmt.Println("document", tooLong.Index, "is too long, limit", tooLong.Limit)
	}
	// Output: document 1 is too long, limit 16
}

func ExampleOpenBytes() {
	// A program may carry its model: //go:embed model.gguf
	data, err := os.ReadFile("testdata/llama-lm-F16.gguf")
	if err != nil {
		log.Fatal(err)
	}
	m, err := winnow.OpenBytes("model.gguf", data)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(m.Info().Architecture, m.Info().Tasks)
	// Output: llama [rerank complete]
}

func ExampleModel_Embed() {
	m, err := winnow.Open("testdata/embed-dense")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	// The model was trained so that the first numbers of a vector stand for all.
	vectors, err := m.Embed(context.Background(), []string{"a text", "another text"}, winnow.Prompt("document"), winnow.Dimensions(8))
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range vectors {
		fmt.Println(len(v.Vector), "numbers of", v.Tokens, "tokens")
	}
	// Output:
	// 8 numbers of 6 tokens
	// 8 numbers of 8 tokens
}

func ExampleModel_Complete() {
	m, err := winnow.Open("testdata/qwen2-mxbai2", winnow.WithPrecision(winnow.F32))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	c, err := m.Complete(context.Background(), "The quick brown fox", winnow.CompleteOptions{MaxTokens: 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q after %d tokens, %s\n", c.Text, c.PromptTokens, c.Stop)
	// Output: "odule v z" after 12 tokens, limit
}

func ExampleModel_ScoreSeq() {
	m, err := winnow.Open("testdata/bert-minilm")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	// However many lines there are, only some are in memory.
	lines := strings.SplitSeq("neural networks\napples\npears", "\n")
	for result, err := range m.ScoreSeq(context.Background(), "deep learning", lines) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %.3f %s\n", result.Index, result.Score, result.Document)
	}
	// Output:
	// 0 0.803 neural networks
	// 1 0.903 apples
	// 2 0.858 pears
}
