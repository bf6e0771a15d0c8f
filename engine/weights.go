package engine

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// A source is an open model file: safetensors or GGUF.
type source interface {
	Names() []string
	Tensor(name string) (quant.Tensor, bool)
	// Release tells the system that a tensor will not be read soon.
	Release(name string)
	Close() error
}

// A loader fills a family's struct with the tensors of a file. The struct says
// by its tags which tensors it wants:
//
//	st, gguf   the tensor's name in each format, without ".weight". Several names
//	           separated by blanks are stacked, output upon output; alternatives,
//	           of which one may have the tensors stacked already, are separated by
//	           commas. A field without the tag of the file's format is left empty.
//	shape      the shape that the configuration promises, in names of loader.dims
//	           (or numbers). Of stacked tensors it is each one's.
//	keep       "exact": the matrix is not rounded to 8 bits, whatever the
//	           precision.
//	bias       "none" or "optional"; a Linear and a Norm have one otherwise.
//	optional   "true": a pointer field that stays nil where the file has none.
//	if         a name in loader.dims: a pointer field that stays nil where that is 0.
//	each       on a slice of structs: the name in loader.dims of its length; %d in
//	           the slice's st and gguf tags, which begin its tensors' names, is
//	           the index. Elements may have dimensions of their own, see dimensioned.
//
// A name of one dot is that which the slice's tag begins.
//
// Load reads no weights: it checks the names and shapes of all tensors, so that
// one error lists everything that is missing or left over. Pack does the rest.
type loader struct {
	source source
	path   string // of the file, for errors
	gguf   bool
	prefix string // that the names of a safetensors file may or may not have
	ignore func(name string) bool
	dims   map[string]int
	eps    float32 // of all norms
	packAs packFormat
	floats packFormat // of matrices that the file has as floats, where others are packed in 8 bits
	narrow int        // matrices of fewer inputs or outputs are not rounded to 8 bits

	used    map[string]bool
	missing []string
	err     error // the first tensor of wrong shape or type
	work    []packing
	tables  int64 // bytes of the tables that stay in the file
}

// A dimensioned element of a slice puts its own dimensions among the others before
// its tensors are loaded.
type dimensioned interface{ dimensions(dims map[string]int) }

// A packing is a Linear that is still to be packed.
type packing struct {
	dst     *Linear
	parts   []quant.Tensor // stacked
	out, in int
	format  packFormat
	err     error
}

// load fills *dst, a struct; family names it in errors.
func (l *loader) load(dst any, family string) error {
	l.used = make(map[string]bool)
	l.structure(reflect.ValueOf(dst).Elem(), "")
	var unused []string
	for _, name := range l.source.Names() {
		if !l.used[name] && (l.ignore == nil || !l.ignore(name)) {
			unused = append(unused, name)
		}
	}
	if l.missing == nil && unused == nil {
		return l.err
	}
	var found []string
	if n := len(l.missing); n > 0 {
		found = append(found, fmt.Sprintf("%d missing (%s)", n, strings.Join(l.missing, ", ")))
	}
	if n := len(unused); n > 0 {
		slices.Sort(unused)
		found = append(found, fmt.Sprintf("%d that the model has no place for (%s)", n, strings.Join(unused, ", ")))
	}
	return &fault.FormatError{Path: l.path, Field: "tensors", Offset: -1,
		Found: strings.Join(found, " and "), Want: "the tensors of " + family}
}

