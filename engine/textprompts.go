package engine

import (
	"maps"
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// prompts are texts that are put before others, by name, and which of them is
// unless another is asked for.
type namedPrompts struct {
	texts       map[string]string
	defaultName string
}

// readPrompts reads those that sentence-transformers keeps beside a model.
func readPrompts(f *checkpoint.File) (namedPrompts, error) {
	texts, standard, err := f.Prompts()
	if err != nil {
		return namedPrompts{}, err
	}
	return namedPrompts{texts, standard}, nil
}

// text is the prompt of that name, or the default one.
func (p *namedPrompts) text(name string) (string, error) {
	if name == "" {
		name = p.defaultName
	}
	text, ok := p.texts[name]
	if !ok && name != "" {
		return "", &UnknownPromptError{Name: name, Known: slices.Sorted(maps.Keys(p.texts))}
	}
	return text, nil
}
