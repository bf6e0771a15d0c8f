package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxFields bounds the members of a request's object, most of which nobody asks
// for.
const maxFields = 256

// fields are the members of a request's JSON object, undecoded, with the
// methods that decode and check them. Those that are null count as absent.
type fields map[string]json.RawMessage

// largeBody is above how many bytes bodies are taken apart one at a time: that costs more
// than most requests do as a whole, and is not the scheduler's to share out.
const largeBody = 1 << 20

// read reads a request's JSON object and has take make sense of it.
func (s *Server) read(w http.ResponseWriter, r *http.Request, take func(f fields) error) error {
	body, err := readBody(w, r, s.options.MaxBody)
	if err != nil {
		return err
	}
	if len(body) > largeBody {
		select {
		case s.large <- struct{}{}:
			defer func() { <-s.large }()
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
	}
	f, err := parseObject(body)
	if err != nil {
		return err
	}
	return take(f)
}

// readBody reads a request's body. limit is the most bytes it may have.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	tooLarge := &apiError{Status: http.StatusRequestEntityTooLarge, Type: typeInvalid,
		Message: fmt.Sprintf("the request body has more than %d bytes (--max-body)", limit)}
	if r.ContentLength > limit {
		return nil, tooLarge // and none of it is waited for
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case err == nil:
		bodyRead(w)
		if !zipped(r.Header) {
			return body, nil
		}
		// However small it is, it unpacks to no more than a body may have.
		unzip, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(io.LimitReader(unzip, limit+1))
		}
		switch {
		case err != nil:
			return nil, invalid("the request body is not gzip: %v", err)
		case int64(len(body)) > limit:
			return nil, tooLarge
		}
		return body, nil
	case errors.As(err, &large):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &apiError{Status: http.StatusRequestTimeout, Type: typeInvalid,
			Message: fmt.Sprintf("the request body did not come in time: %d bytes of it did", len(body))}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, invalid("the request body ends after %d bytes", len(body))
	case r.Context().Err() != nil:
		return nil, errClientGone
	}
	return nil, invalid("the request body could not be read: %v", err)
}

func zipped(h http.Header) bool {
	e := strings.ToLower(h.Get("Content-Encoding"))
	return e == "gzip" || e == "x-gzip"
}

// checkContentType lets through what clients send JSON as: curl -d, for one,
// calls everything a form.
func checkContentType(h http.Header) error {
	refuse := func(format string, args ...any) error {
		return &apiError{Status: http.StatusUnsupportedMediaType, Type: typeInvalid, Message: fmt.Sprintf(format, args...)}
	}
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" && !zipped(h) {
		return refuse("Content-Encoding %q: expected gzip, or the body uncompressed", e)
	}
	given := h.Get("Content-Type")
	if given == "" {
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(given)
	if err != nil {
		return refuse("Content-Type %q: expected application/json", given)
	}
	switch {
	case kind == "application/json", kind == "text/json", kind == "text/plain", kind == "application/x-www-form-urlencoded",
		kind == "application/octet-stream", strings.HasSuffix(kind, "+json"):
	default:
		return refuse("Content-Type %q: expected application/json", given)
	}
	if c := strings.ToLower(parameters["charset"]); c != "" && c != "utf-8" && c != "utf8" && c != "us-ascii" {
		return refuse("charset %q: expected utf-8", parameters["charset"])
	}
	return nil
}

