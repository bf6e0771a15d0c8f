// Command settings_worker is the engine as a worker of settings_differential.py:
// each line that it reads names a model's folder and what to compute with it, and
// the line that it answers with has the numbers, twice where the folder is to be
// converted to GGUF, too.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/quant"
)

// A job is a folder with a query and documents to rank, texts to make vectors of, or
// prompts to continue by a token.
type job struct {
	Dir       string
	Query     string
	Documents []string
	Texts     []string
	Prompts   [][]int32
	Probs     int // of the most probable tokens
	Template  string
	Label     string
	Convert   bool
}

type numbers struct {
	Error    string                      `json:"error,omitempty"`
	Scores   []float64                   `json:"scores,omitempty"`
	Vectors  [][]float32                 `json:"vectors,omitempty"`
	Logprobs [][]engine.TokenProbability `json:"logprobs,omitempty"`
	Unit     bool                        `json:"unit,omitempty"`
	Relevant string                      `json:"relevant,omitempty"`
	Unread   []string                    `json:"unread,omitempty"`
}

type answer struct {
	numbers
	Converted *numbers `json:"converted,omitempty"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("settings_worker: ")
	out := json.NewEncoder(os.Stdout)
	for decoder := json.NewDecoder(bufio.NewReader(os.Stdin)); decoder.More(); {
		var j job
		if err := decoder.Decode(&j); err != nil {
			log.Fatal(err)
		}
		a := answer{numbers: j.run(j.Dir)}
		if j.Convert && a.Error == "" {
			converted := j.convert()
			a.Converted = &converted
		}
		if err := out.Encode(a); err != nil {
			log.Fatal(err)
		}
	}
}

// convert runs the job on the folder's weights in a GGUF file.
func (j *job) convert() numbers {
	file := filepath.Join(j.Dir, "converted.gguf")
	if err := j.write(file); err != nil {
		return numbers{Error: err.Error()}
	}
	return j.run(file)
}

func (j *job) write(file string) (err error) {
	defer caught(&err)
	_, err = engine.Convert(j.Dir, file, quant.F32, nil)
	return err
}

func (j *job) run(path string) numbers {
	n, err := j.compute(path)
	if err != nil {
		return numbers{Error: err.Error()}
	}
	for _, v := range n.Scores {
		if v != v {
			return numbers{Error: "a score that is not a number"}
		}
	}
	return n
}

func (j *job) compute(path string) (n numbers, err error) {
	defer caught(&err)
	m, err := engine.Open(path, engine.Options{Threads: 1, Precision: engine.F32, Template: j.Template, Label: j.Label})
	if err != nil {
		return n, err
	}
	defer m.Close()
	info := m.Info()
	n.Unit, n.Relevant, n.Unread = info.Unit, info.Relevant, info.Unread
	ctx := context.Background()
	if j.Documents != nil {
		e, err := m.Encode(ctx, j.Query, j.Documents, engine.EncodeOptions{})
		if err != nil {
			return n, err
		}
		outputs, err := m.Score(ctx, e.Sequences)
		if err != nil {
			return n, err
		}
		for _, o := range outputs {
			n.Scores = append(n.Scores, o.Logit)
		}
	}
	if j.Texts != nil {
		e, err := m.EncodeTexts(ctx, j.Texts, engine.TextOptions{})
		if err != nil {
			return n, err
		}
		if n.Vectors, err = m.Embed(ctx, e.Sequences); err != nil {
			return n, err
		}
	}
	for _, prompt := range j.Prompts {
		c, err := m.Complete(ctx, prompt, engine.CompleteOptions{MaxTokens: 1, Probs: j.Probs, IgnoreEnd: true, NoCache: true})
		if err != nil {
			return n, err
		}
		n.Logprobs = append(n.Logprobs, c.Tokens[0].Top)
	}
	return n, nil
}

// caught makes an error of a panic, which the script counts as a fault.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = errors.New("panic: " + strings.TrimSpace(fmt.Sprint(p)))
	}
}
