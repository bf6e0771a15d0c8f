package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// Errors of a call to a model that does not support the task, or whose result is not
// finite.
var (
	ErrNotFinite      = errors.New("the model computed a number that is not finite")
	ErrCannotRerank   = errors.New("the model has no classification head and cannot rerank")
	ErrCannotEmbed    = errors.New("the model has neither an embedding head nor pooling and cannot embed")
	ErrCannotComplete = errors.New("the model has no language-model head and cannot complete text")
)

// ErrPromptTooLong is returned for a prompt that leaves no room for a completion in the
// model's context window.
var ErrPromptTooLong = errors.New("the prompt is longer than the model's context")

// ErrNoChatTemplate is returned for a conversation with a model whose files contain no
// chat template.
var ErrNoChatTemplate = errors.New("the model has no chat template")

// ErrTooMuch is returned for a text that exceeds the limits of the model's tokenizer.
var ErrTooMuch = tokenizer.ErrTooMuch

// ErrNoRoom is returned for a call whose maximum length leaves no room for texts next to
// special tokens, prompt and instruction.
var ErrNoRoom = errors.New("no room for the texts")

// A roomError is an ErrNoRoom with a reason.
type roomError struct{ text string }

func noRoom(format string, args ...any) error { return &roomError{fmt.Sprintf(format, args...)} }

func (e *roomError) Error() string { return e.text }

func (e *roomError) Is(target error) bool { return target == ErrNoRoom }

// An UnknownPromptError reports a prompt name that the model does not have.
type UnknownPromptError struct {
	Name  string
	Known []string // names of the model's prompts, sorted
}

func (e *UnknownPromptError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("prompt %q: the model has no prompts", e.Name)
	}
	return fmt.Sprintf("prompt %q: the model has %s", e.Name, strings.Join(e.Known, ", "))
}