func (l *loader) structure(v reflect.Value, prefix string) {
	t := v.Type()
	for i := range t.NumField() {
		f, tag := v.Field(i), t.Field(i).Tag
		spelling := tag.Get("st")
		if l.gguf {
			spelling = tag.Get("gguf")
		}
		if each := tag.Get("each"); each != "" {
			n := l.dims[each]
			spelling = l.chooseStem(spelling)
			if f.Len() != n {
				f.Set(reflect.MakeSlice(f.Type(), n, n))
			}
			for j := range n {
				if d, ok := f.Index(j).Addr().Interface().(dimensioned); ok {
					d.dimensions(l.dims)
				}
				l.structure(f.Index(j), prefix+strings.Replace(spelling, "%d", strconv.Itoa(j), 1))
			}
			continue
		}
		if f.Kind() == reflect.Struct && t.Field(i).Anonymous {
			l.structure(f, prefix)
			continue
		}
		if spelling == "" {
			continue
		}
		names, stacked := l.choose(spelling, prefix)
		if f.Kind() == reflect.Pointer {
			if tag.Get("optional") == "true" && !l.has(names[0]+".weight") {
				continue
			}
			if when := tag.Get("if"); when != "" && l.dims[when] == 0 {
				continue
			}
			f.Set(reflect.New(f.Type().Elem()))
			f = f.Elem()
		}
		shape := l.shape(tag.Get("shape"))
		switch dst := f.Addr().Interface().(type) {
		case *Linear:
			shape[0] *= stacked
			format := l.packAs
			switch {
			case tag.Get("keep") == "exact":
				format = format.exact()
			case format == packInt8 && min(shape[0]*len(names), shape[1]) < l.narrow:
				format = packNarrow
			}
			l.linear(dst, names, shape, tag.Get("bias"), format)
		case *Norm:
			dst.Eps = l.eps
			dst.Weight = l.vector(names[0], []string{".weight", ".gamma"}, shape, true)
			dst.Bias = l.vector(names[0], []string{".bias", ".beta"}, shape, tag.Get("bias") == "")
		case *Table:
			l.table(dst, names[0]+".weight", shape)
		default:
			panic(fmt.Sprintf("engine: field %s has a tensor tag but is a %v", t.Field(i).Name, f.Type()))
		}
	}
}

// choose is the alternative of a tag that the file has, or the first one, and
// how many of the first one's tensors each of its tensors stands for.
func (l *loader) choose(spelling, prefix string) (names []string, stacked int) {
	first, alternatives, _ := strings.Cut(spelling, ",")
	wanted := qualified(first, prefix)
	if l.has(wanted[0] + ".weight") {
		return wanted, 1
	}
	for alternative := range strings.SplitSeq(alternatives, ",") {
		if names := qualified(alternative, prefix); len(names) > 0 && l.has(names[0]+".weight") {
			return names, len(wanted) / len(names)
		}
	}
	return wanted, 1
}

// qualified are the names in a tag, each behind the prefix.
func qualified(tag, prefix string) []string {
	names := strings.Fields(tag)
	for i := range names {
		names[i] = strings.TrimSuffix(prefix+names[i], ".")
	}
	return names
}

// chooseStem is the alternative of a slice's tag that names in the file begin
// with, or the first one.
func (l *loader) chooseStem(spelling string) string {
	first, alternatives, _ := strings.Cut(spelling, ",")
	for alternative := range strings.SplitSeq(alternatives, ",") {
		stem := strings.Replace(alternative, "%d", "0", 1)
		if stem != "" && slices.ContainsFunc(l.source.Names(), func(name string) bool {
			return strings.HasPrefix(strings.TrimPrefix(name, l.prefix), stem)
		}) {
			return alternative
		}
	}
	return first
}

// find is the tensor of that name, with or without the prefix.
func (l *loader) find(name string) (quant.Tensor, bool) {
	if l.prefix != "" {
		if t, ok := l.source.Tensor(l.prefix + name); ok {
			return t, true
		}
	}
	return l.source.Tensor(name)
}

func (l *loader) has(name string) bool {
	_, ok := l.find(name)
	return ok
}

// shape turns the tag's names into numbers.
func (l *loader) shape(tag string) []int {
	var shape []int
	for name := range strings.FieldsSeq(tag) {
		n, ok := l.dims[name]
		if !ok {
			var err error
			if n, err = strconv.Atoi(name); err != nil {
				panic("engine: a tensor tag has the unknown dimension " + name)
			}
		}
		shape = append(shape, n)
	}
	return shape
}

// tensor is the first of the names that the file has, checked. required says
// whether it is missed where there is none.
func (l *loader) tensor(stem string, endings []string, shape []int, required bool) (quant.Tensor, bool) {
	for _, ending := range endings {
		t, ok := l.find(stem + ending)
		if !ok {
			continue
		}
		l.used[t.Name] = true
		if err := l.check(t, shape); err != nil {
			if l.err == nil {
				l.err = err
			}
			return quant.Tensor{}, false
		}
		return t, true
	}
	if required {
		l.missing = append(l.missing, stem+endings[0])
	}
	return quant.Tensor{}, false
}

