// Package fault defines the two kinds of error of reading a model, so that all packages
// word them alike and callers can distinguish them with errors.Is and errors.As.
package fault
