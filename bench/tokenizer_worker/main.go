// Command tokenizer_worker is the tokenizer package as a worker of
// tokenizer_differential.py: each line that it reads names a model's folder and
// texts, and the line that it answers with has their token ids.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/winnow-rerank/winnow/tokenizer"
)

type job struct {
	Dir   string
	Cases []struct {
		Text  string
		Pair  *string
		Limit int
		How   string
		Side  string // "": the configured one
	}
}

type result struct {
	IDs     []int32 `json:"ids"`
	Types   []int32 `json:"types"`
	Decoded string  `json:"decoded"`
	Error   string  `json:"error,omitempty"`
}

type answer struct {
	Error   string   `json:"error,omitempty"`
	Results []result `json:"results,omitempty"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("tokenizer_worker: ")
	in := bufio.NewReader(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for decoder := json.NewDecoder(in); decoder.More(); {
		var j job
		if err := decoder.Decode(&j); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode(j.run()); err != nil {
			log.Fatal(err)
		}
	}
}

func (j *job) run() (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Error: fmt.Sprintf("panic: %v", p)}
		}
	}()
	t, err := tokenizer.FromDir(j.Dir)
	if err != nil {
		return answer{Error: err.Error()}
	}
	how := map[string]tokenizer.Truncation{"": tokenizer.LongestFirst, "longest_first": tokenizer.LongestFirst, "only_first": tokenizer.OnlyFirst, "only_second": tokenizer.OnlySecond}
	for _, c := range j.Cases {
		side := t.TruncationSide()
		switch c.Side {
		case "left":
			side = tokenizer.Left
		case "right":
			side = tokenizer.Right
		}
		var e tokenizer.Encoding
		tokens, err := t.Tokens(nil, c.Text)
		if err == nil && c.Pair == nil {
			t.SingleSide(&e, tokens, c.Limit, side)
		} else if err == nil {
			var second []int32
			if second, err = t.Tokens(nil, *c.Pair); err == nil {
				err = t.PairSide(&e, tokens, second, c.Limit, how[c.How], side)
			}
		}
		var r result
		if err == nil {
			r.IDs, r.Types = e.IDs, e.Types
			r.Decoded, err = t.Decode(e.IDs, true)
		}
		if err != nil {
			r.Error = err.Error()
		}
		a.Results = append(a.Results, r)
	}
	return a
}
