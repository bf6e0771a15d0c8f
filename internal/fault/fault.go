package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for errors.Is. Package winnow exports them under the same names.
var (
	ErrFormat      = errors.New("malformed model")
	ErrUnsupported = errors.New("unsupported model")
)

// A FormatError reports a malformed file: which file, which field, what was found there
// and what was expected.
type FormatError struct {
	Path   string // file, as the user named it
	Field  string // tensor, metadata key or part of the header
	Offset int64  // byte offset in the file; -1 if it does not apply
	Found  string
	Want   string
}

func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString(e.Path)
	if e.Field != "" {
		fmt.Fprintf(&b, ": %s", e.Field)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	fmt.Fprintf(&b, ": found %s", e.Found)
	if e.Want != "" {
		fmt.Fprintf(&b, ", expected %s", e.Want)
	}
	return b.String()
}

// Unwrap makes errors.Is(err, ErrFormat) true.
func (e *FormatError) Unwrap() error { return ErrFormat }

// An UnsupportedError reports something in a well-formed file that winnow does not
// support, and what the user can do about it.
type UnsupportedError struct {
	Path string
	What string // what was found, as the file names it
	Hint string // what to do instead; may be empty
}

func (e *UnsupportedError) Error() string {
	s := fmt.Sprintf("%s: %s is not supported", e.Path, e.What)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Unwrap makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }
