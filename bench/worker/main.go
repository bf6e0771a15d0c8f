// Command worker is winnow as a worker of compare.py: it loads a model, says
// "ready", and for each line that it reads scores the workload once and prints
// the seconds that took. With -logits it is a worker of accuracy.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/pprof"
	"time"

	"github.com/winnow-rerank/winnow/engine"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("worker: ")
	model := flag.String("m", "", "GGUF file or Hugging Face model directory")
	precision := flag.String("precision", "auto", "auto, f32, f16, int8, int8a16 or int16a8")
	work := flag.String("work", "", "JSON list of {ids, types}")
	threads := flag.Int("threads", 0, "compute threads (0: one per core)")
	chunk := flag.Int("batch-tokens", 0, "tokens each thread processes at a time (0: automatic)")
	rounds := flag.Int("rounds", 0, "score the workload this many times instead of reading lines")
	logits := flag.Bool("logits", false, "print the logits of the workload as a JSON list and exit")
	profile := flag.String("cpuprofile", "", "write a profile to this file")
	flag.Parse()

	p, err := engine.ParsePrecision(*precision)
	check(err)
	data, err := os.ReadFile(*work)
	check(err)
	var items []struct{ IDs, Types []int32 }
	check(json.Unmarshal(data, &items))
	m, err := engine.Open(*model, engine.Options{Threads: *threads, Precision: p, BatchTokens: *chunk})
	check(err)
	defer m.Close()
	var sequences []engine.Sequence
	for _, item := range items {
		sequences = append(sequences, engine.Sequence{IDs: item.IDs, Types: item.Types})
	}
	if *logits {
		outputs, err := m.Score(context.Background(), sequences)
		check(err)
		list := make([]float64, len(outputs))
		for i, o := range outputs {
			list[i] = o.Logit
		}
		check(json.NewEncoder(os.Stdout).Encode(list))
		return
	}
	score := func() float64 {
		start := time.Now()
		_, err := m.Score(context.Background(), sequences)
		check(err)
		return time.Since(start).Seconds()
	}

	fmt.Println("ready")
	if *profile != "" {
		score()
		f, err := os.Create(*profile)
		check(err)
		check(pprof.StartCPUProfile(f))
		defer func() {
			pprof.StopCPUProfile()
			check(f.Close())
		}()
	}
	for range *rounds {
		fmt.Println(score())
	}
	if *rounds > 0 {
		return
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(score())
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
