package compute

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// A PanicError is a worker's panic: a bug, or a page of the model file that could not
// be read.
type PanicError struct {
	Value any // the panic's argument
	stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("a worker panicked: %v", e.Value) }

// StackTrace is that of the goroutine that panicked.
func (e *PanicError) StackTrace() []byte { return e.stack }

// Unwrap returns the panic's value if it is an error, such as a runtime.Error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// failure keeps the first panic of several workers for the goroutine that waits for
// them.
type failure struct{ first atomic.Pointer[PanicError] }

// catch, deferred, recovers from a panic and keeps it.
func (f *failure) catch() {
	v := recover()
	if v == nil {
		return
	}
	e, ok := v.(*PanicError) // of a piece, raised again by its owner
	if !ok {
		e = &PanicError{Value: v, stack: debug.Stack()}
	}
	f.first.CompareAndSwap(nil, e)
}

// take returns the recorded panic, or nil.
func (f *failure) take() *PanicError { return f.first.Swap(nil) }
