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

// fields are the members of a request's JSON object, undecoded, with the
// methods that decode and check them. Those that are null count as absent.
type fields map[string]json.RawMessage

// maxFields bounds the members of a request's object, most of which nobody asks
// for.
const maxFields = 256

// has says whether any of the fields is there and not null.
func (f fields) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		v, ok := f[name]
		return ok && string(v) != "null"
	})
}

// hasKey says whether the field is there, null or not: clients that have a
// field of their own send it even where it says nothing.
func (f fields) hasKey(name string) bool {
	_, ok := f[name]
	return ok
}

// first is the first of the fields that is there, or the first name.
func (f fields) first(names ...string) string {
	for _, name := range names {
		if f.has(name) {
			return name
		}
	}
	return names[0]
}

// describe names what kind of JSON value v is, with the value if it is short.
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

func (f fields) wrong(name, want string) error {
	v, ok := f[name]
	if !ok {
		return invalid("%q is missing: expected %s", name, want)
	}
	return invalid("%q is %s: expected %s", name, describe(v), want)
}

func jsonString(v json.RawMessage) (s string, ok bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}

// jsonObject is an object of at most maxFields members.
func jsonObject(v json.RawMessage) (o fields, ok bool) {
	if len(v) == 0 || v[0] != '{' {
		return nil, false
	}
	o, err := parseObject(v)
	return o, err == nil
}

// unquoted is a value, or what a string spells: some clients send numbers and booleans as
// strings.
func unquoted(v json.RawMessage) string {
	if s, ok := jsonString(v); ok {
		return s
	}
	return string(v)
}

func jsonNumber(v json.RawMessage) (number float64, ok bool) {
	text := unquoted(v)
	return number, text != "null" && json.Unmarshal([]byte(text), &number) == nil
}

// str is a string that may be absent.
func (f fields) str(name string) (string, error) {
	if !f.has(name) {
		return "", nil
	}
	s, ok := jsonString(f[name])
	if !ok {
		return "", f.wrong(name, "a string")
	}
	return s, nil
}

// boolean is false or true; otherwise stands for an absent one.
func (f fields) boolean(name string, otherwise bool) (bool, error) {
	if !f.has(name) {
		return otherwise, nil
	}
	switch strings.ToLower(unquoted(f[name])) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, f.wrong(name, "true or false")
}

// maxInteger is the largest number that a field may have, far from any overflow.
const maxInteger = 1 << 31

// integer is a whole number of at least low; otherwise stands for an absent one.
func (f fields) integer(name string, low, otherwise int) (int, error) {
	if !f.has(name) {
		return otherwise, nil
	}
	number, ok := jsonNumber(f[name])
	if !ok || number != float64(int64(number)) ||
		number < float64(low) || number > maxInteger {
		return 0, f.wrong(name, fmt.Sprintf("a whole number from %d to %d", low, int64(maxInteger)))
	}
	return int(min(number, math.MaxInt)), nil // less by one where int has 32 bits
}

// number is a number from low to high.
func (f fields) number(name string, low, high, otherwise float64) (float64, error) {
	if !f.has(name) {
		return otherwise, nil
	}
	number, ok := jsonNumber(f[name])
	if !ok || number < low || number > high {
		want := "a number"
		switch {
		case !math.IsInf(low, 0) && !math.IsInf(high, 0):
			want = fmt.Sprintf("a number from %g to %g", low, high)
		case !math.IsInf(low, 0):
			want = fmt.Sprintf("a number of at least %g", low)
		}
		return 0, f.wrong(name, want)
	}
	return number, nil
}

// oneOf is one of the strings, or the first if it is absent. Capital letters
// do not matter.
func (f fields) oneOf(name string, values ...string) (string, error) {
	s, err := f.str(name)
	if err != nil {
		return "", err
	}
	if s == "" {
		return values[0], nil
	}
	if s = strings.ToLower(s); !slices.Contains(values, s) {
		return "", invalid("%q is %q: expected one of %s", name, s, strings.TrimPrefix(strings.Join(values, ", "), ", "))
	}
	return s, nil
}

// list calls each with the elements of an array, which must be there and not
// empty, up to limit of them.
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

// tooMany is for a list that is too long.
func tooMany(name string, limit int) *apiError {
	return &apiError{Status: http.StatusRequestEntityTooLarge, Type: typeInvalid,
		Message: fmt.Sprintf("%q has more than %d elements%s", name, limit, flagOf(limit))}
}

// flagOf names the flag that changes the limit of a list, if there is one.
func flagOf(limit int) string {
	if limit == maxTokens {
		return ""
	}
	return " (--max-documents)"
}

// texts is an array of strings.
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

// textOrTexts is a string or an array of strings.
func (f fields) textOrTexts(name string, limit int) ([]string, error) {
	if s, ok := jsonString(f[name]); ok {
		return []string{s}, nil
	}
	if v := f[name]; len(v) > 0 && v[0] != '[' || !f.has(name) {
		return nil, f.wrong(name, "a string or an array of strings")
	}
	return f.texts(name, limit)
}

// A reader reads fields and keeps the first error, so that none has to be looked at in
// between.
type reader struct {
	fields
	err error
}

func (f *reader) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *reader) str(name string) string {
	v, err := f.fields.str(name)
	f.fail(err)
	return v
}

func (f *reader) boolean(name string, otherwise bool) bool {
	v, err := f.fields.boolean(name, otherwise)
	f.fail(err)
	return v
}

func (f *reader) integer(name string, low, otherwise int) int {
	v, err := f.fields.integer(name, low, otherwise)
	f.fail(err)
	return v
}

func (f *reader) number(name string, low, high, otherwise float64) float64 {
	v, err := f.fields.number(name, low, high, otherwise)
	f.fail(err)
	return v
}

func (f *reader) oneOf(name string, values ...string) string {
	v, err := f.fields.oneOf(name, values...)
	f.fail(err)
	return v
}

func (f *reader) textOrTexts(name string, limit int) []string {
	v, err := f.fields.textOrTexts(name, limit)
	f.fail(err)
	return v
}

// promptTokens is the bound of a pair or text. -1 means the model's own limit, as 0 does
// here.
func (f *reader) promptTokens() int { return max(0, f.integer("truncate_prompt_tokens", -1, -1)) }

// truncation reads whether what is too long is truncated, and on which side.
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
		// Cohere and NVIDIA have words for it.
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
