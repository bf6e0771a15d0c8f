package safetensors

import (
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"
)

// A scanner reads JSON in place. The tables of models are flat and may be large, so it
// decodes only what is needed. They must have no duplicate keys, which encoding/json
// would accept.
type scanner struct {
	data []byte
	pos  int
}

// A syntaxError is an error at a byte of the scanner's data.
type syntaxError struct {
	pos         int
	found, want string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("at byte %d: found %s, expected %s", e.pos, e.found, e.want)
}

const (
	maxJSONDepth = 64      // of skipped values
	maxKey       = 1 << 16 // bytes
)

// wrong returns an error for the next character.
func (s *scanner) wrong(want string) error {
	found := "the end"
	if s.pos < len(s.data) {
		r, _ := utf8.DecodeRune(s.data[s.pos:])
		found = fmt.Sprintf("%q", r)
	}
	return &syntaxError{s.pos, found, want}
}

// space skips white space and returns the next byte, or 0 at the end.
func (s *scanner) space() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// delim reads the byte c.
func (s *scanner) delim(c byte) error {
	if s.space() != c || s.pos == len(s.data) {
		return s.wrong(fmt.Sprintf("%q", c))
	}
	s.pos++
	return nil
}

// end returns an error if anything but white space is left.
func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.wrong("the end")
	}
	return nil
}

// object reads an object. It calls member for each key, which must read the value.
func (s *scanner) object(member func(key []byte) error) error {
	if err := s.delim('{'); err != nil {
		return err
	}
	if s.space() == '}' {
		s.pos++
		return nil
	}
	for {
		key, err := s.text(maxKey)
		if err != nil {
			return err
		}
		if err := s.delim(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.space() == '}' {
			s.pos++
			return nil
		}
		if err := s.delim(','); err != nil {
			return err
		}
	}
}

// array reads an array. It calls element for each element, which must read it.
func (s *scanner) array(element func() error) error {
	if err := s.delim('['); err != nil {
		return err
	}
	if s.space() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.space() == ']' {
			s.pos++
			return nil
		}
		if err := s.delim(','); err != nil {
			return err
		}
	}
}

// raw reads a string without decoding escapes, and returns whether it has any.
func (s *scanner) raw() (text []byte, escapes bool, err error) {
	if s.space() != '"' {
		return nil, false, s.wrong("a string")
	}
	s.pos++
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1], escapes, nil
		case c < ' ':
			return nil, false, s.wrong("a string without control characters")
		case c == '\\':
			escapes = true
			n := escape(s.data[s.pos:])
			if n == 0 {
				return nil, false, s.wrong("a JSON escape")
			}
			s.pos += n
		default:
			s.pos++
		}
	}
	return nil, false, s.wrong("the end of a string")
}

// escape returns the length of the escape at the start of b, or 0 if it is invalid.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// text reads a string that takes at most limit bytes in the data. The result is a view
// into the data unless it has escapes.
func (s *scanner) text(limit int) ([]byte, error) {
	s.space()
	start := s.pos
	b, escapes, err := s.raw()
	if err != nil {
		return nil, err
	}
	if len(b) > limit {
		return nil, &syntaxError{start, fmt.Sprintf("a string of %d bytes", len(b)), fmt.Sprintf("at most %d", limit)}
	}
	if !escapes {
		return b, nil
	}
	var t string
	if err := json.Unmarshal(s.data[start:s.pos], &t); err != nil {
		return nil, &syntaxError{start, "a string that is not JSON", "text"}
	}
	return []byte(t), nil
}

// integer reads a non-negative integer.
func (s *scanner) integer() (uint64, error) {
	c := s.space()
	start := s.pos
	var n uint64
	for ; s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9'; s.pos++ {
		d := uint64(s.data[s.pos] - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, &syntaxError{start, "a number of more than 64 bits", "a size or an offset"}
		}
		n = 10*n + d
	}
	if s.pos == start {
		return 0, s.wrong("a non-negative whole number")
	}
	if c == '0' && s.pos > start+1 {
		return 0, &syntaxError{start, "a number with a leading 0", "a whole number"}
	}
	if s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '.', 'e', 'E':
			return 0, s.wrong("a whole number")
		}
	}
	return n, nil
}

// skip reads any value, nested in depth others.
func (s *scanner) skip(depth int) error {
	if depth > maxJSONDepth {
		return &syntaxError{s.pos, fmt.Sprintf("JSON nested more than %d deep", maxJSONDepth), "less"}
	}
	switch s.space() {
	case '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case '"':
		_, _, err := s.raw()
		return err
	}
	start := s.pos
	for s.pos < len(s.data) && !isDelimiter(s.data[s.pos]) {
		s.pos++
	}
	if !json.Valid(s.data[start:s.pos]) {
		s.pos = start
		return s.wrong("a JSON value")
	}
	return nil
}

func isDelimiter(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', ',', ':', ']', '}', '[', '{', '"':
		return true
	}
	return false
}
