package tokenizer

import (
	"fmt"
	"math"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// FromJSON reads a tokenizer.json in its old and new forms. path names it in errors. It
// applies neither the file's padding nor its truncation (see TruncationSide and
// TruncationLength).
//
// The tokenizer keeps no reference to data.
func FromJSON(path string, data []byte) (*Tokenizer, error) {
	return fromJSON(path, data, nil)
}

// fromJSON reads a tokenizer.json. c is the configuration next to it, or nil.
func fromJSON(path string, data []byte, c *configuration) (*Tokenizer, error) {
	t := &Tokenizer{pad: -1}
	l := loader{path: path}
	if uint64(len(data)) > math.MaxUint32 {
		l.fail("", fmt.Sprintf("a text of %d bytes", len(data)), "less than 4 GiB")
		return nil, l.err
	}
	r := newJSONReader(path, "", data)
	parts := map[string][]byte{}
	r.object(func(key []byte) {
		r.field = string(key)
		if r.field != "model" {
			parts[r.field] = r.raw()
		} else if t.model != nil {
			r.fail("a second model", "one")
		} else {
			var err error
			t.model, err = newModel(r)
			l.keep(err)
		}
		r.field = ""
	})
	l.keep(r.end())
	if l.err == nil && t.model == nil {
		l.fail("model", "nothing", "a model")
	}
	if l.err != nil {
		return nil, l.err
	}
	part := func(name string) any {
		raw, ok := parts[name]
		if !ok || l.err != nil {
			return nil
		}
		r := newJSONReader(path, name, raw)
		v := r.value()
		l.keep(r.end())
		return v
	}
	if v := part("version"); l.err == nil && v != nil && v != "1.0" {
		l.fail("version", fmt.Sprint(v), `"1.0"`)
	}
	post := part("post_processor")
	cut := part("truncation")
	normalizer := part("normalizer")
	if normalizer != nil {
		t.normalizer = l.normalizer(normalizer, "normalizer")
	}
	if v := part("pre_tokenizer"); v != nil {
		t.pre = l.preTokenizer(v, "pre_tokenizer")
	}
	if v := part("decoder"); v != nil {
		t.decoder = l.decoder(v, "decoder")
	}
	if l.err != nil {
		return nil, l.err
	}
	var added []addedToken
	if raw, ok := parts["added_tokens"]; ok {
		var err error
		added, err = readAddedTokens(path, raw, t.model)
		l.keep(err)
	}
	t.single, t.pair = l.postProcessor(post)
	if l.err != nil {
		return nil, l.err
	}
	t.added.add(t.model, added...)
	if m, ok := cut.(map[string]any); ok {
		if m["direction"] == "Left" {
			t.side = Left
		}
		if n, ok := m["max_length"].(float64); ok && n >= 1 && n <= 1<<24 {
			t.cut = int(n)
		}
	}
	if c != nil {
		return c.complete(path, t, added, post != nil, normalizer)
	}
	if err := t.finish(path); err != nil {
		return nil, err
	}
	return t, nil
}

// newModel reads the model of a tokenizer.json, the next value of r.
func newModel(r *jsonReader) (model, error) {
	ahead := *r
	kind := ahead.modelKind()
	if r.err = ahead.err; r.err != nil {
		return nil, r.err
	}
	switch kind {
	case "WordPiece":
		return newWordPiece(r)
	case "Unigram":
		return newUnigram(r)
	case "BPE":
		return newBPE(r)
	}
	return nil, &fault.UnsupportedError{Path: r.path, What: fmt.Sprintf("tokenizer model %q", kind), Hint: "winnow supports WordPiece, Unigram and BPE"}
}

// modelKind determines the type of the next value, which is a model. Most files begin
// it with the type; in old ones the other members identify it.
func (r *jsonReader) modelKind() string {
	merges, list, prefix := false, false, false
	if !r.enter('{', "an object") {
		return ""
	}
	for first := true; r.more(first, '}'); first = false {
		switch string(r.key()) {
		case "type":
			return string(r.str())
		case "merges":
			merges = true
			r.raw()
		case "continuing_subword_prefix":
			prefix = true
			r.raw()
		case "vocab":
			list = r.next() == '['
			r.raw()
		default:
			r.raw()
		}
	}
	switch {
	case merges:
		return "BPE"
	case list:
		return "Unigram"
	case prefix:
		return "WordPiece"
	}
	return "WordLevel"
}

// A loader reads the small parts of a tokenizer.json from parsed JSON. Its first error
// sticks.
type loader struct {
	path string
	err  error
}

func (l *loader) keep(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *loader) fail(field, found, want string) {
	l.keep(&fault.FormatError{Path: l.path, Field: field, Offset: -1, Found: found, Want: want})
}

func (l *loader) unsupported(field, what string) {
	l.keep(&fault.UnsupportedError{Path: l.path, What: field + " " + what})
}

// object returns the members of a part and its type.
func (l *loader) object(v any, field string) (m map[string]any, kind string) {
	m, ok := v.(map[string]any)
	if !ok {
		l.fail(field, describe(v), "an object")
		return nil, ""
	}
	kind, ok = m["type"].(string)
	if !ok {
		l.fail(field+".type", describe(m["type"]), "a string")
	}
	return m, kind
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		if len(v) > 40 {
			v = v[:40] + "…"
		}
		return fmt.Sprintf("%q", v)
	default:
		return fmt.Sprint(v)
	}
}

func (l *loader) list(m map[string]any, field, key string) []any {
	v, ok := m[key].([]any)
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "a list")
	}
	return v
}

func (l *loader) str(m map[string]any, field, key string) string {
	v, ok := m[key].(string)
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "a string")
	}
	return v
}

// bool reads a member that may be absent or null.
func (l *loader) bool(m map[string]any, field, key string, absent bool) bool {
	switch v := m[key].(type) {
	case nil:
		return absent
	case bool:
		return v
	default:
		l.fail(strings.TrimPrefix(field+"."+key, "."), describe(v), "true or false")
		return absent
	}
}

// rune reads a string of one character.
func (l *loader) rune(m map[string]any, field, key string) rune {
	v := []rune(l.str(m, field, key))
	if len(v) != 1 {
		l.fail(field+"."+key, describe(m[key]), "one character")
		return ' '
	}
	return v[0]
}

// tokenID converts a JSON number to a token id.
func tokenID(v any) (id int32, ok bool) {
	n, ok := v.(float64)
	if !ok || n < 0 || n > math.MaxInt32 || n != math.Trunc(n) {
		return 0, false
	}
	return int32(n), true
}

// integer reads a number from 0 to 2³¹-1.
func (l *loader) integer(m map[string]any, field, key string) int {
	v, ok := tokenID(m[key])
	if !ok {
		l.fail(field+"."+key, describe(m[key]), "an integer from 0 to 2147483647")
	}
	return int(v)
}
