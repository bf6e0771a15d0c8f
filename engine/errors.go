package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// Errors of a model that is asked for something that it was not made for, or that
// went wrong in the computation.
var (
	ErrNotFinite      = errors.New("the model computed a number that is not finite")
	ErrCannotRerank   = errors.New("the model has no classification head and cannot rerank")
	ErrCannotEmbed    = errors.New("the model has neither an embedding head nor pooling and cannot embed")
	ErrCannotComplete = errors.New("the model has no language model's head and cannot complete text")
)

// ErrPromptTooLong is the error of a completion whose prompt leaves no room.
var ErrPromptTooLong = errors.New("the prompt is longer than the model's window")

// ErrNoChatTemplate is the error of a conversation with a model whose files bring no
// template for one.
var ErrNoChatTemplate = errors.New("the model has no chat template")

// ErrTooMuch is the error of a text on which the model's tokenizer gives up.
var ErrTooMuch = tokenizer.ErrTooMuch

// ErrNoRoom is the error of a call whose length leaves no room for texts, because of it
// or of what else it asks for.
var ErrNoRoom = errors.New("no room for the texts")

// A roomError is an ErrNoRoom that says why.
type roomError struct{ text string }

func noRoom(format string, args ...any) error { return &roomError{fmt.Sprintf(format, args...)} }

func (e *roomError) Error() string { return e.text }

func (e *roomError) Is(target error) bool { return target == ErrNoRoom }

// An UnknownPromptError names a prompt that the model does not have.
type UnknownPromptError struct {
	Name  string
	Known []string
}

func (e *UnknownPromptError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("prompt %q: the model has no prompts", e.Name)
	}
	return fmt.Sprintf("prompt %q: the model has %s", e.Name, strings.Join(e.Known, ", "))
}
