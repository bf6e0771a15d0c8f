package jinja

import (
	"fmt"
	"strconv"
	"strings"
)

// An Error is an invalid or unsupported part of a template.
type Error struct {
	Line    int // in the template, from 1
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Message) }

// A chunk is text, or the contents of {{ }} or {% %}.
type chunk struct {
	kind byte // 't', '{' or '%'
	text string
	line int
}

// chunks splits a template and removes the whitespace that its tags control: next to a
// dash; the newline after a block; the whitespace before a block that is first on its
// line.
func chunks(source string) ([]chunk, error) {
	var list []chunk
	line := 1
	rest := strings.TrimSuffix(source, "\n") // like Jinja without keep_trailing_newline
	trimNext := false                        // remove whitespace before the next text
	newline := false                         // or only one newline
	for rest != "" {
		open := nextTag(rest)
		text := rest
		if open >= 0 {
			text = rest[:open]
		}
		begin := line
		line += strings.Count(text, "\n")
		if trimNext {
			text = strings.TrimLeft(text, " \t\r\n")
		} else if newline {
			text = strings.TrimPrefix(text, "\n")
		}
		if open < 0 {
			list = appendText(list, text, begin)
			break
		}
		kind := rest[open+1]
		end := map[byte]string{'{': "}}", '%': "%}", '#': "#}"}[kind]
		body := rest[open+2:]
		stop := tagEnd(body, end, kind)
		if stop < 0 {
			return nil, &Error{line, fmt.Sprintf("%s without %s", rest[open:open+2], end)}
		}
		rest = body[stop+2:]
		body = body[:stop]
		switch {
		case strings.HasPrefix(body, "-"):
			text = strings.TrimRight(text, " \t\r\n")
			body = body[1:]
		case strings.HasPrefix(body, "+"):
			body = body[1:]
		case kind != '{':
			if blank := strings.TrimRight(text, " \t"); blank == "" && len(list) == 0 || strings.HasSuffix(blank, "\n") {
				text = blank
			}
		}
		list = appendText(list, text, begin)
		trimNext = strings.HasSuffix(body, "-")
		newline = kind != '{' && !strings.HasSuffix(body, "+")
		body = strings.TrimRight(body, "-+")
		if kind != '#' {
			list = append(list, chunk{kind, body, line})
		}
		line += strings.Count(body, "\n")
	}
	return list, nil
}

func appendText(list []chunk, text string, line int) []chunk {
	if text == "" {
		return list
	}
	return append(list, chunk{'t', text, line})
}

// nextTag returns the index of the next {{, {% or {#, or -1.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// tagEnd returns the index of the end of a tag outside strings and brackets.
func tagEnd(body, end string, kind byte) int {
	if kind == '#' {
		return strings.Index(body, end)
	}
	quote, open := byte(0), 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case open == 0 && strings.HasPrefix(body[i:], end):
			return i
		case strings.IndexByte("([{", c) >= 0:
			open++
		case open > 0 && strings.IndexByte(")]}", c) >= 0:
			open--
		}
	}
	return -1
}

// A token is a token of an expression.
type token struct {
	kind byte // 'n' name, 's' string, 'd' number, 'o' operator, 0 the end
	text string
}

var operators = []string{"==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", "~", "+", "-", "*", "/", "%", "<", ">", "="}

// tokens splits an expression.
func tokens(s string, line int) ([]token, error) {
	var list []token
next:
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			j := i
			for j < len(s) && (s[j] == '_' || s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z' || s[j] >= '0' && s[j] <= '9') {
				j++
			}
			list = append(list, token{'n', s[i:j]})
			i = j
		case c >= '0' && c <= '9':
			j := i
			for j < len(s) && s[j] >= '0' && s[j] <= '9' {
				j++
			}
			if j+1 < len(s) && s[j] == '.' && s[j+1] >= '0' && s[j+1] <= '9' {
				for j++; j < len(s) && s[j] >= '0' && s[j] <= '9'; {
					j++
				}
			}
			list = append(list, token{'d', s[i:j]})
			i = j
		case c == '\'' || c == '"':
			text, n, err := unquote(s[i:], line)
			if err != nil {
				return nil, err
			}
			list = append(list, token{'s', text})
			i += n
		default:
			for _, o := range operators {
				if strings.HasPrefix(s[i:], o) {
					list = append(list, token{'o', o})
					i += len(o)
					continue next
				}
			}
			return nil, &Error{line, fmt.Sprintf("unexpected %q", c)}
		}
	}
	return list, nil
}

// unquote reads a string and returns its length including the quotes.
func unquote(s string, line int) (text string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case s[0]:
			return b.String(), i + 1, nil
		case '\\':
			if i++; i < len(s) && (s[i] == '\'' || s[i] == '"') {
				b.WriteByte(s[i])
			} else if r, _, rest, err := strconv.UnquoteChar(s[i-1:], 0); err == nil {
				b.WriteRune(r)
				i = len(s) - len(rest) - 1
			} else { // not an escape in Python either
				b.WriteByte('\\')
				i--
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, &Error{line, "a string without its end"}
}
