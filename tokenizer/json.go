package tokenizer

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// maxDepth is the maximum nesting depth of a tokenizer file, the same as in the program
// that writes these files.
const maxDepth = 128

// A jsonReader reads JSON text sequentially without building a tree, so that
// vocabularies of a quarter of a million pieces load quickly. The first error sticks;
// after it every method returns zero values.
type jsonReader struct {
	path  string // for errors
	field string // the current value, for errors
	data  []byte
	pos   int
	depth int
	buf   []byte // for strings with escapes
	err   error

	python bool           // value accepts NaN and infinities
	order  map[string]int // records the positions of object keys in value, if not nil
}

func newJSONReader(path, field string, data []byte) *jsonReader {
	return &jsonReader{path: path, field: field, data: data}
}

// fail records an error at the current position and moves the reader to the end.
func (r *jsonReader) fail(found, want string) {
	if r.err == nil {
		r.err = &fault.FormatError{Path: r.path, Field: r.field, Offset: int64(r.pos), Found: found, Want: want}
		r.pos = len(r.data)
	}
}

// next skips whitespace and returns the first byte of the next token, 0 at the end.
func (r *jsonReader) next() byte {
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; c {
		case ' ', '\n', '\r', '\t':
			r.pos++
		default:
			return c
		}
	}
	return 0
}

// found describes the value at the current position.
func (r *jsonReader) found() string {
	switch c := r.next(); {
	case c == 0 && r.pos >= len(r.data):
		return "the end of the text"
	case c == '{':
		return "an object"
	case c == '[':
		return "a list"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || c >= '0' && c <= '9':
		end := r.pos
		for end < len(r.data) && end < r.pos+24 && isNumberByte(r.data[end]) {
			end++
		}
		return "the number " + string(r.data[r.pos:end])
	default:
		return strconv.QuoteRune(rune(c))
	}
}

// end checks that nothing follows the value.
func (r *jsonReader) end() error {
	if r.err == nil && r.next() != 0 {
		r.fail(r.found(), "the end of the text")
	}
	return r.err
}

func (r *jsonReader) enter(open byte, want string) bool {
	if r.err != nil {
		return false
	}
	if r.next() != open {
		r.fail(r.found(), want)
		return false
	}
	if r.depth == maxDepth {
		r.fail("values nested more than "+strconv.Itoa(maxDepth)+" deep", "")
		return false
	}
	r.depth++
	r.pos++
	return true
}

// more reports whether another element precedes the closing byte, and consumes the
// comma or the closing byte.
func (r *jsonReader) more(first bool, closing byte) bool {
	if r.err != nil {
		return false
	}
	c := r.next()
	if c == closing {
		r.pos++
		r.depth--
		return false
	}
	if first {
		return true
	}
	if c != ',' {
		r.fail(r.found(), fmt.Sprintf("',' or '%c'", closing))
		return false
	}
	r.pos++
	return true
}

// object calls member for each key of an object. member must read the value; key is
// valid until the next string is read.
func (r *jsonReader) object(member func(key []byte)) {
	if !r.enter('{', "an object") {
		return
	}
	for first := true; r.more(first, '}'); first = false {
		key := r.key()
		if r.err != nil {
			return
		}
		member(key)
	}
}

// key reads a member's name and the colon after it.
func (r *jsonReader) key() []byte {
	key := r.str()
	if r.err == nil && r.next() != ':' {
		r.fail(r.found(), "':'")
	}
	if r.err != nil {
		return nil
	}
	r.pos++
	return key
}

// array calls element for each element of a list; element must read it.
func (r *jsonReader) array(element func(i int)) {
	if !r.enter('[', "a list") {
		return
	}
	for i := 0; r.more(i == 0, ']'); i++ {
		element(i)
	}
}

// null consumes a null if there is one.
func (r *jsonReader) null() bool {
	if r.err == nil && r.next() == 'n' && bytes.HasPrefix(r.data[r.pos:], []byte("null")) {
		r.pos += 4
		return true
	}
	return false
}

