package checkpoint

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// An Export is a GGUF file under construction. It is written by the tables that read a
// folder: the tags of settings structs, and the tensors that Load has found. It keeps
// the first error for WriteFile.
type Export struct {
	file         *File
	to           quant.Type
	architecture string
	metadata     []gguf.KV
	tensors      []gguf.Source
	dropped      map[string]bool
	cut          map[string]int     // leading rows to omit, by tensor
	scales       map[string]float32 // factors, by tensor name suffix
	progress     func(done, of int)
	result       Conversion
	err          error
}

// A Conversion summarises what an Export has written.
type Conversion struct {
	Tensors  int
	Bytes    int64          // of the file
	Types    map[string]int // number of tensors by type
	Fallback int            // tensors whose rows do not fit the blocks of the requested type
}

// NewExport begins a GGUF file of the given architecture, with matrices of type to,
// from a folder in Hugging Face layout that has been read and loaded.
func NewExport(f *File, to quant.Type, architecture string) (*Export, error) {
	number, ok := fileTypes[to]
	if !ok {
		return nil, fmt.Errorf("type %v: expected one of %s", to, strings.Join(ExportTypes(), ", "))
	}
	return &Export{file: f, to: to, architecture: architecture, dropped: make(map[string]bool), cut: make(map[string]int),
		scales: make(map[string]float32), result: Conversion{Types: make(map[string]int)},
		metadata: []gguf.KV{
			{Key: "general.architecture", Value: architecture}, {Key: "general.type", Value: "model"}, {Key: "general.name", Value: f.Name},
			{Key: "general.file_type", Value: number}, {Key: "general.quantization_version", Value: uint32(2)},
		}}, nil
}

// fail keeps the first error.
func (e *Export) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// Architecture is GGUF's name of the family.
func (e *Export) Architecture() string { return e.architecture }

// Refuse is the error that GGUF files cannot express something in the model.
func (e *Export) Refuse(what, hint string) error { return e.file.Refuse("a conversion of "+what, hint) }

// find returns the full name of a key and its index in the metadata, or -1.
func (e *Export) find(key string) (string, int) {
	if strings.HasPrefix(key, ".") {
		key = e.architecture + key
	}
	return key, slices.IndexFunc(e.metadata, func(kv gguf.KV) bool { return kv.Key == key })
}

// Set sets or replaces the value of a key; nil omits the key from the file. A key that
// begins with a dot is prefixed with the architecture.
func (e *Export) Set(key string, value any) {
	if key, i := e.find(key); i >= 0 {
		e.metadata[i].Value = value
	} else {
		e.metadata = append(e.metadata, gguf.KV{Key: key, Value: value})
	}
}

// Get returns the value of a key, nil if it is not set.
func (e *Export) Get(key string) any {
	if _, i := e.find(key); i >= 0 {
		return e.metadata[i].Value
	}
	return nil
}

// Settings writes a struct filled by File.Read, reads it back and compares the two. A
// setting of config.json without a GGUF key is an error, unless it has the value that
// GGUF files imply, or the tag "-" says that they express it differently.
func (e *Export) Settings(settings any) {
	dims := make(map[string]int)
	settingsOf(reflect.ValueOf(settings).Elem(), func(s *setting) {
		switch {
		case s.key.GGUF != "":
			e.setting(s)
		case s.key.HF != "" && s.tag.Get("gguf") != "-":
			e.keyless(s, dims)
		}
		s.dimension(dims)
	})
	if err := e.readBack(settings); err != nil {
		e.fail(err)
	}
}

// setting writes a setting that has a key.
func (e *Export) setting(s *setting) {
	v := reflect.Indirect(s.value)
	if !v.IsValid() {
		return
	}
	value := v.Interface()
	switch x := value.(type) {
	case int:
		if value = uint32(x); x < 0 {
			value = int32(x)
		}
	case float64:
		value = float32(x) // llama.cpp's type
	case kernels.Activation:
		value = ActivationName(x)
	}
	e.Set(s.key.GGUF, value)
}

// keyless refuses a setting without a key, unless GGUF files imply it.
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
		e.fail(e.file.Refuse(fmt.Sprintf("conversion of a model with %s %s", s.key.HF, e.file.Describe(s.key)), "GGUF files have no setting for it"))
	}
}

// equalSettings compares two fields, numbers as float32.
func equalSettings(a, b reflect.Value) bool {
	a, b = reflect.Indirect(a), reflect.Indirect(b)
	switch {
	case !a.IsValid() || !b.IsValid():
		return a.IsValid() == b.IsValid()
	case a.CanFloat():
		return float32(a.Float()) == float32(b.Float())
	case a.Kind() == reflect.Slice && a.Len() == 0:
		return b.Len() == 0
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// readBack reads settings from the metadata and compares them with the originals.
func (e *Export) readBack(settings any) error {
	var b bytes.Buffer
	if err := gguf.Write(&b, e.metadata, nil); err != nil {
		return err
	}
	g, err := OpenBytes(e.file.Path, b.Bytes())
	if err != nil {
		return err
	}
	g.source = e.file.source // its tensors bound the number of layers
	want := reflect.ValueOf(settings).Elem()
	got := reflect.New(want.Type())
	got.Elem().Set(want) // for what the family sets itself
	g.Read(got.Interface())
	var expected []*setting
	settingsOf(want, func(s *setting) { expected = append(expected, s) })
	settingsOf(got.Elem(), func(s *setting) {
		w := expected[0]
		if expected = expected[1:]; s.key.GGUF != "" && !equalSettings(s.value, w.value) {
			g.FailWith(fmt.Errorf("%s: %s would be %v in the GGUF file, but is %v", e.file.settingsPath, w.field, s.value, w.value))
		}
	})
	return g.err
}

// WriteFile writes the file, unless something would be lost. progress, if not nil, is
// called with the number of tensors written.
func (e *Export) WriteFile(path string, progress func(done, of int)) (Conversion, error) {
	if e.err != nil {
		return Conversion{}, e.err
	}
	e.progress = progress
	metadata := slices.DeleteFunc(e.metadata, func(kv gguf.KV) bool { return kv.Value == nil })
	if err := gguf.WriteFile(path, metadata, e.tensors); err != nil {
		return Conversion{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Conversion{}, err
	}
	e.result.Bytes = info.Size()
	return e.result, nil
}
