package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/winnow-rerank/winnow/models"
)

// A suggestion is a model recommended by winnow models. Its short name is accepted
// wherever a model is named.
type suggestion struct {
	Name      string  `json:"name"`
	Model     string  `json:"model"`
	For       string  `json:"for"`
	Languages string  `json:"languages"`
	Tokens    int     `json:"max_tokens"`     // of query and document together
	Work      float64 `json:"work"`           // multiplications per token, relative to the built-in model
	Download  int64   `json:"download_bytes"` // of the files that winnow downloads
	Memory    int64   `json:"memory_bytes"`   // peak while ranking in the precision chosen by auto
	MemoryI8  int64   `json:"memory_bytes_int8"`
	License   string  `json:"license"`
}

const (
	mega = 1_000_000
	giga = 1_000_000_000
)

// suggestions are licensed for any purpose. Memory was measured while ranking 64
// documents of 90 words on two threads; where the checkpoint was not available, with
// random weights of its shape and type.
var suggestions = []suggestion{
	{"english", models.Name, "short texts", "English", 512, 1, 0, 83 * mega, 83 * mega, "Apache-2.0"},
	{"fast", "cross-encoder/ms-marco-MiniLM-L6-v2", "short texts, twice as fast", "English", 512, 0.5, 92 * mega, 89 * mega, 54 * mega, "Apache-2.0"},
	{"long", "Alibaba-NLP/gte-reranker-modernbert-base", "long texts, better rankings", "English", 8192, 5, 602 * mega, 533 * mega, 173 * mega, "Apache-2.0"},
	{"multilingual", "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1", "short texts", "14", 512, 1, 493 * mega, 196 * mega, 118 * mega, "Apache-2.0"},
	{"multilingual-large", "BAAI/bge-reranker-v2-m3", "long texts, better rankings", "100+", 8192, 14, 2290 * mega, 1314 * mega, 388 * mega, "Apache-2.0"},
	{"instruct", "Qwen/Qwen3-Reranker-0.6B", "a task set with --instruction", "100+", 40960, 21, 1200 * mega, 1028 * mega, 557 * mega, "Apache-2.0"},
}

// command returns the command that makes the model available or uses it.
func (s suggestion) command() string {
	if isBuiltIn(s.Model) {
		return "winnow rank QUERY DOCUMENT…"
	}
	return "winnow pull " + s.Name
}

type modelsCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *modelsCommand) Run(env *environment) error {
	if c.JSON {
		type entry struct {
			suggestion
			Command string `json:"command"`
		}
		var list []entry
		for _, s := range suggestions {
			list = append(list, entry{s, s.command()})
		}
		return writeJSON(env.stdout, list)
	}
	t := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\tlanguages\tfor\ttokens\twork\tdownload\tmemory\tin int8\tcommand")
	for _, s := range suggestions {
		download := "built in"
		if s.Download > 0 {
			download = decimal(s.Download)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%g\t%s\t%s\t%s\t%s\n", s.Name, s.Languages, s.For, s.Tokens, s.Work, download, decimal(s.Memory), decimal(s.MemoryI8), s.command())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(env.stdout, `
work: computation per token relative to the built-in model; in int8: memory with --precision int8.
Use the name wherever a model is expected: winnow rank -m multilingual QUERY DOCUMENT…, winnow serve -m long.
For any other reranker on the hub, run winnow pull ORG/NAME; for the models already on disk, winnow list.
`)
	return err
}

// decimal formats a size in powers of ten, as the hub and disks do.
func decimal(n int64) string {
	if n >= giga {
		return fmt.Sprintf("%.1f GB", float64(n)/giga)
	}
	return fmt.Sprintf("%d MB", n/mega)
}

func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