func (l *loader) check(t quant.Tensor, shape []int) error {
	have := t.Shape
	if l.gguf && len(have) == 1 && len(shape) == 2 && shape[0] == 1 {
		have = []int{1, have[0]} // llama.cpp stores a matrix of one row as a vector
	}
	if !slices.Equal(have, shape) {
		return &fault.FormatError{Path: l.path, Field: "tensor " + t.Name, Offset: -1,
			Found: fmt.Sprintf("shape %v", t.Shape), Want: fmt.Sprintf("shape %v, as the configuration says", shape)}
	}
	if !t.Type.CanDequantize() {
		return &fault.UnsupportedError{Path: l.path, What: fmt.Sprintf("tensor %s of type %v", t.Name, t.Type),
			Hint: "weights are floats or GGML blocks"}
	}
	if row := shape[len(shape)-1]; row%t.Type.BlockSize() != 0 {
		return &fault.FormatError{Path: l.path, Field: "tensor " + t.Name, Offset: -1,
			Found: fmt.Sprintf("rows of %d numbers in type %v", row, t.Type),
			Want:  fmt.Sprintf("a multiple of %d", t.Type.BlockSize())}
	}
	return nil
}

// vector is a tensor as float32 numbers, nil if there is none.
func (l *loader) vector(stem string, endings []string, shape []int, required bool) []float32 {
	t, ok := l.tensor(stem, endings, shape, required)
	if !ok {
		return nil
	}
	v := make([]float32, t.Len())
	if err := dequantize(v, t, t.Data); err != nil {
		l.fail(err)
		return nil
	}
	if i := notFinite(v); i >= 0 {
		l.fail(l.infinite(t, 0, i, v[i]))
	}
	return v
}

func (l *loader) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

func (l *loader) infinite(t quant.Tensor, row, column int, v float32) error {
	return &fault.FormatError{Path: l.path, Field: "tensor " + t.Name, Offset: -1,
		Found: fmt.Sprintf("%v in row %d, column %d", v, row, column), Want: "finite numbers"}
}

func (l *loader) table(dst *Table, name string, shape []int) {
	t, ok := l.tensor(strings.TrimSuffix(name, ".weight"), []string{".weight"}, shape, true)
	if ok {
		*dst = Table{Rows: shape[0], Cols: shape[1], tensor: t, rowBytes: t.Type.Bytes(shape[1])}
		l.tables += int64(len(t.Data))
	}
}

func (l *loader) linear(dst *Linear, names []string, shape []int, bias string, format packFormat) {
	p := packing{dst: dst, out: shape[0] * len(names), in: 1, format: format}
	for _, n := range shape[1:] { // a convolution has inputs by taps
		p.in *= n
	}
	var biases []float32
	for _, name := range names {
		if t, ok := l.tensor(name, []string{".weight"}, shape, true); ok {
			p.parts = append(p.parts, t)
		}
		if bias != "none" {
			biases = append(biases, l.vector(name, []string{".bias"}, shape[:1], bias != "optional")...)
		}
	}
	if len(biases) == p.out {
		dst.Bias = biases
	} else if len(biases) > 0 && l.missing == nil {
		// Some of the stacked layers have one: what the others lack is 0.
		l.fail(&fault.FormatError{Path: l.path, Field: "tensor " + names[0] + ".bias", Offset: -1,
			Found: fmt.Sprintf("%d biases in all", len(biases)), Want: strconv.Itoa(p.out)})
	}
	l.work = append(l.work, p)
}

func dequantize(dst []float32, t quant.Tensor, src []byte) error {
	if err := quant.Dequantize(dst, t.Type, src); err != nil {
		return fmt.Errorf("tensor %s: %w", t.Name, err)
	}
	return nil
}

// infinity is the bits of +Inf; NaNs have more.
const infinity = 0x7f800000

// largest is the bits of the largest absolute value: they order as the numbers
// do, and a NaN is above all.
func largest(v []float32) uint32 {
	most := uint32(0)
	for _, x := range v {
		most = max(most, math.Float32bits(x)&^(1<<31))
	}
	return most
}

// notFinite is the index of the first NaN or infinity, or -1.
func notFinite(v []float32) int {
	if largest(v) < infinity {
		return -1
	}
	return slices.IndexFunc(v, func(x float32) bool { return math.Float32bits(x)&infinity == infinity })
}

