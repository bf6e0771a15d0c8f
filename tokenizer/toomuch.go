package tokenizer

import (
	"errors"
	"fmt"
)

// ErrTooMuch reports a text that a tokenizer cannot process within its bounds: a
// regular expression takes too many steps, or the normalizer expands the text too far.
// Only hostile files cause it, and it affects that text alone.
var ErrTooMuch = errors.New("the text exceeds the tokenizer's work limits")

var (
	errSteps = fmt.Errorf("%w: a regular expression takes too many steps", ErrTooMuch)
	errLong  = fmt.Errorf("%w: its stages make it more than 64 times as long", ErrTooMuch)
)

// bound returns the maximum length of the normal form of n bytes.
func bound(n int) int { return 64*n + 1<<16 }
