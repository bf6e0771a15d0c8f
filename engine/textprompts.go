package engine

import (
	"maps"
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// prompts are texts that are put before others, by name, and which of them is
// unless another is asked for.
type prompts struct {
	texts    map[string]string
	standard string
}

// readPrompts reads those that sentence-transformers keeps beside a model.
func readPrompts(f *checkpoint.File) (prompts, error) {
	texts, standard, err := f.Prompts()
	if err != nil {
		return prompts{}, err
	}
	return prompts{texts, standard}, nil
}

// text is the prompt of that name, or the default one.
func (p *prompts) text(name string) (string, error) {
	if name == "" {
		name = p.standard
	}
	text, ok := p.texts[name]
	if !ok && name != "" {
		return "", &UnknownPromptError{Name: name, Known: slices.Sorted(maps.Keys(p.texts))}
	}
	return text, nil
}
