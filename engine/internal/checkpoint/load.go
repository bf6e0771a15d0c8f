package checkpoint

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// LoadOptions says how the tensors of a file are loaded.
type LoadOptions struct {
	Family   string                 // for errors
	Prefixes []string               // of names in safetensors files, tried in order
	Ignore   func(name string) bool // further tensors that may be left over; or nil
	Eps      float32                // of all norms
	Settings []any                  // pointers to structs with the fields that shapes refer to
}

// Dimensioned is a struct of tensors, or a slice element, with its own dimensions.
type Dimensioned interface {
	// Dimensions adds them to the others before its tensors are loaded.
	Dimensions(dims map[string]int)
}

// Loaded is a struct of tensors that checks or completes itself after loading.
type Loaded interface{ Loaded() error }

// loading is the state of the latest Load.
type loading struct {
	options LoadOptions
	dims    map[string]int
	used    map[string]bool
	missing []string
	err     error         // the first tensor of wrong shape or type
	tables  int64         // bytes of the tables that stay in the file
	fields  []tensorField // of a folder
}

// A tensorField is a field that Load has found tensors for, with what an Export needs
// to write them to a GGUF file.
type tensorField struct {
	gguf    [][]string                // its names there, without suffixes: the alternatives
	tensors map[string][]quant.Tensor // by suffix: ".weight", ".bias" or ""
	change  change
}

// newField begins a field; stem begins its names in GGUF files. A field that GGUF files
// do not have gets no names.
func (f *File) newField(stem string, tag reflect.StructTag) tensorField {
	t := tensorField{tensors: make(map[string][]quant.Tensor)}
	if tag.Get("gguf") == "" || tag.Get("again") == "true" {
		return t
	}
	for alternative := range strings.SplitSeq(tag.Get("gguf"), ",") {
		t.gguf = append(t.gguf, qualified(alternative, stem))
	}
	if tag.Get("apart") == "true" {
		t.gguf = t.gguf[:1]
	}
	if dim := tag.Get("interleave"); dim != "" {
		t.change.heads = f.dimension(dim)
	}
	if plus := tag.Get("plus"); plus != "" {
		t.change.add = float32(f.dimension(plus))
	}
	return t
}

// Load fills structs with the tensors of the file, unless the settings are wrong. A
// field's tags say which tensors it holds:
//
//	hf, gguf    the tensor's name in each format, without ".weight". Several names
//	            separated by blanks are stacked along outputs; alternatives, one of
//	            which may already be stacked in the file, are separated by commas. A
//	            field without the tag for the file's format is left empty.
//	shape       the shape that the settings imply: numbers, dims of settings, or
//	            products such as 3*hidden; for stacked tensors, each one's shape.
//	keep        "exact": the matrix is not rounded to 8 bits at any precision.
//	bias        "none" or "optional", or a dim: none if it is 0. By default a Linear
//	            and a Norm must have one.
//	optional    "true": a pointer that stays nil if the file has no such tensor.
//	if          a dim or a field of settings: a pointer that stays nil if it is 0 or
//	            false.
//	each        on a slice of structs: the dim of its length. %d in the slice's hf and
//	            gguf tags, which begin its tensors' names, is the index.
//	from        on a slice: the index of its first element in names.
//	interleave  a dim: in GGUF files the two halves of each of that many heads are
//	            interleaved, as llama.cpp does for Llama; 0: they are not.
//	byhead      a dim: the outputs are queries, keys and values of each of that many
//	            heads in turn, not all queries, all keys, then all values; 0: they are not.
//	apart       "true": an Export always writes the tensors of the first alternative.
//	again       "true": another field has the same tensors, and an Export writes those.
//	plus        a dim: added to a Norm's weights from safetensors files (Gemma: 1).
//
// A field of []float32 is a vector, named in the file exactly as its tags say; it may
// have an if. The name "." is the prefix from the slice's tag itself. Fields of
// embedded structs are the struct's own.
//
// Load reads no matrices: it checks names and shapes of all tensors, so that a single
// error lists everything missing or left over. Pack does the rest.
func (f *File) Load(o LoadOptions, structs ...any) error {
	if f.err != nil {
		return f.err
	}
	l := &f.loading
	*l = loading{options: o, dims: make(map[string]int), used: make(map[string]bool)}
	f.packing.work = nil
	for _, s := range o.Settings {
		settingsOf(reflect.ValueOf(s).Elem(), func(s *setting) { s.dimension(l.dims) })
	}
	for _, s := range structs {
		if d, ok := s.(Dimensioned); ok {
			d.Dimensions(l.dims)
		}
		f.structure(reflect.ValueOf(s).Elem(), "", "")
	}
	var unused []string
	for _, name := range f.source.Names() {
		if !l.used[name] && !f.leftover(name) && (o.Ignore == nil || !o.Ignore(name)) {
			unused = append(unused, name)
		}
	}
	if err := f.discrepancies(unused); err != nil {
		return err
	}
	for _, s := range structs {
		if p, ok := s.(Loaded); ok && l.err == nil {
			l.err = p.Loaded()
		}
	}
	return l.err
}

