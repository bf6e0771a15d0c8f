package engine

import (
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A ranker scores documents against a query.
type ranker interface {
	// encode returns a sequence of at most limit tokens for each document.
	encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error)
	// score fills outputs with the scores of sequences returned by encode.
	score(ctx context.Context, sequences []Sequence, outputs []Output) error
	describe(info *Info)
	exporter
}

// An embedder turns texts into vectors.
type embedder interface {
	encodeTexts(ctx context.Context, texts []string, o TextOptions, limit int) (Encoded, error)
	embed(ctx context.Context, sequences []Sequence) ([][]float32, error)
	// states returns the last hidden states of each sequence, concatenated token by token.
	states(ctx context.Context, sequences []Sequence) ([][]float32, error)
	describe(info *Info)
	exporter
}

// A completer continues texts and conversations.
type completer interface {
	complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error)
	// chatPrompt renders messages as a prompt.
	chatPrompt(messages []Message, variables map[string]any) (string, error)
	describe(info *Info)
	exporter
}

// An exporter writes the settings of a task to a GGUF file.
type exporter interface {
	export(e *checkpoint.Export) error
}

// tasks holds the implementations of everything a model may be used for.
type tasks struct {
	ranker    ranker
	embedder  embedder
	completer completer
}

// noTasks returns tasks that all fail; a plan replaces those that the model supports.
func noTasks(path string) tasks {
	return tasks{unsupported{fmt.Errorf("%s: %w", path, ErrCannotRerank)}, unsupported{fmt.Errorf("%s: %w", path, ErrCannotEmbed)}, unsupported{ErrCannotComplete}}
}

// unsupported implements a task that the model was not trained for.
type unsupported struct{ err error }

func (u unsupported) encode(context.Context, string, []string, EncodeOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unsupported) score(context.Context, []Sequence, []Output) error { return u.err }

func (u unsupported) encodeTexts(context.Context, []string, TextOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unsupported) embed(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unsupported) states(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unsupported) complete(context.Context, []int32, CompleteOptions) (*Completion, error) {
	return nil, u.err
}

func (u unsupported) describe(*Info) {}

func (u unsupported) chatPrompt([]Message, map[string]any) (string, error) { return "", u.err }

func (u unsupported) export(*checkpoint.Export) error { return nil }

// A taskPlan says what to load for a model's tasks. It is decided from the model's files
// before any weights are loaded.
type taskPlan struct {
	parts    []any // structs of tensors to load in addition to the trunk's
	settings []any // structs that define the dimensions named in the tensors' tags
	// finish sets up the tasks that the model supports, after weights and tokenizer have
	// been loaded.
	finish func(t *tasks, o Options) error
}
