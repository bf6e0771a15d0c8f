package compute

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// A PanicError is a panic of a worker: an error in the program, or a page of the
// model's file that could not be read.
type PanicError struct {
	Value any // what the panic was called with
	stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("a worker panicked: %v", e.Value) }

// StackTrace is that of the goroutine that panicked.
func (e *PanicError) StackTrace() []byte { return e.stack }

// Unwrap is the value of the panic if that is an error, such as the runtime's.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// failure keeps the first panic of several workers for the goroutine that waits
// for them.
type failure struct{ first atomic.Pointer[PanicError] }

// catch, deferred, ends a panic and keeps it.
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

// take is the panic that was kept, or nil.
func (f *failure) take() *PanicError { return f.first.Swap(nil) }
