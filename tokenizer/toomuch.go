package tokenizer

import (
	"errors"
	"fmt"
)

// ErrTooMuch is the error of a text that is too much for a tokenizer: a regular
// expression takes too many steps on it, or the normalizer makes out of bounds much
// of it. No text of honest files comes to it. It is the error of that text alone.
var ErrTooMuch = errors.New("the text is too much for the model's tokenizer")

var (
	errSteps = fmt.Errorf("%w: a regular expression takes too many steps on it", ErrTooMuch)
	errLong  = fmt.Errorf("%w: its steps make more than 64 times as long a text of it", ErrTooMuch)
)

// bound is how long the normal form of n bytes may be.
func bound(n int) int { return 64*n + 1<<16 }
