package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/mapfile"
)

// An Object is a JSON object that tracks which members have been read. A nil Object is
// empty. Its methods treat null as absent, and report whether the value exists and is
// of their type.
type Object struct {
	path    string // of the file, for errors
	members map[string]any
	read    map[string]bool
	inner   map[string]*Object
}

// maxJSON is the maximum size of a JSON file read as an Object.
const maxJSON = 16 << 20

// ParseObject parses a JSON object; path names the file in errors. It accepts NaN,
// Infinity and -Infinity as numbers, as Python's writer has them.
func ParseObject(path string, data []byte) (*Object, error) {
	data = quoteLiterals(data)
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		found := err.Error()
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			found = "a value of another kind: " + wrong.Value
		} else if errors.Is(err, io.EOF) {
			found = "the end of the file"
		}
		return nil, &fault.FormatError{Path: path, Offset: d.InputOffset(), Found: found, Want: "a JSON object"}
	}
	if v == nil {
		return nil, &fault.FormatError{Path: path, Offset: 0, Found: "null", Want: "a JSON object"}
	}
	if rest := bytes.TrimSpace(data[d.InputOffset():]); len(rest) > 0 {
		return nil, &fault.FormatError{Path: path, Offset: d.InputOffset(), Found: "more after the JSON object", Want: "one JSON object"}
	}
	return newObject(path, v), nil
}

func newObject(path string, members map[string]any) *Object {
	return &Object{path: path, members: members, read: make(map[string]bool), inner: make(map[string]*Object)}
}

// ReadObject reads a JSON file; the object is nil if the file is absent or empty.
func ReadObject(path string) (*Object, error) {
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseObject(path, data)
}

// readSmall reads a file of at most maxJSON bytes.
func readSmall(path string) ([]byte, error) { return mapfile.ReadAll(path, maxJSON) }

// literals are numbers that Python writes although JSON has no such literals.
var literals = []struct {
	name  string
	value float64
}{{"-Infinity", math.Inf(-1)}, {"Infinity", math.Inf(1)}, {"NaN", math.NaN()}}

// literalMark begins the strings that stand for literals.
const literalMark = "\u0000number "

// quoteLiterals turns the literals outside strings into strings.
func quoteLiterals(data []byte) []byte {
	if !bytes.Contains(data, []byte("NaN")) && !bytes.Contains(data, []byte("Infinity")) {
		return data
	}
	var out []byte
	for i, quoted := 0, false; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\\' && quoted && i+1 < len(data):
			out = append(out, c)
			i++
		case c == '"':
			quoted = !quoted
		case !quoted:
			if n := literalAt(data[i:]); n != "" {
				out = append(append(append(out, `"\u0000number `...), n...), '"')
				i += len(n) - 1
				continue
			}
		}
		out = append(out, data[i])
	}
	return out
}

func literalAt(data []byte) string {
	for _, l := range literals {
		if bytes.HasPrefix(data, []byte(l.name)) {
			return l.name
		}
	}
	return ""
}

// value returns the member of that name, nil if absent or null, and marks it as read.
func (o *Object) value(name string) any {
	if o == nil {
		return nil
	}
	o.read[name] = true
	return o.members[name]
}

// Names returns the names of all members, sorted.
func (o *Object) Names() []string {
	if o == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(o.members))
}

// Has reports whether there is such a member that is not null.
func (o *Object) Has(name string) bool { return o.value(name) != nil }

// Null reports whether there is such a member and it is null.
func (o *Object) Null(name string) bool {
	v := o.value(name)
	if o == nil || v != nil {
		return false
	}
	_, ok := o.members[name]
	return ok
}

// Int accepts 8 and 8.0, not 8.5.
func (o *Object) Int(name string) (int64, bool) { return wholeNumber(o.value(name)) }

func wholeNumber(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	if i, err := n.Int64(); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Float accepts any number.
func (o *Object) Float(name string) (float64, bool) { return number(o.value(name)) }

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		for _, l := range literals {
			if v == literalMark+l.name {
				return l.value, true
			}
		}
	}
	return 0, false
}

// String accepts a string.
func (o *Object) String(name string) (string, bool) {
	return text(o.value(name))
}

func text(v any) (string, bool) {
	s, ok := v.(string)
	if ok && strings.HasPrefix(s, literalMark) {
		return "", false
	}
	return s, ok
}

// Bool accepts true or false.
func (o *Object) Bool(name string) (value, ok bool) {
	value, ok = o.value(name).(bool)
	return value, ok
}

// Strings accepts a list of strings.
func (o *Object) Strings(name string) ([]string, bool) {
	return listOf(o.value(name), text)
}

// Texts accepts a list of strings, or a string as a list of one.
func (o *Object) Texts(name string) ([]string, bool) {
	if one, ok := o.String(name); ok {
		return []string{one}, true
	}
	return o.Strings(name)
}

// Ints accepts a list of whole numbers.
func (o *Object) Ints(name string) ([]int64, bool) { return listOf(o.value(name), wholeNumber) }

// Floats accepts a list of numbers.
func (o *Object) Floats(name string) ([]float64, bool) { return listOf(o.value(name), number) }

func listOf[T any](v any, element func(any) (T, bool)) ([]T, bool) {
	list, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]T, len(list))
	for i, e := range list {
		if out[i], ok = element(e); !ok {
			return nil, false
		}
	}
	return out, true
}

// Object returns the object of that name, or nil.
func (o *Object) Object(name string) *Object {
	members, ok := o.value(name).(map[string]any)
	if !ok {
		return nil
	}
	if o.inner[name] == nil {
		o.inner[name] = newObject(o.path, members)
	}
	return o.inner[name]
}

// lift returns the object with the members of an inner object as its own; of its
// original members, only those named in over take precedence. Without such an inner
// object it returns o.
func (o *Object) lift(name string, over ...string) *Object {
	inner, ok := o.members[name].(map[string]any)
	if !ok {
		return o
	}
	members := maps.Clone(inner)
	for k, v := range o.members {
		if _, has := members[k]; k != name && (!has || slices.Contains(over, k)) {
			members[k] = v
		}
	}
	return newObject(o.path, members)
}

// Kind is the value as JSON, abridged, for errors; "nothing" if absent.
func (o *Object) Kind(name string) string {
	v := o.value(name)
	if v == nil {
		return "nothing"
	}
	if n, ok := number(v); ok && (math.IsNaN(n) || math.IsInf(n, 0)) {
		return fmt.Sprint(n)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "a value that is not JSON"
	}
	return Abridge(string(b))
}

// account marks all members as read.
func (o *Object) account() {
	for _, name := range o.Names() {
		o.read[name] = true
	}
}

// unread returns the members that have not been read, those of objects with their path.
// A null says nothing and counts as read.
func (o *Object) unread() []string {
	var names []string
	for _, name := range o.Names() {
		switch {
		case o.inner[name] != nil:
			for _, n := range o.inner[name].unread() {
				names = append(names, name+"."+n)
			}
		case !o.read[name] && o.members[name] != nil:
			names = append(names, name)
		}
	}
	return names
}

// JSON encodes the object.
func (o *Object) JSON() string {
	b, err := json.Marshal(o.members)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// Abridge shortens text from a file for an error.
func Abridge(s string) string {
	const maxBytes = 80
	if len(s) > maxBytes {
		return strings.ToValidUTF8(s[:maxBytes], "") + "…"
	}
	return s
}
