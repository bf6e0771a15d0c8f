package winnow

import (
	"errors"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// Errors wrap one of these; use errors.Is.
var (
	// ErrFormat: a file breaks its own format, or its parts contradict each
	// other. The error is a *FormatError.
	ErrFormat = fault.ErrFormat
	// ErrUnsupported: a file is well formed but holds something that winnow does
	// not compute. The error is an *UnsupportedError.
	ErrUnsupported = fault.ErrUnsupported
	// ErrClosed: the model was closed.
	ErrClosed = errors.New("the model is closed")
	// ErrTooLong: a text is longer than the model takes and Truncate(false) was
	// given. The error is a *TooLongError.
	ErrTooLong = errors.New("the text is too long")
	// ErrNotFinite: the model computed a number that is not finite, which a
	// damaged weight or one beyond float32 does. No score is made up for it.
	ErrNotFinite = engine.ErrNotFinite
	// ErrCannotComplete: the model does not generate text.
	ErrCannotComplete = engine.ErrCannotComplete
	// ErrCannotEmbed: the model makes no vectors of texts.
	ErrCannotEmbed = engine.ErrCannotEmbed
	// ErrCannotRerank: the model makes vectors of texts, but no scores.
	ErrCannotRerank = engine.ErrCannotRerank
	// ErrPromptTooLong: a prompt fills the model's window.
	ErrPromptTooLong = engine.ErrPromptTooLong
)

// A FormatError says which file, which field of it, what was found there and
// what was expected.
type FormatError = fault.FormatError

// An UnsupportedError says what a file holds that winnow does not compute, and
// what can be done about it.
type UnsupportedError = fault.UnsupportedError
