package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/models"
)

// modelFlags are the flags of all commands that load a model.
type modelFlags struct {
	Model       string `short:"m" placeholder:"MODEL" help:"GGUF file, directory in Hugging Face layout, or hub id; the built-in model without."`
	Threads     int    `short:"t" placeholder:"N" help:"${threads}"`
	Precision   string `enum:"auto,f32,f16,int8" default:"auto" help:"Number format of the matrix products: ${enum}."`
	MaxLength   int    `placeholder:"N" help:"Most tokens of a query with a document (0: what the model takes)."`
	BatchTokens int    `placeholder:"N" help:"Tokens that a thread takes through the model at a time (0: chosen)."`
	Offline     bool   `help:"Download nothing."`

	causalFlags `embed:""`
}

// causalFlags are the flags for rerankers of certain kinds: causal models, and
// classifiers of several labels.
type causalFlags struct {
	Label       string `placeholder:"NAME" help:"Label of a classifier that means relevant, by name or number; the one whose name says so without, or the second of two."`
	Score       string `placeholder:"SCORE" help:"Score of a causal model: yes-no, yes or token:ID; the authors' without."`
	Template    string `placeholder:"FILE" help:"Prompt of a causal model: a file with {query} and {document} in it, or a known name; the authors' without."`
	Instruction string `placeholder:"TEXT" help:"Instruction in the prompt of a causal model."`
	PlainText   bool   `help:"Keep what spells a special token in queries and documents plain text: for documents of strangers."`
}

func (f *causalFlags) options() ([]winnow.Option, error) {
	options := []winnow.Option{winnow.WithScore(f.Score), winnow.WithInstruction(f.Instruction), winnow.WithLabel(f.Label)}
	if f.PlainText {
		options = append(options, winnow.WithPlainText())
	}
	if f.Template == "" {
		return options, nil
	}
	data, err := os.ReadFile(f.Template)
	switch {
	case err == nil:
		return append(options, winnow.WithTemplate(string(data))), nil
	case errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(f.Template, "/\\."):
		return append(options, winnow.WithTemplate(f.Template)), nil // a name
	}
	return nil, fmt.Errorf("--template: %w", err)
}

func (f *modelFlags) options() ([]winnow.Option, error) {
	p, err := winnow.ParsePrecision(f.Precision)
	if err != nil {
		return nil, usageError{err}
	}
	for name, n := range map[string]int{"--threads": f.Threads, "--max-length": f.MaxLength, "--batch-tokens": f.BatchTokens} {
		if n < 0 {
			return nil, usagef("%s is %d: expected a number of at least 0", name, n)
		}
	}
	causal, err := f.causalFlags.options()
	if err != nil {
		return nil, err
	}
	return append(causal, winnow.WithThreads(f.Threads), winnow.WithPrecision(p), winnow.WithMaxLength(f.MaxLength),
		winnow.WithBatchTokens(f.BatchTokens)), nil
}

// open loads the model that the flags name.
func (f *modelFlags) open(env *environment) (*winnow.Model, error) {
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	source := hub.Source{Offline: f.Offline, Token: hub.TokenFromEnv(env.getenv), Progress: progress(env.stderr)}
	return openModel(env.ctx, f.Model, source, options)
}

// openModel loads a model by its name: "" is the built-in one.
func openModel(ctx context.Context, name string, source hub.Source, options []winnow.Option) (*winnow.Model, error) {
	if name == "" {
		data := models.Default()
		if data == nil {
			return nil, usagef("this winnow has no model built in: name one with --model")
		}
		return winnow.OpenBytes(models.Name, data, options...)
	}
	path, err := locate(ctx, name, source)
	if err != nil {
		return nil, err
	}
	return winnow.Open(path, options...)
}

// locate is the path of a model: its name if there is such a file or directory,
// otherwise where the hub's cache has it.
func locate(ctx context.Context, name string, source hub.Source) (string, error) {
	_, err := os.Stat(name)
	if err == nil {
		return name, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	ref, ok := hub.ParseRef(name)
	if !ok || strings.HasSuffix(strings.ToLower(name), ".gguf") && !strings.Contains(name, ":") {
		return "", fmt.Errorf("model %s: there is no such file or directory", name)
	}
	return source.Get(ctx, ref)
}

// baseName is what a model is called that was given no name.
func baseName(path string) string {
	name := filepath.Base(filepath.Clean(path))
	if ext := filepath.Ext(name); strings.EqualFold(ext, ".gguf") {
		name = strings.TrimSuffix(name, ext)
	}
	return name
}
