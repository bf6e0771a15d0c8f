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
	Prefixes []string               // that names in safetensors files may begin with, tried in order
	Ignore   func(name string) bool // more tensors that may be left over; or nil
	Eps      float32                // of all norms
	Settings []any                  // pointers to structs whose fields shapes name
}

// Dimensioned is a struct of tensors, or an element of a slice of them, that has
// dimensions of its own.
type Dimensioned interface {
	// Dimensions puts them among the others before its tensors are loaded.
	Dimensions(dims map[string]int)
}

// Loaded is a struct of tensors that checks or completes itself when it is loaded.
type Loaded interface{ Loaded() error }

// loading is the state of the latest Load.
type loading struct {
	options LoadOptions
	dims    map[string]int
	used    map[string]bool
	missing []string
	err     error // the first tensor of wrong shape or type
	tables  int64 // bytes of the tables that stay in the file
	fields  []tensorField
}

// A tensorField is a field that Load has found tensors for, with what an Export needs to
// write them to a GGUF file.
type tensorField struct {
	gguf   [][]string                // its names there, without endings: the alternatives
	parts  map[string][]quant.Tensor // by ending: ".weight", ".bias", or none
	change change
}

// newField begins a field; stem begins its names in GGUF files. One that they do not
// have has no names.
func (f *File) newField(stem string, tag reflect.StructTag) tensorField {
	t := tensorField{parts: make(map[string][]quant.Tensor)}
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

// Load fills structs with the tensors of the file, unless the settings are wrong.
// A field says by its tags which tensors it wants:
//
//	hf, gguf    the tensor's name in each format, without ".weight". Several names
//	            separated by blanks are stacked, output upon output; alternatives, of
//	            which one may have the tensors stacked already, are separated by
//	            commas. A field without the tag of the file's format is left empty.
//	shape       the shape that the settings promise: numbers, dims of settings, or
//	            products such as 3*hidden. Of stacked tensors it is each one's.
//	keep        "exact": the matrix is not rounded to 8 bits, whatever the precision.
//	bias        "none" or "optional", or a dim: none where that is 0. A Linear and a
//	            Norm have one otherwise.
//	optional    "true": a pointer that stays nil where the file has none.
//	if          a dim or a field of settings: a pointer that stays nil where that is
//	            0 or false.
//	each        on a slice of structs: the dim of its length. %d in the slice's hf and
//	            gguf tags, which begin its tensors' names, is the index.
//	from        on a slice: the index of its first element in names.
//	interleave  a dim: in GGUF files the two halves of each of so many heads are
//	            interleaved, as llama.cpp has those of Llama; 0: they are not.
//	byhead      a dim: the outputs are queries, keys and values of each of so many
//	            heads in turn, not all queries, then all keys, all values; 0: they are not.
//	apart       "true": an Export writes the tensors of the first alternative, whatever
//	            the file has.
//	again       "true": another field has the tensors, too, and an Export writes that.
//	plus        a dim: what a Norm's weights in safetensors files lack (Gemma: 1).
//
// A field of []float32 is a vector, which is called in the file as its tags say and
// may have an if. A name of one dot is that which the slice's tag begins. Fields of
// embedded structs are the struct's own.
//
// Load reads no matrices: it checks names and shapes of all tensors, so that one
// error lists everything that is missing or left over. Pack does the rest.
func (f *File) Load(o LoadOptions, parts ...any) error {
	if f.err != nil {
		return f.err
	}
	l := &f.loading
	*l = loading{options: o, dims: make(map[string]int), used: make(map[string]bool)}
	f.packing.work = nil
	for _, s := range o.Settings {
		settingsOf(reflect.ValueOf(s).Elem(), func(s *setting) { s.dimension(l.dims) })
	}
	for _, part := range parts {
		if d, ok := part.(Dimensioned); ok {
			d.Dimensions(l.dims)
		}
		f.structure(reflect.ValueOf(part).Elem(), "", "")
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
	for _, part := range parts {
		if p, ok := part.(Loaded); ok && l.err == nil {
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
		found = append(found, fmt.Sprintf("%d that the model has no place for (%s)", n, strings.Join(unused, ", ")))
	}
	if found == nil {
		return nil
	}
	return &fault.FormatError{Path: f.Path, Field: "tensors", Offset: -1,
		Found: strings.Join(found, " and "), Want: "the tensors of " + f.loading.options.Family}
}

// structure fills a struct; prefix begins the names of its tensors, stem those in GGUF
// files.
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
			if tag.Get("optional") == "true" && !f.has(names[0]+".weight") || !f.wanted(tag) {
				field.SetZero()
				continue
			}
			field.Set(reflect.New(field.Type().Elem()))
			field = field.Elem()
		}
		f.loading.fields = append(f.loading.fields, f.newField(stem, tag))
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
			if *dst = nil; f.wanted(tag) {
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

// wanted says whether there is to be what the tag's field holds.
func (f *File) wanted(tag reflect.StructTag) bool {
	when := tag.Get("if")
	return when == "" || f.dimension(when) != 0
}

// TableBytes is how much of the file's tensors stays in the file: tables of
// embeddings.
func (f *File) TableBytes() int64 { return f.loading.tables }

// tensor is the tensor of that name with the first of the endings that the file
// has, checked. required says whether it is missed where there is none.
func (f *File) tensor(stem string, endings []string, shape []int, required bool) (quant.Tensor, bool) {
	l := &f.loading
	for _, ending := range endings {
		t, ok := f.Tensor(stem + ending)
		if !ok {
			continue
		}
		l.used[t.Name] = true
		if err := f.check(t, shape); err != nil {
			f.keep(err)
			return quant.Tensor{}, false
		}
		t.Shape = slices.Clone(shape) // a matrix of one row may be there as a vector
		parts := l.fields[len(l.fields)-1].parts
		parts[endings[0]] = append(parts[endings[0]], t)
		return t, true
	}
	if required {
		l.missing = append(l.missing, stem+endings[0])
	}
	return quant.Tensor{}, false
}

// keep keeps the first error about a tensor.
func (f *File) keep(err error) {
	if f.loading.err == nil {
		f.loading.err = err
	}
}

func (f *File) check(t quant.Tensor, shape []int) error {
	have := t.Shape
	if f.IsGGUF() && len(have) == 1 && len(shape) == 2 && shape[0] == 1 {
		have = []int{1, have[0]} // llama.cpp stores a matrix of one row as a vector
	}
	if !slices.Equal(have, shape) {
		return f.badTensor(t, fmt.Sprintf("shape %v", t.Shape), fmt.Sprintf("shape %v, as the configuration says", shape))
	}
	if !t.Type.CanDequantize() {
		return &fault.UnsupportedError{Path: f.Path, What: fmt.Sprintf("tensor %s of type %v", t.Name, t.Type),
			Hint: "weights are floats or GGML blocks"}
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

// vector is a tensor as float32 numbers, nil if there is none.
func (f *File) vector(stem string, endings []string, shape []int, required bool) []float32 {
	t, ok := f.tensor(stem, endings, shape, required)
	if !ok {
		return nil
	}
	v := make([]float32, t.Len())
	if err := dequantize(v, t, t.Data); err != nil {
		f.keep(err)
		return nil
	}
	if i := notFinite(v); i >= 0 {
		f.keep(f.infinite(t, 0, i, v[i]))
	}
	return v
}

// linear loads a linear layer, but for its weights, which are packed later.
func (f *File) linear(dst *compute.Linear, names []string, shape []int, tag reflect.StructTag) {
	p := linearWork{dst: dst, out: shape[0] * len(names), in: 1}
	for _, n := range shape[1:] { // a convolution has inputs by taps
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
			f.keep(fmt.Errorf("%s: tensor %s: %d rows are not %d heads of an even width", f.Path, names[0], shape[0], heads))
			heads = 0
		}
	}
	var order []int // of the rows; nil: as they are
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
			p.parts = append(p.parts, t)
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
		// Some of the stacked layers have one: what the others lack is 0.
		f.keep(&fault.FormatError{Path: f.Path, Field: "tensor " + names[0] + ".bias", Offset: -1,
			Found: fmt.Sprintf("%d biases in all", len(biases)), Want: strconv.Itoa(p.out)})
	}
	f.packing.work = append(f.packing.work, p)
}
