package engine

import (
	"maps"
	"slices"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// namedPrompts are texts to prepend to other texts.
type namedPrompts struct {
	texts       map[string]string // by name
	defaultName string            // of the prompt used if none is requested
}

// readPrompts reads the prompts that sentence-transformers stores with a model.
func readPrompts(f *checkpoint.File) (namedPrompts, error) {
	texts, standard, err := f.Prompts()
	if err != nil {
		return namedPrompts{}, err
	}
	return namedPrompts{texts, standard}, nil
}

// text returns the prompt with the given name, or the default one for "".
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
