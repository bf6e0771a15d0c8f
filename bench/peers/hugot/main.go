// Command hugot is the pure-Go engine hugot as a worker of compare.py: one line
// in, the workload once, seconds out. Build it with GOEXPERIMENT=simd, its
// fastest form. The model's folder needs a tokenizer.json: hugot takes text, so
// each sequence is written as its tokens' pieces and read back, which costs
// nothing beside the time of its matrices.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/knights-analytics/hugot"
	"github.com/knights-analytics/hugot/backends"
	"github.com/knights-analytics/hugot/pipelines"
)

func main() {
	model := flag.String("model", "", "directory with the ONNX file and tokenizer.json")
	file := flag.String("file", "model.onnx", "ONNX file in it")
	work := flag.String("work", "", "JSON list of {ids, types}")
	batch := flag.Int("batch", 4, "documents per batch")
	flag.Parse()

	var sequences []struct{ IDs, Types []int }
	read(*work, &sequences)
	var tokenizer struct {
		Model struct{ Vocab map[string]int }
	}
	read(*model+"/tokenizer.json", &tokenizer)
	// Whole words only: their text gives one token each.
	var words []string
	for piece, id := range tokenizer.Model.Vocab {
		if id > 2000 && id < 20000 && strings.Trim(piece, "abcdefghijklmnopqrstuvwxyz") == "" {
			words = append(words, piece)
		}
	}
	var query string
	var documents []string
	for i, s := range sequences {
		text := make([]string, len(s.IDs))
		for j, id := range s.IDs {
			text[j] = words[id%len(words)]
		}
		first := 0
		for first < len(s.Types) && s.Types[first] == 0 {
			first++
		}
		if i == 0 {
			query = strings.Join(text[1:first-1], " ")
		}
		documents = append(documents, strings.Join(text[first:len(text)-1], " "))
	}

	ctx := context.Background()
	session, err := hugot.NewGoSession(ctx)
	check(err)
	defer session.Destroy()
	pipeline, err := hugot.NewPipeline(session, hugot.CrossEncoderConfig{
		ModelPath: *model, Name: "bench", OnnxFilename: *file,
		Options: []backends.PipelineOption[*pipelines.CrossEncoderPipeline]{pipelines.WithBatchSize(*batch)},
	})
	check(err)
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		start := time.Now()
		_, err := pipeline.RunPipeline(ctx, query, documents)
		check(err)
		fmt.Println(time.Since(start).Seconds())
	}
}

func read(name string, to any) {
	data, err := os.ReadFile(name)
	check(err)
	check(json.Unmarshal(data, to))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
