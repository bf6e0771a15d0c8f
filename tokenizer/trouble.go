package tokenizer

import (
	"errors"
	"sync/atomic"
)

// trouble is what went wrong in a tokenizer's work on a text that no text of
// honest files comes to. It is kept once for the tokenizer, because those who
// tokenize have no error to give.
type trouble struct {
	what atomic.Pointer[string]
}

// set notes what went wrong; the first of it stays.
func (t *trouble) set(what string) {
	if t != nil {
		t.what.CompareAndSwap(nil, &what)
	}
}

// Err is not nil once a text was too much for the tokenizer: a regular
// expression took too many steps, or the normalizer made out of bounds much of
// it. Its tokens are not those that the files mean. Pair and EncodePair give
// the error too.
func (t *Tokenizer) Err() error {
	if what := t.trouble.what.Load(); what != nil {
		return errors.New(*what)
	}
	return nil
}

// bound is how long the normal form of n bytes may be.
func bound(n int) int { return 64*n + 1<<16 }

const tooLong = "the tokenizer's steps make a text longer than 64 times what it was"