func parseObject(body []byte) (fields, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(body) {
		at := 0
		for at < len(body) {
			r, n := utf8.DecodeRune(body[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, invalid("the request body is not UTF-8: byte 0x%02x at offset %d", body[at], at)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, invalid("the request body is empty: expected a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil {
		return nil, brokenJSON(body)
	} else if t != json.Delim('{') {
		return nil, invalid("the request body is %s: expected a JSON object", describe(bytes.TrimSpace(body)))
	}
	f := make(fields)
	for n := 0; d.More(); n++ {
		if n == maxFields {
			return nil, invalid("the request has more than %d fields", maxFields)
		}
		name, err := d.Token()
		if err != nil {
			return nil, brokenJSON(body)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, brokenJSON(body)
		}
		f[name.(string)] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, brokenJSON(body)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, brokenJSON(body)
	}
	return f, nil
}

// brokenJSON says what is wrong with body, which is known to be broken.
func brokenJSON(body []byte) error {
	var v json.RawMessage
	err := json.Unmarshal(body, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return invalid("the request body is not JSON: %v at offset %d", syntax, syntax.Offset)
	}
	return invalid("the request body is not JSON")
}

// has says whether any of the fields is there and not null.
func (f fields) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		v, ok := f[name]
		return ok && string(v) != "null"
	})
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

func jsonString(v json.RawMessage) (s string, ok bool) {
	if len(v) == 0 || v[0] != '"' {
		return "", false
	}
	return s, json.Unmarshal(v, &s) == nil
}

// text is a query, which must be there: a string, or an object with text.
func (f fields) text(name string) (string, error) {
	const want = "a string"
	if !f.has(name) {
		return "", f.wrong(name, want)
	}
	if s, ok := jsonString(f[name]); ok {
		return s, nil
	}
	if o, ok := jsonObject(f[name]); ok {
		if sight := o.sight(); sight != "" {
			return "", invalid("%q has %q: texts are ranked, not images or sounds", name, sight)
		}
		if s, ok := jsonString(o["text"]); ok {
			return s, nil
		}
		return "", invalid("%q is an object without a string \"text\"", name)
	}
	return "", f.wrong(name, want)
}

// sights are the members that hold what is no text, in the dialects that have such.
var sights = []string{"image", "images", "image_url", "video", "video_url", "audio", "audio_url", "input_audio"}

// sight is the first member of an object that is no text, or that has such a part; "":
// there is none. Nothing of it may be left out without a word.
func (f fields) sight() string {
	for _, name := range sights {
		if f.has(name) {
			return name
		}
		if bytes.Contains(f["content"], []byte(`"type":"`+name+`"`)) || bytes.Contains(f["content"], []byte(`"type": "`+name+`"`)) {
			return name
		}
	}
	return ""
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

// documents is a list of strings or objects, or a single one of these. Of an
// object its text is ranked, or the fields that rank_fields names.
func (f fields) documents(name string, limit int) ([]document, error) {
	var rankFields []string
	if f.has("rank_fields") {
		var err error
		if rankFields, err = f.texts("rank_fields", maxFields); err != nil {
			return nil, err
		}
	}
	if v := f[name]; len(v) > 0 && (v[0] == '"' || v[0] == '{') {
		f = fields{name: slices.Concat(json.RawMessage("["), v, json.RawMessage("]"))}
	}
	var documents []document
	err := f.list(name, limit, "strings or objects with \"text\"", func(i int, v json.RawMessage) error {
		if s, ok := jsonString(v); ok {
			documents = append(documents, document{text: s})
			return nil
		}
		o, ok := jsonObject(v)
		if !ok {
			return invalid("%s[%d] is %s: expected a string or an object of at most %d fields with \"text\"", name, i, describe(v), maxFields)
		}
		text, err := rankedText(o, rankFields)
		if err != nil {
			return invalid("%s[%d] %v", name, i, err)
		}
		documents = append(documents, document{text: text, object: v})
		return nil
	})
	return documents, err
}

// rankedText is the named members of an object, a line each, or its text.
func rankedText(o fields, names []string) (string, error) {
	if len(names) == 0 {
		if sight := o.sight(); sight != "" {
			return "", fmt.Errorf("has %q: texts are ranked, not images or sounds", sight)
		}
		s, ok := jsonString(o["text"])
		if !ok {
			return "", fmt.Errorf("is an object without a string \"text\"")
		}
		return s, nil
	}
	var parts []string
	for _, name := range names {
		if !o.has(name) {
			continue
		}
		v := o[name]
		if s, ok := jsonString(v); ok {
			parts = append(parts, s)
		} else {
			parts = append(parts, string(v))
		}
	}
	if parts == nil {
		return "", fmt.Errorf("has none of the rank_fields %s", strings.Join(names, ", "))
	}
	return strings.Join(parts, "\n"), nil
}
