package engine

import (
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A ranker scores documents against a query.
type ranker interface {
	// encode makes the sequences of a query's documents, each of at most limit tokens.
	encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error)
	// score fills outputs with the scores of sequences that encode has made.
	score(ctx context.Context, sequences []Sequence, outputs []Output) error
	describe(info *Info)
	exporter
}

// An embedder makes vectors of texts.
type embedder interface {
	encodeTexts(ctx context.Context, texts []string, o TextOptions, limit int) (Encoded, error)
	embed(ctx context.Context, sequences []Sequence) ([][]float32, error)
	// states are the last hidden states of every token, those of a sequence one behind the
	// other.
	states(ctx context.Context, sequences []Sequence) ([][]float32, error)
	describe(info *Info)
	exporter
}

// A completer continues texts, and conversations.
type completer interface {
	complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error)
	// chatPrompt writes messages as a prompt.
	chatPrompt(messages []Message, variables map[string]any) (string, error)
	describe(info *Info)
	exporter
}

// An exporter is a task that writes its settings to a GGUF file.
type exporter interface {
	export(e *checkpoint.Export) error
}

// tasks are what a model can do.
type tasks struct {
	ranker    ranker
	embedder  embedder
	completer completer
}

// noTasks are those of a model that can do nothing.
func noTasks(path string) tasks {
	return tasks{unable{fmt.Errorf("%s: %w", path, ErrCannotRerank)}, unable{fmt.Errorf("%s: %w", path, ErrCannotEmbed)}, unable{ErrCannotComplete}}
}

// unable is a model that was not made for a task.
type unable struct{ err error }

func (u unable) encode(context.Context, string, []string, EncodeOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unable) score(context.Context, []Sequence, []Output) error { return u.err }

func (u unable) encodeTexts(context.Context, []string, TextOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unable) embed(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unable) states(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unable) complete(context.Context, []int32, CompleteOptions) (*Completion, error) {
	return nil, u.err
}

func (u unable) describe(*Info) {}

func (u unable) chatPrompt([]Message, map[string]any) (string, error) { return "", u.err }

func (u unable) export(*checkpoint.Export) error { return nil }

// A taskPlan is what a model is loaded for, decided by its files before there are
// weights.
type taskPlan struct {
	parts    []any // structs of tensors to load beside the trunk
	settings []any // structs with the dimensions that their tags name
	// finish sets up those tasks that the model can do, once weights and tokenizer are
	// there.
	finish func(t *tasks, o Options) error
}
