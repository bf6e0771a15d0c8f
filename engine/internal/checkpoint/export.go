package checkpoint

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// An Export gathers what a GGUF file is to hold, from the structs that the model
// was read and loaded into: the tags that read them write them. It keeps the
// first error for WriteFile.
type Export struct {
	file         *File
	to           quant.Type
	architecture string
	metadata     []gguf.KV
	places       map[string]int // of keys in metadata
	written      map[string]any // the values of keys that settings have given
	settings     []any
	tensors      []gguf.Source
	dropped      map[string]bool
	cut          map[string]int // rows to leave out at the beginning of a tensor
	scales       []scale
	result       Conversion
	err          error
}

// A scale multiplies the tensors whose names end in a certain way.
type scale struct {
	name   string
	factor float32
}

// NewExport begins a GGUF file of the given architecture, with matrices of type
// to, of a folder in Hugging Face layout that has been read and loaded.
func NewExport(f *File, to quant.Type, architecture string) (*Export, error) {
	if _, ok := fileTypes[to]; !ok {
		return nil, fmt.Errorf("type %v: expected one of %s", to, strings.Join(ExportTypes(), ", "))
	}
	e := &Export{file: f, to: to, architecture: architecture, places: make(map[string]int), written: make(map[string]any),
		dropped: make(map[string]bool), cut: make(map[string]int), result: Conversion{Types: make(map[string]int)}}
	e.Set("general.architecture", architecture)
	e.Set("general.type", "model")
	e.Set("general.name", f.Name)
	e.Set("general.file_type", fileTypes[to])
	e.Set("general.quantization_version", uint32(2))
	return e, nil
}

// fail keeps the first error.
func (e *Export) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// Architecture is GGUF's name of the family.
func (e *Export) Architecture() string { return e.architecture }

// PoolingType writes llama.cpp's number of how the model pools.
func (e *Export) PoolingType(n int) { e.Set(keyPoolingType.GGUF, uint32(n)) }

// Refuse is the error that the model has something that no GGUF file has.
func (e *Export) Refuse(what, hint string) error { return e.file.Refuse("a conversion of "+what, hint) }

// Set sets a key, in place of what it held before. One that begins with a dot
// follows the name of the architecture.
func (e *Export) Set(key string, value any) {
	key = e.key(key)
	if i, ok := e.places[key]; ok {
		e.metadata[i].Value = value
		return
	}
	e.places[key] = len(e.metadata)
	e.metadata = append(e.metadata, gguf.KV{Key: key, Value: value})
}

// Get is the value of a key, nil where it is not set.
func (e *Export) Get(key string) any {
	if i, ok := e.places[e.key(key)]; ok {
		return e.metadata[i].Value
	}
	return nil
}

// Unset takes a key out again.
func (e *Export) Unset(key string) {
	key = e.key(key)
	i, ok := e.places[key]
	if !ok {
		return
	}
	e.metadata = slices.Delete(e.metadata, i, i+1)
	delete(e.places, key)
	delete(e.written, key)
	for k, at := range e.places {
		if at > i {
			e.places[k] = at - 1
		}
	}
}

// Has says whether a key is set.
func (e *Export) Has(key string) bool {
	_, ok := e.places[e.key(key)]
	return ok
}

func (e *Export) key(key string) string {
	if strings.HasPrefix(key, ".") {
		return e.architecture + key
	}
	return key
}

// Settings writes structs that File.Read has filled. A setting of config.json that
// GGUF files have no key for ends in an error, unless it is what they stand for
// without one, or the tag "-" says that they express it otherwise.
func (e *Export) Settings(settings ...any) {
	for _, s := range settings {
		e.settings = append(e.settings, s)
		dims := make(map[string]int)
		settingsOf(reflect.ValueOf(s).Elem(), func(s *setting) {
			switch {
			case s.key.GGUF != "":
				e.setting(s)
			case s.key.HF != "" && s.tag.Get("gguf") != "-":
				e.keyless(s, dims)
			}
			s.dimension(dims)
		})
	}
}

// setting writes a setting that has a key.
func (e *Export) setting(s *setting) {
	v := s.value
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	value := v.Interface()
	switch x := value.(type) {
	case int:
		if value = uint32(x); x < 0 {
			value = int32(x)
		}
	case float64:
		value = float32(x) // the type that llama.cpp takes
	case kernels.Activation:
		value = ActivationName(x)
	case []string:
		value = slices.Clone(x)
	}
	e.Set(s.key.GGUF, value)
	e.written[e.key(s.key.GGUF)] = value
}

// keyless refuses a setting without a key that means something.
func (e *Export) keyless(s *setting, dims map[string]int) {
	text, ok := s.fallback(true)
	if strings.HasPrefix(text, "rows:") || text == "preset" {
		return
	}
	want := reflect.New(s.value.Type()).Elem()
	if ok {
		e.file.setText(s, want, text, dims)
	}
	if !equalSettings(s.value, want) {
		e.fail(e.file.Refuse(fmt.Sprintf("a conversion of a model with %s %s", s.key.HF, e.file.Describe(s.key)), "GGUF files have no setting for it"))
	}
}