// discrepancies is the error that lists what is missing and what is left over.
func (f *File) discrepancies(unused []string) error {
	missing := f.loading.missing
	var found []string
	if n := len(missing); n > 0 {
		found = append(found, fmt.Sprintf("%d missing (%s)", n, strings.Join(missing, ", ")))
	}
	if n := len(unused); n > 0 {
		slices.Sort(unused)
		found = append(found, fmt.Sprintf("%d unused (%s)", n, strings.Join(unused, ", ")))
	}
	if found == nil {
		return nil
	}
	return &fault.FormatError{Path: f.Path, Field: "tensors", Offset: -1,
		Found: strings.Join(found, " and "), Want: "the tensors of " + f.loading.options.Family}
}

// structure fills a struct; prefix begins the names of its tensors, stem their names in
// GGUF files.
func (f *File) structure(v reflect.Value, prefix, stem string) {
	dims := f.loading.dims
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		if v.Type().Field(i).Anonymous && field.Kind() == reflect.Struct {
			f.structure(field, prefix, stem)
			continue
		}
		spelling := f.spelling(tag)
		if each := tag.Get("each"); each != "" {
			n := f.dimension(each)
			if field.Len() != n {
				field.Set(reflect.MakeSlice(field.Type(), n, n))
			}
			chosen := f.chooseStem(spelling, tag)
			ggufStem, _, _ := strings.Cut(tag.Get("gguf"), ",")
			for j := range n {
				if d, ok := field.Index(j).Addr().Interface().(Dimensioned); ok {
					d.Dimensions(dims)
				}
				f.structure(field.Index(j), prefix+numbered(chosen, tag, j), stem+numbered(ggufStem, tag, j))
			}
			continue
		}
		if spelling == "" {
			continue
		}
		names, stacked := f.choose(spelling, prefix)
		if field.Kind() == reflect.Pointer {
			if tag.Get("optional") == "true" && !f.has(names[0]+".weight") || !f.enabled(tag) {
				field.SetZero()
				continue
			}
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		if !f.IsGGUF() {
			f.loading.fields = append(f.loading.fields, f.newField(stem, tag))
		}
		shape := f.shape(tag.Get("shape"))
		switch dst := field.Addr().Interface().(type) {
		case *compute.Linear:
			shape[0] *= stacked
			f.linear(dst, names, shape, tag)
		case *Unpacked:
			f.unpacked(dst, names[0], shape, tag)
		case *compute.Norm:
			f.norm(dst, names[0], shape, tag)
		case *[]float32:
			if *dst = nil; f.enabled(tag) {
				*dst = f.vector(names[0], []string{""}, shape, true)
			}
		case *compute.Embedding:
			if t, ok := f.tensor(names[0], []string{".weight"}, shape, true); ok {
				*dst = compute.NewEmbedding(t)
				f.loading.tables += int64(len(t.Data))
			}
		default:
			panic(fmt.Sprintf("checkpoint: field %s has a tensor tag but is a %v", v.Type().Field(i).Name, field.Type()))
		}
	}
}

// enabled reports whether the tag's condition for the field holds.
func (f *File) enabled(tag reflect.StructTag) bool {
	when := tag.Get("if")
	return when == "" || f.dimension(when) != 0
}

// TableBytes is the size of the tensors that stay in the file: embedding tables.
func (f *File) TableBytes() int64 { return f.loading.tables }

// tensor returns the tensor of that name with the first of the suffixes that the file
// has, checked. If it is required, its absence is an error.
func (f *File) tensor(stem string, suffixes []string, shape []int, required bool) (quant.Tensor, bool) {
	l := &f.loading
	for _, suffix := range suffixes {
		t, ok := f.Tensor(stem + suffix)
		if !ok {
			continue
		}
		l.used[t.Name] = true
		if err := f.check(t, shape); err != nil {
			f.recordError(err)
			return quant.Tensor{}, false
		}
		t.Shape = slices.Clone(shape) // a single-row matrix may be stored as a vector
		if !f.IsGGUF() {
			tensors := l.fields[len(l.fields)-1].tensors
			tensors[suffixes[0]] = append(tensors[suffixes[0]], t)
		}
		return t, true
	}
	if required {
		l.missing = append(l.missing, stem+suffixes[0])
	}
	return quant.Tensor{}, false
}

// recordError keeps the first error about a tensor.
func (f *File) recordError(err error) {
	if f.loading.err == nil {
		f.loading.err = err
	}
}

