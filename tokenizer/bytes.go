package tokenizer

import (
	"bytes"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// view returns b as a string without a copy; b must not change while it is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// literal is a pattern that matches its own text.
type literal string

func (l literal) find(text []byte, from int) (start, end int, ok bool) {
	if len(l) == 0 || from > len(text) {
		return 0, 0, false
	}
	var i int
	if len(l) == 1 {
		i = bytes.IndexByte(text[from:], l[0])
	} else {
		i = bytes.Index(text[from:], unsafe.Slice(unsafe.StringData(string(l)), len(l)))
	}
	if i < 0 {
		return 0, 0, false
	}
	return from + i, from + i + len(l), true
}

// appendValid appends text to dst with each invalid byte replaced with U+FFFD.
func appendValid(dst []byte, text string) []byte {
	for _, r := range text { // range yields U+FFFD for each invalid byte
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// buffers are pairs of scratch buffers.
var buffers = sync.Pool{New: func() any { return new([2][]byte) }}