func (r *jsonReader) bool() bool {
	if r.err != nil {
		return false
	}
	r.next()
	switch rest := r.data[r.pos:]; {
	case bytes.HasPrefix(rest, []byte("true")):
		r.pos += 4
		return true
	case bytes.HasPrefix(rest, []byte("false")):
		r.pos += 5
		return false
	}
	r.fail(r.found(), "true or false")
	return false
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// number returns the text of a number.
func (r *jsonReader) number(want string) string {
	if r.err != nil {
		return ""
	}
	if c := r.next(); c != '-' && (c < '0' || c > '9') {
		r.fail(r.found(), want)
		return ""
	}
	start := r.pos
	for r.pos < len(r.data) && isNumberByte(r.data[r.pos]) {
		r.pos++
	}
	return unsafe.String(&r.data[start], r.pos-start) // valid as long as data
}

func (r *jsonReader) float() float64 {
	text := r.number("a number")
	if r.err != nil {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		r.fail("the number "+text, "a finite number")
	}
	return v
}

// id reads a token id: an integer that fits an int32.
func (r *jsonReader) id() int32 {
	text := r.number("a token id")
	if r.err != nil {
		return 0
	}
	v := int64(0)
	for _, c := range []byte(text) {
		if c < '0' || c > '9' || v > math.MaxInt32 {
			v = math.MaxInt64
			break
		}
		v = v*10 + int64(c-'0')
	}
	if v > math.MaxInt32 {
		r.fail("the number "+text, "a token id from 0 to 2147483647")
		return 0
	}
	return int32(v)
}

// raw skips a value and returns its text, whose brackets are balanced; everything else
// is checked when the parts are read.
func (r *jsonReader) raw() []byte {
	if r.err != nil {
		return nil
	}
	c := r.next()
	start := r.pos
	switch {
	case c == '"':
		r.skipString()
	case c == '{' || c == '[':
		r.skipNested()
	case c == 't' || c == 'f':
		r.bool()
	case c == 'n':
		if !r.null() {
			r.fail(r.found(), "a value")
		}
	default:
		r.number("a value")
	}
	if r.err != nil {
		return nil
	}
	return r.data[start:r.pos]
}

func (r *jsonReader) skipNested() {
	var open [maxDepth]byte
	depth := 0
	for r.pos < len(r.data) {
		switch c := r.data[r.pos]; c {
		case '"':
			if r.skipString(); r.err != nil {
				return
			}
			continue
		case '{', '[':
			if r.depth+depth == maxDepth {
				r.fail("values nested more than "+strconv.Itoa(maxDepth)+" deep", "")
				return
			}
			open[depth] = c + 2 // '}' is '{'+2, ']' is '['+2
			depth++
		case '}', ']':
			depth--
			if c != open[depth] {
				r.fail(strconv.QuoteRune(rune(c)), strconv.QuoteRune(rune(open[depth])))
				return
			}
			if depth == 0 {
				r.pos++
				return
			}
		}
		r.pos++
	}
	r.fail("the end of the text", "the end of an object or a list")
}

// value reads any value as a tree, for the small parts of a file: map[string]any,
// []any, string, float64, bool or nil.
func (r *jsonReader) value() any {
	switch c := r.next(); {
	case r.err != nil:
		return nil
	case c == '{':
		m := map[string]any{}
		r.object(func(key []byte) {
			k := string(key)
			if _, known := r.order[k]; r.order != nil && !known {
				r.order[k] = len(r.order)
			}
			m[k] = r.value()
		})
		return m
	case c == '[':
		list := []any{}
		r.array(func(int) {
			if len(list) == cap(list) {
				list = slices.Grow(list, max(4, len(list))) // growing by append alone allocates five times a long list in total
			}
			list = append(list, r.value())
		})
		return list
	case c == '"':
		return string(r.str())
	case c == 't' || c == 'f':
		return r.bool()
	case c == 'n' && r.null():
		return nil
	default:
		if r.python {
			for _, n := range pythonNumbers {
				if bytes.HasPrefix(r.data[r.pos:], []byte(n.text)) {
					r.pos += len(n.text)
					return n.value
				}
			}
		}
		return r.float()
	}
}

// pythonNumbers are numbers that Python writes but JSON lacks.
var pythonNumbers = []struct {
	text  string
	value float64
}{{"NaN", math.NaN()}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)}}
