package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// Bounds on configured values. They are far above every published model and keep all
// products of two of them within an int.
const (
	MaxWidth     = 1 << 20
	MaxLayers    = 1 << 14
	MaxHeads     = 1 << 14
	MaxVocab     = 1 << 28
	MaxPositions = 1 << 28
	MaxLabels    = 1 << 16
)

// bounds are their names in the tags of settings.
var bounds = map[string]int{
	"width": MaxWidth, "layers": MaxLayers, "heads": MaxHeads, "vocab": MaxVocab, "positions": MaxPositions, "labels": MaxLabels,
}

// A Key is a setting's name in config.json, or several separated by blanks, of which
// the first present one counts, and in GGUF metadata, where a leading dot stands for
// the architecture's name. It is empty for a format without the setting.
type Key struct{ HF, GGUF string }

// values is a source of settings: config.json or GGUF metadata. Each method reports
// whether the setting exists and is of that type.
type values interface {
	Has(name string) bool
	Int(name string) (int64, bool)
	Float(name string) (float64, bool)
	String(name string) (string, bool)
	Bool(name string) (value, ok bool)
	Strings(name string) ([]string, bool)
	Ints(name string) ([]int64, bool)
	Kind(name string) string // the setting's value, for errors
}

// metadata is GGUF metadata that tracks what has been read.
type metadata struct {
	*gguf.File
	read map[string]bool
}

func (m *metadata) Has(name string) bool {
	m.read[name] = true
	return m.File.Has(name)
}

func (m *metadata) Int(name string) (int64, bool) {
	m.read[name] = true
	return m.File.Int(name)
}

// Float accepts whole numbers, too.
func (m *metadata) Float(name string) (float64, bool) {
	m.read[name] = true
	if n, ok := m.File.Int(name); ok {
		return float64(n), true
	}
	return m.File.Float(name)
}

func (m *metadata) String(name string) (string, bool) {
	m.read[name] = true
	return m.File.String(name)
}

func (m *metadata) Bool(name string) (value, ok bool) {
	m.read[name] = true
	return m.File.Bool(name)
}

func (m *metadata) Strings(name string) ([]string, bool) {
	m.read[name] = true
	return m.File.Strings(name)
}

func (m *metadata) Ints(name string) ([]int64, bool) {
	m.read[name] = true
	return m.File.Ints(name)
}

// name is a setting's name in this file, "" if the format does not have it. All of its
// names count as read.
func (f *File) name(k Key) string {
	if !f.IsGGUF() {
		first := ""
		for n := range strings.FieldsSeq(k.HF) {
			if has := f.values.Has(n); first == "" || has && !f.values.Has(first) {
				first = n
			}
		}
		return first
	}
	if strings.HasPrefix(k.GGUF, ".") {
		return f.Architecture + k.GGUF
	}
	return k.GGUF
}

// Has reports whether the file has the setting. A null in config.json does not count.
func (f *File) Has(k Key) bool {
	n := f.name(k)
	return n != "" && f.values.Has(n)
}

// Null reports whether config.json has the setting as null, which some classes
// distinguish from omitting it.
func (f *File) Null(k Key) bool { return !f.IsGGUF() && f.Config.Null(f.name(k)) }

// Account marks settings that the family knows and does not need as read.
func (f *File) Account(keys ...Key) {
	for _, k := range keys {
		f.Has(k)
	}
}

// Err returns the first error in reading the settings.
func (f *File) Err() error { return f.err }

// Fail records an error about a setting, unless there is one already.
func (f *File) Fail(k Key, found, want string) { f.fail(f.name(k), found, want) }

func (f *File) fail(field, found, want string) {
	if f.err == nil {
		f.err = f.wrong(field, found, want)
	}
}

// FailWith records an error in what a family reads itself, unless there is one already.
func (f *File) FailWith(err error) {
	if f.err == nil {
		f.err = err
	}
}

// FailTensor records an error about a tensor.
func (f *File) FailTensor(name, found, want string) {
	f.FailWith(f.badTensor(quant.Tensor{Name: name}, found, want))
}