// pack packs all Linears, the largest first, on the workers of p, and releases
// the file's pages behind itself. It gives the packed size.
func (l *loader) pack(p *pool) (bytes int64, err error) {
	slices.SortStableFunc(l.work, func(a, b packing) int { return cmp.Compare(b.out*b.in, a.out*a.in) })
	p.run(new(job), l, len(l.work))
	for i := range l.work {
		w := &l.work[i]
		if w.err != nil {
			return 0, w.err
		}
		bytes += int64(w.dst.weights.Bytes())
	}
	l.work = nil
	return bytes, nil
}

// tile packs one Linear.
func (l *loader) tile(i, _ int) {
	w := &l.work[i]
	defer func() {
		for _, t := range w.parts {
			l.source.Release(t.Name)
		}
	}()
	if (w.format == packInt8 || w.format == packNarrow) && w.blocks() {
		if w.err = l.packBlocks(w); w.dst.weights != nil || w.err != nil {
			return
		}
	}
	if w.format == packInt8 && w.floats() {
		w.format = l.floats
	}
	perPart := w.out / len(w.parts)
	most := uint32(0)
	row := func(i int, dst []float32) {
		t := w.parts[i/perPart]
		i %= perPart
		bytes := t.Type.Bytes(w.in)
		err := dequantize(dst, t, t.Data[i*bytes:(i+1)*bytes])
		m := largest(dst)
		if err == nil && m >= infinity {
			j := notFinite(dst)
			err = l.infinite(t, i, j, dst[j])
		}
		if err != nil && w.err == nil {
			w.err = err
		}
		most = max(most, m)
	}
	w.dst.weights = w.format.pack(w.out, w.in, row)
	if w.format == packF16 && most > math.Float32bits(maxF16) {
		w.dst.weights = kernels.PackF32(w.out, w.in, row)
	}
}

// blocks says whether the tensors are all of types that are multiplied as they
// are in the file.
func (w *packing) blocks() bool {
	return !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return !kernels.CanPackBlocks(t.Type) })
}

// floats says whether the tensors are all of floats.
func (w *packing) floats() bool {
	return !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return t.Type.BlockSize() > 1 })
}

// packBlocks packs tensors in blocks as they are. It packs nothing where their
// blocks are better, or only, multiplied otherwise.
func (l *loader) packBlocks(w *packing) error {
	for _, t := range w.parts {
		if err := l.finiteScales(t, w.in); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(w.parts, func(t quant.Tensor) bool { return !evenRows(t, w.in) }) {
		return nil
	}
	var parts []kernels.Weights
	outputs := w.out / len(w.parts)
	for i := 0; i < len(w.parts); {
		t := w.parts[i]
		data := t.Data
		n := 1
		for ; i+n < len(w.parts) && w.parts[i+n].Type == t.Type; n++ {
			data = append(data[:len(data):len(data)], w.parts[i+n].Data...)
		}
		parts = append(parts, kernels.PackBlocks(t.Type, n*outputs, w.in, data))
		i += n
	}
	if len(parts) == 1 {
		w.dst.weights = parts[0]
	} else if stack := kernels.Stack(parts...); stack != nil {
		w.dst.weights = stack
	}
	return nil
}

// evenRows says whether t is of Q8_0 and the blocks of each row have one scale, as
// in files of models that were made with a scale for each output. Their rows need
// no blocks.
func evenRows(t quant.Tensor, in int) bool {
	if t.Type != quant.Q8_0 {
		return false
	}
	size, row := t.Type.BlockBytes(), t.Type.Bytes(in)
	for b := 0; b < len(t.Data); b += size {
		first := b / row * row
		if t.Data[b] != t.Data[first] || t.Data[b+1] != t.Data[first+1] {
			return false
		}
	}
	return true
}

// halves are where the float16 numbers of a block are.
func halves(t quant.Type) []int {
	switch t {
	case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
		return []int{0, 2}
	case quant.Q6_K:
		return []int{208}
	}
	return []int{0}
}

// finiteScales checks the scales of blocks.
func (l *loader) finiteScales(t quant.Tensor, in int) error {
	const infinite = 0x7c00 // the exponent of an infinite float16
	size, numbers := t.Type.BlockBytes(), t.Type.BlockSize()
	for _, at := range halves(t.Type) {
		for b := at; b < len(t.Data); b += size {
			if binary.LittleEndian.Uint16(t.Data[b:])&infinite == infinite {
				n := b / size * numbers
				return l.infinite(t, n/in, n%in, float32(math.NaN()))
			}
		}
	}
	return nil
}
