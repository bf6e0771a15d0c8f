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
	return []winnow.Option{winnow.WithThreads(f.Threads), winnow.WithPrecision(p), winnow.WithMaxLength(f.MaxLength),
		winnow.WithBatchTokens(f.BatchTokens)}, nil
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