func (f *File) check(t quant.Tensor, shape []int) error {
	have := t.Shape
	if f.IsGGUF() && len(have) == 1 && len(shape) == 2 && shape[0] == 1 {
		have = []int{1, have[0]} // llama.cpp stores a single-row matrix as a vector
	}
	if !slices.Equal(have, shape) {
		return f.badTensor(t, fmt.Sprintf("shape %v", t.Shape), fmt.Sprintf("shape %v, as the configuration says", shape))
	}
	if !t.Type.CanDequantize() {
		return &fault.UnsupportedError{Path: f.Path, What: fmt.Sprintf("tensor %s of type %v", t.Name, t.Type),
			Hint: "weights must be floats or GGML blocks"}
	}
	if row := shape[len(shape)-1]; row%t.Type.BlockSize() != 0 {
		return f.badTensor(t, fmt.Sprintf("rows of %d numbers in type %v", row, t.Type), fmt.Sprintf("a multiple of %d", t.Type.BlockSize()))
	}
	return nil
}

func (f *File) badTensor(t quant.Tensor, found, want string) error {
	return &fault.FormatError{Path: f.Path, Field: "tensor " + t.Name, Offset: -1, Found: found, Want: want}
}

// biasOf says whether a layer may have a bias, and whether it must.
func (f *File) biasOf(tag reflect.StructTag) (has, required bool) {
	switch bias := tag.Get("bias"); bias {
	case "":
		return true, true
	case "none":
		return false, false
	case "optional":
		return true, false
	default:
		has = f.dimension(bias) != 0
		return has, has
	}
}

// norm loads a norm.
func (f *File) norm(dst *compute.Norm, name string, shape []int, tag reflect.StructTag) {
	dst.Eps = f.loading.options.Eps
	dst.Weight = f.vector(name, []string{".weight", ".gamma"}, shape, true)
	if has, required := f.biasOf(tag); has {
		dst.Bias = f.vector(name, []string{".bias", ".beta"}, shape, required)
	}
	if plus := tag.Get("plus"); plus != "" && !f.IsGGUF() {
		add := float32(f.dimension(plus))
		for i := range dst.Weight {
			dst.Weight[i] += add
		}
	}
}

// vector returns a tensor as float32 numbers, nil if there is none.
func (f *File) vector(stem string, suffixes []string, shape []int, required bool) []float32 {
	t, ok := f.tensor(stem, suffixes, shape, required)
	if !ok {
		return nil
	}
	v := make([]float32, t.Len())
	if err := dequantize(v, t, t.Data); err != nil {
		f.recordError(err)
		return nil
	}
	if i := notFinite(v); i >= 0 {
		f.recordError(f.infinite(t, 0, i, v[i]))
	}
	return v
}

// linear loads a linear layer except for its weights, which are packed later.
func (f *File) linear(dst *compute.Linear, names []string, shape []int, tag reflect.StructTag) {
	p := linearWork{dst: dst, out: shape[0] * len(names), in: 1}
	for _, n := range shape[1:] { // a convolution has inputs × taps
		p.in *= n
	}
	p.format = f.packing.format
	isNarrow := min(p.out, shape[1]) < f.narrowest()
	switch {
	case tag.Get("keep") == "exact":
		p.format = p.format.exact()
	case p.format.bytes() && isNarrow:
		p.format = packNarrow
	}
	heads := 0
	if dim := tag.Get("interleave"); dim != "" && f.IsGGUF() {
		if heads = f.dimension(dim); heads > 0 && shape[0]%(2*heads) != 0 {
			f.recordError(fmt.Errorf("%s: tensor %s: %d rows are not %d heads of an even width", f.Path, names[0], shape[0], heads))
			heads = 0
		}
	}
	var order []int // of the rows; nil: unchanged
	if heads > 0 {
		order = deinterleaved(shape[0], heads)
	}
	if dim := tag.Get("byhead"); dim != "" && f.dimension(dim) > 0 {
		order = headByHead(shape[0], f.dimension(dim))
	}
	hasBias, biasRequired := f.biasOf(tag)
	var biases []float32
	for _, name := range names {
		if t, ok := f.tensor(name, []string{".weight"}, shape, true); ok {
			if order != nil {
				t = reorder(t, p.in, order)
			}
			p.tensors = append(p.tensors, t)
		}
		if hasBias {
			b := f.vector(name, []string{".bias"}, shape[:1], biasRequired)
			if order != nil && b != nil {
				b = permuted(b, order)
			}
			biases = append(biases, b...)
		}
	}
	if p.format == packF16 && isNarrow && p.wide() {
		p.format = packF32
	}
	switch {
	case len(biases) == p.out:
		dst.Bias = biases
	case len(biases) > 0 && f.loading.missing == nil:
		// Only some of the stacked layers have a bias.
		f.recordError(&fault.FormatError{Path: f.Path, Field: "tensor " + names[0] + ".bias", Offset: -1,
			Found: fmt.Sprintf("%d biases in all", len(biases)), Want: strconv.Itoa(p.out)})
	}
	f.packing.work = append(f.packing.work, p)
}
