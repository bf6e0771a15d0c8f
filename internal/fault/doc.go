// Package fault holds the two kinds of error that reading a model can give, so
// that every package reports them in the same words and callers can tell them
// apart with errors.Is and errors.As.
package fault
