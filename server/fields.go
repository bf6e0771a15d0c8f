package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow"
)

// fields are the undecoded members of a request's JSON object. Its methods decode and
// check them. Members that are null count as absent.
type fields map[string]json.RawMessage

// maxFields bounds the members of a request's object.
const maxFields = 256

// has reports whether any of the fields is present and not null.
func (f fields) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		v, ok := f[name]
		return ok && string(v) != "null"
	})
}

// hasKey reports whether the field is present, possibly null: clients that have a field
// of their own send it even if it is unset.
func (f fields) hasKey(name string) bool {
	_, ok := f[name]
	return ok
}

// first returns the first name whose field is present, or names[0].
func (f fields) first(names ...string) string {
	for _, name := range names {
		if f.has(name) {
			return name
		}
	}
	return names[0]
}

// describe names the kind of a JSON value, or the value itself if it is short.
func describe(v []byte) string {
	switch {
	case len(v) == 0:
		return "nothing"
	case v[0] == '{':
		return "an object"
	case v[0] == '[':
		return "an array"
	case v[0] == '"':
		return "a string"
	case string(v) == "null":
		return "null"
	case string(v) == "true", string(v) == "false":
		return string(v)
	case len(v) <= 24:
		return string(v)
	}
	return "a number"
}

// wrong returns the error for a field that is missing or of another type than want.
func (f fields) wrong(name, want string) error {
	v, ok := f[name]
	if !ok {
		return invalid("%q is missing: expected %s", name, want)
	}
	return invalid("%q is %s: expected %s", name, describe(v), want)
}

func jsonString(v json.RawMessage) (string, bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(v, '\\') < 0 && v[len(v)-1] == '"' {
		return string(v[1 : len(v)-1]), true // nothing to unescape: v is valid JSON in UTF-8
	}
	var s string
	err := json.Unmarshal(v, &s)
	return s, err == nil
}

// jsonObject parses an object of at most maxFields members.
func jsonObject(v json.RawMessage) (o fields, ok bool) {
	if len(v) == 0 || v[0] != '{' {
		return nil, false
	}
	o, err := parseObject(v)
	return o, err == nil
}

// unquoted returns a value, or what a string spells: some clients send numbers and
// booleans as strings.
func unquoted(v json.RawMessage) string {
	if s, ok := jsonString(v); ok {
		return s
	}
	return string(v)
}

func jsonNumber(v json.RawMessage) (number float64, ok bool) {
	text := unquoted(v)
	err := json.Unmarshal([]byte(text), &number)
	return number, err == nil && text != "null"
}

// A reader reads fields and keeps the first error, so that callers check once.
type reader struct {
	fields
	err error
}

func (f *reader) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// str returns a string, "" if absent.
func (f *reader) str(name string) string {
	if !f.has(name) {
		return ""
	}
	s, ok := jsonString(f.fields[name])
	if !ok {
		f.fail(f.wrong(name, "a string"))
	}
	return s
}

// boolean returns a boolean, otherwise if absent.
func (f *reader) boolean(name string, otherwise bool) bool {
	if !f.has(name) {
		return otherwise
	}
	switch strings.ToLower(unquoted(f.fields[name])) {
	case "true":
		return true
	case "false":
	default:
		f.fail(f.wrong(name, "true or false"))
	}
	return false
}

// maxInteger is the largest number that a field may have, far below any overflow.
const maxInteger = 1 << 31

// integer returns a whole number of at least low, otherwise if absent.
func (f *reader) integer(name string, low, otherwise int) int {
	if !f.has(name) {
		return otherwise
	}
	number, ok := jsonNumber(f.fields[name])
	if !ok || number != float64(int64(number)) || number < float64(low) || number > maxInteger {
		f.fail(f.wrong(name, fmt.Sprintf("a whole number from %d to %d", low, int64(maxInteger))))
		return 0
	}
	return int(min(number, math.MaxInt)) // maxInteger-1 where int has 32 bits
}

