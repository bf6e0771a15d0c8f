package checkpoint

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/kernels"
)

// A setting is a field of a settings struct with its tags; see File.Read.
type setting struct {
	value reflect.Value
	field string // its Go name
	key   Key
	tag   reflect.StructTag
	dim   string
}

// settingsOf yields the fields of a struct in order, including those of embedded
// structs.
func settingsOf(v reflect.Value, yield func(s *setting)) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			settingsOf(v.Field(i), yield)
		case f.IsExported():
			yield(&setting{v.Field(i), f.Name, Key{f.Tag.Get("hf"), ggufKey(f.Tag)}, f.Tag, f.Tag.Get("dim")})
		}
	}
}

// ggufKey is the GGUF key in a tag. "-" says that such files express the setting
// differently, so there is none.
func ggufKey(tag reflect.StructTag) string {
	if k := tag.Get("gguf"); k != "-" {
		return k
	}
	return ""
}

// table reports whether the field is filled from the file's settings: one without names
// is set by the family.
func (s *setting) table() bool { return s.key != Key{} }

// fallback is the field's default in a format.
func (s *setting) fallback(gguf bool) (text string, ok bool) {
	if gguf {
		if text, ok = s.tag.Lookup("ggufdefault"); ok {
			return text, text != "required"
		}
	}
	return s.tag.Lookup("default")
}

// Read fills a struct with the settings of the file. Err returns an error for the first
// setting that is missing or wrong. Each exported field with a name in a format is a
// setting; fields of embedded structs are the struct's own.
//
//	hf           names in config.json, separated by blanks; the first one present
//	             and not null counts
//	gguf         key in GGUF metadata; a leading dot stands for the name of the
//	             architecture. "-": such files express it differently
//	default      the class's default. "preset": the field's previous value.
//	             "@hidden/heads": a product or quotient of dims of fields above.
//	             "rows:NAME": rows of the tensor of that name. Without a default the
//	             setting is required
//	ggufdefault  the default for GGUF files, if it differs; "required": none
//	null         the meaning of null in config.json, if not the default
//	min, max     the range of a number, as a number or the name of a bound: width,
//	             heads, layers, vocab, positions, labels. By default whole numbers are
//	             from 1 to width; layers are bounded by the number of tensors, too
//	dim          the field's name in shapes; see File.Load
//
// Fields are of type int, bool, float32, float64, string, kernels.Activation (by
// transformers' names), []string, or pointers to the first five, which stay nil if the
// file does not have the setting.
func (f *File) Read(settings any) {
	dims := make(map[string]int)
	settingsOf(reflect.ValueOf(settings).Elem(), func(s *setting) {
		if s.table() {
			f.readSetting(s, dims)
		}
		s.dimension(dims)
	})
}

// dimension adds the field to the dims, by its name and its dim's.
func (s *setting) dimension(dims map[string]int) {
	n := 0
	switch {
	case s.value.CanInt():
		n = int(s.value.Int())
	case s.value.Kind() == reflect.Bool:
		if s.value.Bool() {
			n = 1
		}
	default:
		return
	}
	dims[s.field] = n
	if s.dim != "" {
		dims[s.dim] = n
	}
}

func (f *File) readSetting(s *setting, dims map[string]int) {
	if null, ok := s.tag.Lookup("null"); ok && f.Null(s.key) {
		f.setText(s, s.value, null, dims)
		return
	}
	if f.Has(s.key) {
		f.setValue(s, s.value)
		return
	}
	switch text, ok := s.fallback(f.IsGGUF()); {
	case ok && text == "preset":
	case ok:
		f.setText(s, s.value, text, dims)
	case s.value.Kind() == reflect.Pointer:
		s.value.SetZero()
	case f.name(s.key) != "":
		f.Fail(s.key, "nothing", s.expected())
	}
}

// expected describes the values of a field, for errors.
func (s *setting) expected() string {
	switch s.value.Interface().(type) {
	case int:
		return fmt.Sprintf("a whole number from %d to %d", int(s.bound("min", 1)), int(s.bound("max", MaxWidth)))
	case bool:
		return "true or false"
	case float32, float64:
		return "a number"
	case []string:
		return "a list of strings"
	}
	return "a string"
}

// setValue sets v, the field or what it points to, to the file's setting.
func (f *File) setValue(s *setting, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Addr().Interface().(type) {
	case *int:
		low, high := s.bound("min", 1), s.bound("max", MaxWidth)
		if s.tag.Get("max") == "layers" {
			f.layers(s, v, int(low), int(high))
			return
		}
		v.SetInt(int64(f.requiredInt(s.key, int(low), int(high))))
	case *bool:
		v.SetBool(f.Bool(s.key, false))
	case *float32, *float64:
		v.SetFloat(f.requiredFloat(s.key, s.bound("min", -math.MaxFloat32), s.bound("max", math.MaxFloat32)))
	case *string:
		v.SetString(f.String(s.key, ""))
	case *kernels.Activation:
		name := f.String(s.key, "")
		act, ok := activations[name]
		if !ok && f.err == nil {
			f.Fail(s.key, strconv.Quote(Abridge(name)), "one of "+strings.Join(slices.Sorted(maps.Keys(activations)), ", "))
		}
		v.SetUint(uint64(act))
	case *[]string:
		v.Set(reflect.ValueOf(f.Strings(s.key, nil)))
	default:
		panic(fmt.Sprintf("checkpoint: setting %s is a %v", s.field, v.Type()))
	}
}