func (f *File) wrong(field, found, want string) error {
	return &fault.FormatError{Path: f.settingsPath, Field: field, Offset: -1, Found: found, Want: want}
}

// Refuse is the error that the file has something unsupported.
func (f *File) Refuse(what, hint string) error {
	return &fault.UnsupportedError{Path: f.settingsPath, What: what, Hint: hint}
}

// Unsupported records such an error, unless there is one already.
func (f *File) Unsupported(what, hint string) {
	if f.err == nil {
		f.err = f.Refuse(what, hint)
	}
}

// Describe is a setting's value, for an error.
func (f *File) Describe(k Key) string {
	n := f.name(k)
	if n == "" || !f.values.Has(n) {
		return "nothing"
	}
	if v, ok := f.values.String(n); ok {
		return strconv.Quote(Abridge(v))
	}
	if v, ok := f.values.Int(n); ok {
		return strconv.FormatInt(v, 10)
	}
	if v, ok := f.values.Float(n); ok {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return Abridge(f.values.Kind(n))
}

// Int is a whole number from low to high, or fallback if the setting is absent.
func (f *File) Int(k Key, low, high, fallback int) int {
	if !f.Has(k) {
		return fallback
	}
	return f.requiredInt(k, low, high)
}

// requiredInt is a whole number that must exist.
func (f *File) requiredInt(k Key, low, high int) int {
	v, ok := f.values.Int(f.name(k))
	if !ok || v < int64(low) || v > int64(high) {
		f.Fail(k, f.Describe(k), fmt.Sprintf("a whole number from %d to %d", low, high))
		return low
	}
	return int(v)
}

// Float is a number from low to high, or fallback if the setting is absent.
func (f *File) Float(k Key, low, high, fallback float64) float64 {
	if !f.Has(k) {
		return fallback
	}
	return f.requiredFloat(k, low, high)
}

// requiredFloat is a number that must exist.
func (f *File) requiredFloat(k Key, low, high float64) float64 {
	v, ok := f.values.Float(f.name(k))
	if !ok || !(v >= low && v <= high) {
		f.Fail(k, f.Describe(k), fmt.Sprintf("a number from %g to %g", low, high))
		return low
	}
	return v
}

// String is a text, or fallback if the setting is absent.
func (f *File) String(k Key, fallback string) string {
	if !f.Has(k) {
		return fallback
	}
	v, ok := f.values.String(f.name(k))
	if !ok {
		f.Fail(k, f.Describe(k), "a string")
		return fallback
	}
	return v
}

// Bool is true or false, or fallback if the setting is absent.
func (f *File) Bool(k Key, fallback bool) bool {
	if !f.Has(k) {
		return fallback
	}
	v, ok := f.values.Bool(f.name(k))
	if !ok {
		f.Fail(k, f.Describe(k), "true or false")
		return fallback
	}
	return v
}

// Strings is a list of texts, or fallback if the setting is absent. A single text is
// split at bars and blanks and lower-cased.
func (f *File) Strings(k Key, fallback []string) []string {
	if !f.Has(k) {
		return fallback
	}
	n := f.name(k)
	if list, ok := f.values.Strings(n); ok {
		return list
	}
	text, ok := f.values.String(n)
	if !ok {
		f.Fail(k, f.Describe(k), "a list of strings")
		return fallback
	}
	return strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return c == '|' || c == ' ' })
}

// Ints is a list of whole numbers, or nil if the setting is absent.
func (f *File) Ints(k Key) []int64 {
	if !f.Has(k) {
		return nil
	}
	list, ok := f.values.Ints(f.name(k))
	if !ok {
		f.Fail(k, f.Describe(k), "a list of whole numbers")
	}
	return list
}

// Rows is the number of rows of a tensor, 0 if there is no such matrix.
func (f *File) Rows(name string) int {
	t, ok := f.Tensor(name)
	if !ok || len(t.Shape) != 2 {
		return 0
	}
	return t.Shape[0]
}
