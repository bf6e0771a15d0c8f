package tokenizer

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// str returns the bytes of a string, valid until the next call of str.
func (r *jsonReader) str() []byte {
	if r.err != nil {
		return nil
	}
	if r.next() != '"' {
		r.fail(r.found(), "a string")
		return nil
	}
	r.pos++
	start := r.pos
	for i, c := range r.data[start:] {
		if c == '"' {
			r.pos = start + i + 1
			return r.utf8(r.data[start : start+i])
		}
		if c == '\\' {
			r.pos = start + i
			return r.escaped(r.data[start:r.pos])
		}
		if c < ' ' {
			r.pos = start + i
			r.fail(fmt.Sprintf("the control character %#02x in a string", c), "")
			return nil
		}
	}
	r.ended("the end of a string")
	return nil
}

// ended reports that the text ends where want was expected.
func (r *jsonReader) ended(want string) {
	r.pos = len(r.data)
	r.fail("the end of the text", want)
}

func (r *jsonReader) utf8(s []byte) []byte {
	if !utf8.Valid(s) {
		r.fail("a string that is not UTF-8", "")
		return nil
	}
	return s
}

// escaped reads the rest of a string from its first escape.
func (r *jsonReader) escaped(head []byte) []byte {
	r.buf = append(r.buf[:0], head...)
	for r.pos < len(r.data) {
		c := r.data[r.pos]
		switch {
		case c == '"':
			r.pos++
			return r.utf8(r.buf)
		case c < ' ':
			r.fail(fmt.Sprintf("the control character %#02x in a string", c), "")
			return nil
		case c != '\\':
			r.buf = append(r.buf, c)
			r.pos++
			continue
		}
		if r.pos+1 >= len(r.data) {
			break
		}
		r.pos += 2
		switch c := r.data[r.pos-1]; c {
		case '"', '\\', '/':
			r.buf = append(r.buf, c)
		case 'b':
			r.buf = append(r.buf, '\b')
		case 'f':
			r.buf = append(r.buf, '\f')
		case 'n':
			r.buf = append(r.buf, '\n')
		case 'r':
			r.buf = append(r.buf, '\r')
		case 't':
			r.buf = append(r.buf, '\t')
		case 'u':
			v := r.hex4()
			if utf16.IsSurrogate(v) {
				low := rune(-1)
				if bytes.HasPrefix(r.data[min(r.pos, len(r.data)):], []byte(`\u`)) {
					r.pos += 2
					low = r.hex4()
				}
				v = utf16.DecodeRune(v, low)
				if v == utf8.RuneError && r.err == nil {
					r.fail("half of a surrogate pair", `a pair of \u escapes`)
				}
			}
			if r.err != nil {
				return nil
			}
			r.buf = utf8.AppendRune(r.buf, v)
		default:
			r.fail(fmt.Sprintf(`the escape \%c`, c), "")
			return nil
		}
	}
	r.ended("the end of a string")
	return nil
}

func (r *jsonReader) hex4() rune {
	if r.pos+4 > len(r.data) {
		r.ended("four hexadecimal digits")
		return 0
	}
	v, err := strconv.ParseUint(string(r.data[r.pos:r.pos+4]), 16, 16)
	if err != nil {
		r.fail(strconv.Quote(string(r.data[r.pos:r.pos+4])), "four hexadecimal digits")
	}
	r.pos += 4
	return rune(v)
}

func (r *jsonReader) skipString() {
	r.pos++
	for {
		i := bytes.IndexByte(r.data[r.pos:], '"')
		if i < 0 {
			r.ended("the end of a string")
			return
		}
		r.pos += i + 1
		slashes := 0
		for r.data[r.pos-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return
		}
	}
}
