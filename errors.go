package winnow

import (
	"errors"
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// Errors wrap one of these; use errors.Is. The text of every error begins with "winnow:
// ".
var (
	// ErrFormat: a file violates its own format, or its parts contradict each other. The
	// error is a *FormatError.
	ErrFormat = fault.ErrFormat
	// ErrUnsupported: a file is well formed but contains something that winnow does not
	// compute. The error is an *UnsupportedError.
	ErrUnsupported = fault.ErrUnsupported
	// ErrClosed: the model is closed.
	ErrClosed = errors.New("winnow: the model is closed")
	// ErrTooLong: a text is longer than the model takes, and Truncate(TruncateNever) was
	// given. The error is a *TooLongError.
	ErrTooLong = errors.New("the text is too long")
	// ErrNotFinite: the model computed a NaN or an infinity, because a weight is damaged
	// or exceeds float32. No score is returned.
	ErrNotFinite = engine.ErrNotFinite
	// ErrCannotComplete: the model does not generate text.
	ErrCannotComplete = engine.ErrCannotComplete
	// ErrNoChatTemplate: the model generates text, but its files contain no chat
	// template.
	ErrNoChatTemplate = engine.ErrNoChatTemplate
	// ErrCannotEmbed: the model does not embed texts.
	ErrCannotEmbed = engine.ErrCannotEmbed
	// ErrCannotRerank: the model embeds texts but does not score documents.
	ErrCannotRerank = engine.ErrCannotRerank
	// ErrNoRoom: the requested length, or the instruction, leaves no room for a text.
	ErrNoRoom = engine.ErrNoRoom
	// ErrTooMuch: the tokenizer's files expand a text beyond what legitimate ones would,
	// in steps or in length. The error concerns that text alone.
	ErrTooMuch = engine.ErrTooMuch
	// ErrPromptTooLong: a prompt fills the model's context.
	ErrPromptTooLong = engine.ErrPromptTooLong
)

// A FormatError names the file and the field at fault, what was found there and what was
// expected.
type FormatError struct {
	Path   string // the file, as the caller named it
	Field  string // tensor, metadata key or part of the header
	Offset int64  // byte offset in the file; -1 if not applicable
	Found  string
	Want   string

	cause error
}

func (e *FormatError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Unwrap() error { return e.cause }

// An UnsupportedError says what a file contains that winnow does not compute, and how to
// proceed.
type UnsupportedError struct {
	Path string
	What string // what was found, under the name that the file uses
	Hint string // what to do instead; may be empty

	cause error
}

func (e *UnsupportedError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Unwrap() error { return e.cause }

// An UnknownPromptError names a prompt that the model does not have, and those that it
// has.
type UnknownPromptError struct {
	Name  string
	Known []string

	cause error
}

func (e *UnknownPromptError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap returns the underlying error.
func (e *UnknownPromptError) Unwrap() error { return e.cause }

// A TooLongError identifies the text, or the document paired with its query, that has
// more tokens than the model takes.
type TooLongError struct {
	Index  int // of the document or text
	Tokens int // before truncation, special tokens included; of a document, with its query
	Limit  int // the most that are taken

	text bool // a text to embed, not a document
}

func (e *TooLongError) Error() string {
	if e.text {
		return fmt.Sprintf("winnow: text %d: %d tokens, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
	}
	return fmt.Sprintf("winnow: document %d: %d tokens with the query, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
}

// Unwrap makes errors.Is(err, ErrTooLong) true.
func (e *TooLongError) Unwrap() error { return ErrTooLong }

// public converts an error of the inner packages to this package's types.
func public(err error) error {
	if err == nil {
		return nil // before the variables below are allocated
	}
	var format *fault.FormatError
	var unsupported *fault.UnsupportedError
	var prompt *engine.UnknownPromptError
	switch {
	case errors.As(err, &format):
		return &FormatError{Path: format.Path, Field: format.Field, Offset: format.Offset, Found: format.Found, Want: format.Want, cause: err}
	case errors.As(err, &unsupported):
		return &UnsupportedError{Path: unsupported.Path, What: unsupported.What, Hint: unsupported.Hint, cause: err}
	case errors.As(err, &prompt):
		return &UnknownPromptError{Name: prompt.Name, Known: prompt.Known, cause: err}
	}
	return fmt.Errorf("winnow: %w", err)
}

// offset adds first to the document index of a TooLongError.
func offset(err error, first int) error {
	var long *TooLongError
	if errors.As(err, &long) {
		return &TooLongError{Index: long.Index + first, Tokens: long.Tokens, Limit: long.Limit, text: long.text}
	}
	return err
}
