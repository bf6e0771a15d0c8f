package winnow

import (
	"errors"
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// Errors wrap one of these; use errors.Is. The text of every error begins with "winnow: ".
var (
	// ErrFormat: a file breaks its own format, or its parts contradict each
	// other. The error is a *FormatError.
	ErrFormat = fault.ErrFormat
	// ErrUnsupported: a file is well formed but holds something that winnow does
	// not compute. The error is an *UnsupportedError.
	ErrUnsupported = fault.ErrUnsupported
	// ErrClosed: the model was closed.
	ErrClosed = errors.New("winnow: the model is closed")
	// ErrTooLong: a text is longer than the model takes and Truncate(TruncateNever) was
	// given. The error is a *TooLongError.
	ErrTooLong = errors.New("the text is too long")
	// ErrNotFinite: the model computed a number that is not finite, which a
	// damaged weight or one beyond float32 does. No score is made up for it.
	ErrNotFinite = engine.ErrNotFinite
	// ErrCannotComplete: the model does not generate text.
	ErrCannotComplete = engine.ErrCannotComplete
	// ErrNoChatTemplate: the model generates text, but its files bring no template of
	// conversations.
	ErrNoChatTemplate = engine.ErrNoChatTemplate
	// ErrCannotEmbed: the model makes no vectors of texts.
	ErrCannotEmbed = engine.ErrCannotEmbed
	// ErrCannotRerank: the model makes vectors of texts, but no scores.
	ErrCannotRerank = engine.ErrCannotRerank
	// ErrNoRoom: the length that was asked for, or the instruction, leaves no room for a
	// text.
	ErrNoRoom = engine.ErrNoRoom
	// ErrTooMuch: the tokenizer's files make more of a text than their own honest use
	// would, in steps or in length. It is an error of that text alone.
	ErrTooMuch = engine.ErrTooMuch
	// ErrPromptTooLong: a prompt fills the model's context.
	ErrPromptTooLong = engine.ErrPromptTooLong
)

// A FormatError says which file, which field of it, what was found there and
// what was expected.
type FormatError struct {
	Path   string // file, as the user named it
	Field  string // tensor, metadata key or part of the header
	Offset int64  // byte offset in the file; -1 where it means nothing
	Found  string
	Want   string

	cause error
}

func (e *FormatError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Unwrap() error { return e.cause }

// An UnsupportedError says what a file holds that winnow does not compute, and
// what can be done about it.
type UnsupportedError struct {
	Path string
	What string // what was found, by the name that the file gives it
	Hint string // what to do instead; may be empty

	cause error
}

func (e *UnsupportedError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Unwrap() error { return e.cause }

// An UnknownPromptError names a prompt that the model does not have, and those that
// it has.
type UnknownPromptError struct {
	Name  string
	Known []string

	cause error
}

func (e *UnknownPromptError) Error() string { return "winnow: " + e.cause.Error() }

// Unwrap gives the error of the package that found it.
func (e *UnknownPromptError) Unwrap() error { return e.cause }

// A TooLongError says which document, together with its query, or which text has more tokens
// than the model takes.
type TooLongError struct {
	Index  int // of the document
	Tokens int // of the pair, untruncated, special tokens included
	Limit  int

	text bool // it is a text that was to be embedded
}

func (e *TooLongError) Error() string {
	if e.text {
		return fmt.Sprintf("winnow: text %d: %d tokens, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
	}
	return fmt.Sprintf("winnow: document %d: %d tokens with the query, at most %d: %v", e.Index, e.Tokens, e.Limit, ErrTooLong)
}

// Unwrap makes errors.Is(err, ErrTooLong) true.
func (e *TooLongError) Unwrap() error { return ErrTooLong }

// public is an error of the inner packages as callers get it.
func public(err error) error {
	var format *fault.FormatError
	var unsupported *fault.UnsupportedError
	var prompt *engine.UnknownPromptError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &format):
		return &FormatError{Path: format.Path, Field: format.Field, Offset: format.Offset, Found: format.Found, Want: format.Want, cause: err}
	case errors.As(err, &unsupported):
		return &UnsupportedError{Path: unsupported.Path, What: unsupported.What, Hint: unsupported.Hint, cause: err}
	case errors.As(err, &prompt):
		return &UnknownPromptError{Name: prompt.Name, Known: prompt.Known, cause: err}
	}
	return fmt.Errorf("winnow: %w", err)
}

// offset counts the documents of an error from the first of several lists.
func offset(err error, first int) error {
	var long *TooLongError
	if errors.As(err, &long) {
		return &TooLongError{Index: long.Index + first, Tokens: long.Tokens, Limit: long.Limit, text: long.text}
	}
	return err
}