// number returns a number from low to high, otherwise if absent.
func (f *reader) number(name string, low, high, otherwise float64) float64 {
	if !f.has(name) {
		return otherwise
	}
	number, ok := jsonNumber(f.fields[name])
	if ok && number >= low && number <= high {
		return number
	}
	want := "a number"
	switch {
	case !math.IsInf(low, 0) && !math.IsInf(high, 0):
		want = fmt.Sprintf("a number from %g to %g", low, high)
	case !math.IsInf(low, 0):
		want = fmt.Sprintf("a number of at least %g", low)
	}
	f.fail(f.wrong(name, want))
	return 0
}

// oneOf returns one of values, ignoring case, or the first if absent.
func (f *reader) oneOf(name string, values ...string) string {
	s := strings.ToLower(f.str(name))
	if s == "" {
		return values[0]
	}
	if !slices.Contains(values, s) {
		f.fail(invalid("%q is %q: expected one of %s", name, s, strings.TrimPrefix(strings.Join(values, ", "), ", ")))
	}
	return s
}

// list calls each with the elements of a required array of 1 to limit elements.
func (f fields) list(name string, limit int, what string, each func(i int, v json.RawMessage) error) error {
	v := f[name]
	if !f.has(name) || v[0] != '[' {
		return f.wrong(name, "an array of "+what)
	}
	d := json.NewDecoder(bytes.NewReader(v))
	if _, err := d.Token(); err != nil {
		return f.wrong(name, "an array of "+what)
	}
	n := 0
	for ; d.More(); n++ {
		if n == limit {
			return tooMany(name, limit)
		}
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			return f.wrong(name, "an array of "+what)
		}
		if err := each(n, element); err != nil {
			return err
		}
	}
	if n == 0 {
		e := invalid("%q is empty: expected an array of %s", name, what)
		e.Empty = true
		return e
	}
	return nil
}

// tooMany returns the error for a list that is too long.
func tooMany(name string, limit int) *apiError {
	return &apiError{Status: http.StatusRequestEntityTooLarge, Type: typeInvalid,
		Message: fmt.Sprintf("%q has more than %d elements%s", name, limit, flagOf(limit))}
}

// flagOf names the flag that sets the limit of a list, if there is one.
func flagOf(limit int) string {
	if limit == maxTokens {
		return ""
	}
	return " (--max-documents)"
}

// texts returns an array of strings.
func (f fields) texts(name string, limit int) ([]string, error) {
	var texts []string
	err := f.list(name, limit, "strings", func(i int, v json.RawMessage) error {
		s, ok := jsonString(v)
		if !ok {
			return invalid("%s[%d] is %s: expected a string", name, i, describe(v))
		}
		texts = append(texts, s)
		return nil
	})
	return texts, err
}

// textOrTexts returns a string or an array of strings as a list.
func (f *reader) textOrTexts(name string, limit int) []string {
	if s, ok := jsonString(f.fields[name]); ok {
		return []string{s}
	}
	if v := f.fields[name]; len(v) > 0 && v[0] != '[' || !f.has(name) {
		f.fail(f.wrong(name, "a string or an array of strings"))
		return nil
	}
	texts, err := f.texts(name, limit)
	f.fail(err)
	return texts
}

// promptTokens reads the maximum length of a pair or text. 0 stands for the model's
// limit, which clients request with -1.
func (f *reader) promptTokens() int { return max(0, f.integer("truncate_prompt_tokens", -1, -1)) }

// truncation reads whether texts are truncated, and on which side.
func (f *reader) truncation() winnow.Truncation {
	t := winnow.TruncateAsModel
	for _, name := range []string{"truncation_side", "truncation_direction"} {
		switch f.oneOf(name, "", "right", "left") {
		case "left":
			t = winnow.TruncateLeft
		case "right":
			t = winnow.TruncateRight
		}
	}
	for _, name := range []string{"truncate", "truncation"} {
		// Cohere and NVIDIA use words.
		switch word, _ := jsonString(f.fields[name]); strings.ToUpper(word) {
		case "NONE":
			return winnow.TruncateNever
		case "START":
			return winnow.TruncateLeft
		case "END":
			t = winnow.TruncateRight
			continue
		}
		if !f.boolean(name, true) {
			return winnow.TruncateNever
		}
	}
	return t
}