// fewLayers may exceed the number of tensors: layers can share tensors, as in ALBERT.
const fewLayers = 64

// layers reads a number of layers, which must not exceed the number of tensors unless
// it is at most fewLayers.
func (f *File) layers(s *setting, v reflect.Value, low, high int) {
	n := f.requiredInt(s.key, low, high)
	if tensors := len(f.source.Names()); n > max(tensors, fewLayers) {
		f.Fail(s.key, strconv.Itoa(n), fmt.Sprintf("no more layers than the file has tensors (%d)", tensors))
		n = low
	}
	v.SetInt(int64(n))
}

// bound is a number's bound according to a tag.
func (s *setting) bound(tag string, byDefault float64) float64 {
	text, ok := s.tag.Lookup(tag)
	if !ok {
		return byDefault
	}
	if n, ok := bounds[text]; ok {
		return float64(n)
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(fmt.Sprintf("checkpoint: setting %s has the %s %q", s.field, tag, text))
	}
	return n
}

// setText sets v, the field or what it points to, to a tag's text.
func (f *File) setText(s *setting, v reflect.Value, text string, dims map[string]int) {
	if v.Kind() == reflect.Pointer {
		if text == "" {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	expression, isExpression := strings.CutPrefix(text, "@")
	tensor, isRows := strings.CutPrefix(text, "rows:")
	var number float64
	var err error
	switch dst := v.Addr().Interface().(type) {
	case *int, *float32, *float64:
		switch {
		case isExpression:
			number = float64(evaluate(expression, dims))
		case isRows:
			number = float64(f.Rows(tensor + ".weight"))
		default:
			number, err = strconv.ParseFloat(text, 64)
		}
		if v.CanInt() {
			v.SetInt(int64(number))
			if low := s.bound("min", 1); isRows && number < low {
				f.Fail(s.key, "neither the setting nor the matrix "+tensor+".weight", s.expected())
				v.SetInt(int64(low))
			}
		} else {
			v.SetFloat(number)
		}
	case *bool:
		*dst, err = strconv.ParseBool(text)
	case *string:
		*dst = text
	case *kernels.Activation:
		act, ok := activations[text]
		if !ok {
			err = strconv.ErrSyntax
		}
		*dst = act
	case *[]string:
		*dst = strings.Fields(text)
	}
	if err != nil {
		panic(fmt.Sprintf("checkpoint: setting %s has the default %q", s.field, text))
	}
}

// evaluate computes a product or quotient of dims and numbers, left to right, such as
// "3*hidden" or "hidden/heads". Division by 0 yields 0.
func evaluate(expression string, dims map[string]int) int {
	n, operator := 1, byte('*')
	for rest := expression; rest != ""; {
		i := strings.IndexAny(rest, "*/")
		word, next := rest, byte(0)
		if i >= 0 {
			word, next, rest = rest[:i], rest[i], rest[i+1:]
		} else {
			rest = ""
		}
		v, ok := dims[word]
		if !ok {
			var err error
			if v, err = strconv.Atoi(word); err != nil {
				panic(fmt.Sprintf("checkpoint: unknown dimension %s in %q", word, expression))
			}
		}
		switch {
		case operator == '*':
			n *= v
		case v == 0:
			n = 0
		default:
			n /= v
		}
		operator = next
	}
	return n
}

// activations are transformers' names.
var activations = map[string]kernels.Activation{
	"gelu":              kernels.GELU,
	"gelu_python":       kernels.GELU,
	"gelu_new":          kernels.GELUTanh,
	"gelu_fast":         kernels.GELUTanh,
	"gelu_accurate":     kernels.GELUTanh,
	"gelu_pytorch_tanh": kernels.GELUTanh,
	"gelu_python_tanh":  kernels.GELUTanh,
	"relu":              kernels.ReLU,
	"silu":              kernels.SiLU,
	"swish":             kernels.SiLU,
	"tanh":              kernels.Tanh,
	"sigmoid":           kernels.Sigmoid,
	"quick_gelu":        kernels.QuickGELU,
	"relu2":             kernels.ReLUSquared,
	"linear":            kernels.Identity,
}

// ActivationNamed returns the activation with that name in transformers.
func ActivationNamed(name string) (act kernels.Activation, ok bool) {
	act, ok = activations[name]
	return act, ok
}

// ActivationName returns an activation's name in config.json.
func ActivationName(a kernels.Activation) string {
	switch a { // the plain names, not the first alphabetically
	case kernels.GELUTanh:
		return "gelu_pytorch_tanh"
	case kernels.Identity:
		return "linear"
	}
	for _, name := range slices.Sorted(maps.Keys(activations)) {
		if activations[name] == a {
			return name
		}
	}
	return ""
}

// Activation reads an activation by its name in transformers, or returns fallback if
// the setting is absent.
func (f *File) Activation(k Key, fallback kernels.Activation) kernels.Activation {
	if !f.Has(k) {
		return fallback
	}
	var act kernels.Activation
	f.setValue(&setting{field: k.HF, key: k}, reflect.ValueOf(&act).Elem())
	return act
}