// equalSettings says whether two fields hold the same, as far as float32 numbers
// tell.
func equalSettings(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return equalSettings(a.Elem(), b.Elem())
	case reflect.Float64, reflect.Float32:
		return float32(a.Float()) == float32(b.Float())
	case reflect.Slice:
		return a.Len() == 0 && b.Len() == 0 || reflect.DeepEqual(a.Interface(), b.Interface())
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// verify reads the settings back, as they were written before a family set some
// of their keys otherwise, and compares them with what they were.
func (e *Export) verify() error {
	var brief []gguf.KV
	for _, kv := range e.metadata {
		if value, ok := e.written[kv.Key]; ok {
			kv.Value = value
		} else if strings.HasPrefix(kv.Key, "tokenizer.") {
			continue
		}
		brief = append(brief, kv)
	}
	var b bytes.Buffer
	if err := gguf.Write(&b, brief, nil); err != nil {
		return err
	}
	g, err := OpenBytes(e.file.Path, b.Bytes())
	if err != nil {
		return err
	}
	g.source = e.file.source // whose tensors bound the number of layers
	for _, s := range e.settings {
		var wanted []*setting
		want := reflect.ValueOf(s).Elem()
		settingsOf(want, func(s *setting) { wanted = append(wanted, s) })
		got := reflect.New(want.Type())
		got.Elem().Set(want) // for what the family has set itself
		g.Read(got.Interface())
		settingsOf(got.Elem(), func(s *setting) {
			w := wanted[0]
			wanted = wanted[1:]
			if _, written := e.written[e.key(s.key.GGUF)]; written && g.err == nil && !equalSettings(s.value, w.value) {
				g.err = fmt.Errorf("%s: %s would be %v in the GGUF file and is %v", e.file.settingsPath, w.field, s.value, w.value)
			}
		})
	}
	return g.err
}

// RoPE writes how the layers that see everything turn their heads, and how those
// do that see a window, if they turn otherwise; local is nil if they do not.
func (e *Export) RoPE(global, local *compute.RoPE) {
	s := global.Settings()
	e.Set(".rope.freq_base", float32(s.Theta))
	e.Set(keyRoPEDim.GGUF, uint32(global.Dim()))
	if local != nil {
		if l := local.Settings(); l.Kind != "" || l.Divisors != nil {
			e.fail(e.file.Refuse("a conversion of stretched positions in layers that see a window", ""))
		}
		e.Set(".rope.freq_base_swa", float32(local.Settings().Theta))
	}
	divisors := s.Divisors
	switch s.Kind {
	case "yarn":
		if ratio := global.AttentionFactor() / yarnAttention(s.Factor); math.Abs(ratio-1) > 1e-6 {
			e.Set(keyRoPEAttention.GGUF, float32(ratio))
		}
		if !s.Truncate {
			e.Set(keyRoPETruncate.GGUF, false)
		}
		e.Set(keyRoPEOriginal.GGUF, uint32(s.Original))
		e.Set(keyRoPEBetaFast.GGUF, float32(s.BetaFast))
		e.Set(keyRoPEBetaSlow.GGUF, float32(s.BetaSlow))
		fallthrough
	case "linear":
		e.Set(keyRoPEKind.GGUF, s.Kind)
		e.Set(keyRoPEFactor.GGUF, float32(s.Factor))
	case "llama3", "ntk":
		plain := compute.NewRoPE(global.Dim(), compute.DefaultRoPESettings(s.Theta)).Frequencies()
		divisors = make([]float32, len(plain))
		for i, f := range global.Frequencies() {
			divisors[i] = float32(plain[i] / f)
		}
	}
	if divisors != nil {
		e.Add(frequencyDivisors, []int{len(divisors)}, divisors)
	}
}

// LayerTypes writes which layers see everything: every so many, where that is
// what the rule of the architecture says, or a list of those that see a window.
func (e *Export) LayerTypes(global []bool, every int, rule func(layer, every int) bool) {
	local := make([]bool, len(global))
	same := true
	for i, g := range global {
		local[i] = !g
		same = same && g == rule(i, every)
	}
	if same {
		e.Set(keyLayerPattern.GGUF, uint32(every))
	} else {
		e.Set(keyLayerPattern.GGUF, local)
	}
}

// Labels writes the labels of a classifier.
func (e *Export) Labels(labels []string) { e.Set(keyLabels.GGUF, labels) }

// SequenceLimit writes how many tokens a sequence may have, where that is fewer
// than the positions are enough for.
func (e *Export) SequenceLimit(n int) { e.Set(keySequence.GGUF, uint32(n)) }

// Tokenizer writes the tokenizer of a model with so many token types and rows in
// its table of words. Keys that are set already stay as they are. Where metadata
// cannot express it, tokenizer.json is written whole.
func (e *Export) Tokenizer(t *tokenizer.Tokenizer, types, vocab int) {
	if e.file.LowerCase() {
		e.Set(keyLower.GGUF, true)
	}
	fields, exact, err := t.GGUF(types, vocab)
	if err != nil {
		e.fail(fmt.Errorf("%s: %w", e.file.Path, err))
		return
	}
	for _, field := range fields {
		if !e.Has(field.Key) {
			e.Set(field.Key, field.Value)
		}
	}
	if exact {
		return
	}
	whole, err := os.ReadFile(filepath.Join(e.file.Folder(), "tokenizer.json"))
	if err != nil {
		e.fail(fmt.Errorf("GGUF metadata cannot express this tokenizer and there is no tokenizer.json to put in: %w", err))
		return
	}
	e.Set(tokenizer.HuggingFaceKey, string(whole))
}

// ChatTemplate copies the template of conversations, for those who have them.
func (e *Export) ChatTemplate() {
	text, err := e.file.ChatTemplate()
	if err != nil {
		e.fail(err)
	} else if text != "" {
		e.Set("tokenizer.chat_template", text)
	}
}
