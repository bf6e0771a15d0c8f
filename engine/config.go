package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
)

// Bounds of what a configuration may claim. They are far above every published
// model and keep all products of two of them within an int.
const (
	maxWidth     = 1 << 20
	maxLayers    = 1 << 14
	maxHeads     = 1 << 14
	maxVocab     = 1 << 28
	maxPositions = 1 << 28
	maxLabels    = 1 << 16
)

// A key is the name of a setting in config.json and in GGUF metadata. A GGUF
// key that begins with a dot follows the name of the architecture.
type key struct{ hf, gguf string }

// values is a source of settings: config.json, or GGUF metadata. Each method
// says whether the setting is there and of that type.
type values interface {
	Has(name string) bool
	Int(name string) (int64, bool)
	Float(name string) (float64, bool)
	String(name string) (string, bool)
	Bool(name string) (bool, bool)
	Kind(name string) string // what the setting is, in words
}

// settings reads the settings of a model strictly and keeps the first error.
type settings struct {
	path   string // of the file, for errors
	values values
	arch   string // of GGUF; "" for config.json
	err    error

	// What was read, by its GGUF key, where a conversion wants to know; or nil.
	read map[string]any
}

// note keeps a setting that was read.
func (s *settings) note(k key, value any) {
	if s.read != nil && strings.HasPrefix(k.gguf, ".") {
		s.read[k.gguf] = value
	}
}

func (s *settings) name(k key) string {
	switch {
	case s.arch == "":
		return k.hf
	case strings.HasPrefix(k.gguf, "."):
		return s.arch + k.gguf
	}
	return k.gguf
}

func (s *settings) has(k key) bool {
	n := s.name(k)
	return n != "" && s.values.Has(n)
}

// fail keeps the first error.
func (s *settings) fail(k key, found, want string) {
	if s.err == nil {
		s.err = &fault.FormatError{Path: s.path, Field: s.name(k), Offset: -1, Found: found, Want: want}
	}
}

// describe is what a setting holds, for an error.
func (s *settings) describe(k key) string {
	n := s.name(k)
	if !s.values.Has(n) {
		return "nothing"
	}
	if v, ok := s.values.String(n); ok {
		return strconv.Quote(abridge(v))
	}
	if v, ok := s.values.Int(n); ok {
		return strconv.FormatInt(v, 10)
	}
	if v, ok := s.values.Float(n); ok {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return abridge(s.values.Kind(n))
}

func abridge(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// count is a whole number from low to high.
func (s *settings) count(k key, low, high int) int {
	v, ok := s.values.Int(s.name(k))
	if !ok || v < int64(low) || v > int64(high) {
		s.fail(k, s.describe(k), fmt.Sprintf("a whole number from %d to %d", low, high))
		return low
	}
	if v < 0 {
		s.note(k, int32(v))
	} else {
		s.note(k, uint32(v))
	}
	return int(v)
}

// countOr is count, or fallback where the setting is absent.
func (s *settings) countOr(k key, low, high, fallback int) int {
	if !s.has(k) {
		return fallback
	}
	return s.count(k, low, high)
}

// epsilon is a norm's epsilon: finite and above 0.
func (s *settings) epsilon(k key) float32 {
	v, ok := s.values.Float(s.name(k))
	// The square of a float32 norm must not swallow it, and it must not swallow
	// a variance.
	if !ok || math.IsNaN(v) || v <= 0 || v > 1 || float32(v) == 0 {
		s.fail(k, s.describe(k), "a number above 0, at most 1")
		return 1
	}
	s.note(k, float32(v))
	return float32(v)
}

// text is a string, or fallback where the setting is absent or null.
func (s *settings) text(k key, fallback string) string {
	if !s.has(k) {
		return fallback
	}
	v, ok := s.values.String(s.name(k))
	if !ok {
		s.fail(k, s.describe(k), "a string")
		return fallback
	}
	s.note(k, v)
	return v
}

// truth is true or false, or fallback where the setting is absent or null.
func (s *settings) truth(k key, fallback bool) bool {
	if !s.has(k) {
		return fallback
	}
	v, ok := s.values.Bool(s.name(k))
	if !ok {
		s.fail(k, s.describe(k), "true or false")
	}
	s.note(k, v)
	return v
}

// activations are the names that transformers gives them.
var activations = map[string]kernels.Activation{
	"gelu":              kernels.GELU,
	"gelu_python":       kernels.GELU,
	"gelu_new":          kernels.GELUTanh,
	"gelu_fast":         kernels.GELUTanh,
	"gelu_pytorch_tanh": kernels.GELUTanh,
	"relu":              kernels.ReLU,
	"silu":              kernels.SiLU,
	"swish":             kernels.SiLU,
	"tanh":              kernels.Tanh,
	"linear":            kernels.Identity,
}

// activation is an activation by name.
func (s *settings) activation(k key, fallback string) kernels.Activation {
	name := s.text(k, fallback)
	act, ok := activations[name]
	if !ok {
		names := make([]string, 0, len(activations))
		for n := range activations {
			names = append(names, n)
		}
		slices.Sort(names)
		s.fail(k, strconv.Quote(abridge(name)), "one of "+strings.Join(names, ", "))
	}
	return act
}

// jsonValues is a JSON object as settings.
type jsonValues map[string]any

// parseObject reads a JSON object; path names the file in errors.
func parseObject(path string, data []byte) (jsonValues, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v jsonValues
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
	return v, nil
}

// Has treats null as absent, as transformers does.
func (v jsonValues) Has(name string) bool { return v[name] != nil }

// Int takes 8 and 8.0, not 8.5.
func (v jsonValues) Int(name string) (int64, bool) {
	n, ok := v[name].(json.Number)
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

func (v jsonValues) Float(name string) (float64, bool) {
	n, ok := v[name].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

func (v jsonValues) String(name string) (string, bool) {
	s, ok := v[name].(string)
	return s, ok
}

// Bool is true or false.
func (v jsonValues) Bool(name string) (value, ok bool) {
	value, ok = v[name].(bool)
	return value, ok
}

// Kind is the value as JSON.
func (v jsonValues) Kind(name string) string {
	b, err := json.Marshal(v[name])
	if err != nil {
		return "a value that is not JSON"
	}
	return string(b)
}

// object is the JSON object under name, or nil.
func (v jsonValues) object(name string) jsonValues {
	o, _ := v[name].(map[string]any)
	return o
}
