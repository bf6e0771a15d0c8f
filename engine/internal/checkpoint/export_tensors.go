package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// exactName says whether a matrix of a GGUF file keeps its type.
func exactName(name string) bool {
	switch name {
	case "position_embd", "token_types", "token_embd_proj", "cls", "cls.output", "rel_embd":
		return true
	}
	return strings.Contains(name, "norm") || strings.HasSuffix(name, "attn_rel_b") || strings.HasPrefix(name, "dense_") || strings.HasPrefix(name, "projector.")
}

// Drop leaves a tensor out, by its name in the GGUF file.
func (e *Export) Drop(name string) { e.dropped[name] = true }

// Cut leaves so many rows at the beginning of a tensor out.
func (e *Export) Cut(name string, rows int) { e.cut[name] = rows }

// Scale multiplies all tensors whose names end in name: "attn_q.weight" is that
// of every layer.
func (e *Export) Scale(name string, factor float32) { e.scales = append(e.scales, scale{name, factor}) }

// Add adds a tensor of numbers that are not those of a tensor of the file. One of
// that name is left out.
func (e *Export) Add(name string, shape []int, x []float32) {
	e.Drop(name)
	e.result.Types[quant.F32.String()]++
	e.tensors = append(e.tensors, gguf.Source{Name: name, Type: quant.F32, Shape: shape, Data: func(w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, x)
	}})
}

// Numbers are those of a tensor of the file, by its name there.
func (e *Export) Numbers(name string) []float32 {
	t, ok := e.file.Tensor(name)
	if !ok {
		e.fail(fmt.Errorf("%s: there is no tensor %s", e.file.Path, name))
		return nil
	}
	x := make([]float32, t.Len())
	if err := dequantize(x, t, t.Data); err != nil {
		e.fail(err)
	}
	return x
}

// Tensors adds the tensors of structs that File.Load has filled.
func (e *Export) Tensors(parts ...any) {
	for _, part := range parts {
		e.structure(reflect.ValueOf(part).Elem(), "", "")
	}
}

// structure adds the tensors of a struct, by its tags. hf and stem are what the
// names in each format begin with.
func (e *Export) structure(v reflect.Value, hf, stem string) {
	f := e.file
	for i := range v.NumField() {
		field, tag := v.Field(i), v.Type().Field(i).Tag
		if tag.Get("each") != "" {
			spelling := f.chooseStem(tag.Get("hf"), tag)
			first, _, _ := strings.Cut(tag.Get("gguf"), ",")
			for j := range field.Len() {
				e.structure(field.Index(j), hf+numbered(spelling, tag, j), stem+numbered(first, tag, j))
			}
			continue
		}
		if field.Kind() == reflect.Struct && v.Type().Field(i).Anonymous {
			e.structure(field, hf, stem)
			continue
		}
		if tag.Get("hf") == "" || tag.Get("gguf") == "" || tag.Get("again") == "true" || field.Kind() == reflect.Pointer && field.IsNil() {
			continue
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		if _, ok := field.Addr().Interface().(*[]float32); ok {
			if t, ok := f.Tensor(hf + tag.Get("hf")); ok && f.wanted(tag) {
				e.rows(stem+tag.Get("gguf"), quant.F32, []quant.Tensor{t}, 0, rowsOf(t.Shape), rowRange{scale: 1})
			}
			continue
		}
		names, _ := f.choose(tag.Get("hf"), hf)
		var alternatives [][]string
		for spelling := range strings.SplitSeq(tag.Get("gguf"), ",") {
			alternatives = append(alternatives, qualified(spelling, stem))
		}
		if tag.Get("apart") == "true" {
			alternatives = alternatives[:1]
		}
		weights, r := e.to, rowRange{scale: 1}
		switch field.Addr().Interface().(type) {
		case *compute.Linear:
			if tag.Get("keep") == "exact" {
				weights = quant.F32
			}
			if dim := tag.Get("interleave"); dim != "" {
				r.heads = f.dimension(dim)
			}
		case *compute.Embedding:
			if exactName(alternatives[0][0]) {
				weights = quant.F32
			}
		case *compute.Norm:
			weights = quant.F32
			if plus := tag.Get("plus"); plus != "" {
				r.add = float32(f.dimension(plus))
			}
		}
		e.field(names, alternatives, []string{".weight", ".gamma"}, ".weight", weights, r)
		r.add = 0
		e.field(names, alternatives, []string{".bias", ".beta"}, ".bias", quant.F32, r)
	}
}

// field adds the tensors of a field's weights or biases: one for one where the
// formats have as many, else in even parts or end to end.
func (e *Export) field(names []string, alternatives [][]string, endings []string, ending string, t quant.Type, r rowRange) {
	var parts []quant.Tensor
	for _, name := range names {
		for _, end := range endings {
			if part, ok := e.file.Tensor(name + end); ok {
				parts = append(parts, part)
				break
			}
		}
	}
	if len(parts) != len(names) {
		return // it has none
	}
	targets := alternatives[0]
	for _, a := range alternatives {
		if len(a) == len(parts) {
			targets = a
			break
		}
	}
	all := 0
	for _, p := range parts {
		all += rowsOf(p.Shape)
	}
	each := all / len(targets)
	for i, target := range targets {
		if !e.dropped[target+ending] {
			e.rows(target+ending, t, parts, i*each, (i+1)*each, r)
		}
	}
}

func rowsOf(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[0]
}

// A rowRange is rows of a tensor, of numbers for a vector, and how they change.
type rowRange struct {
	quant.Tensor
	from, to   int
	scale, add float32 // of each number x: scale·(x + add)
	heads      int     // whose halves are to be interleaved; 0: none
}

// plain says whether the numbers stay as they are.
func (r *rowRange) plain() bool { return r.scale == 1 && r.add == 0 }

// rows adds rows from to to-1 of the parts put end to end, changed as r says.
func (e *Export) rows(name string, t quant.Type, parts []quant.Tensor, from, to int, r rowRange) {
	for _, s := range e.scales {
		if strings.HasSuffix(name, s.name) {
			r.scale *= s.factor
		}
	}
	from += e.cut[name]
	var ranges []rowRange
	at := 0
	for _, p := range parts {
		n := rowsOf(p.Shape)
		if a, b := max(from-at, 0), min(to-at, n); a < b {
			r.Tensor, r.from, r.to = p, a, b
			ranges = append(ranges, r)
			if whole := a == 0 && b == n; r.heads > 0 && (!whole || n%(2*r.heads) != 0) {
				e.fail(fmt.Errorf("%s: tensor %s: %d rows from %d on, which are not %d heads", e.file.Path, p.Name, b-a, a, r.heads))
				return
			}
		}
		at += n
	}
	if len(ranges) == 0 {
		e.fail(fmt.Errorf("%s: nothing is left of %s", e.file.Path, name))
		return
	}
	shape := slices.Clone(parts[0].Shape)
	if len(shape) == 0 {
		shape = []int{1}
	}
	shape[0] = to - from
	if len(shape) != 2 {
		t = quant.F32
	} else {
		t = e.fit(t, shape[1])
	}
	e.write(name, t, shape, ranges)
}

// fit is the type itself, or the next one whose blocks a row of n numbers fills.
func (e *Export) fit(t quant.Type, n int) quant.Type {
	if n%t.BlockSize() == 0 {
		return t
	}
	e.result.Fallback++
	small := map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0}
	if s, ok := small[t]; ok && n%s.BlockSize() == 0 {
		return s
	}
	return quant.F16
}

// interleaved is where each row of heads goes whose halves are interleaved.
func interleaved(rows, heads int) []int {
	order := make([]int, rows)
	for row, at := range deinterleaved(rows, heads) {
		order[at] = row
	}
	return order
}

// write adds a tensor of ranges of rows.
func (e *Export) write(name string, t quant.Type, shape []int, ranges []rowRange) {
	e.result.Types[t.String()]++
	same := len(ranges) > 0
	for _, r := range ranges {
		same = same && r.Type == t && r.plain()
	}
	e.tensors = append(e.tensors, gguf.Source{Name: name, Type: t, Shape: shape, Data: func(w io.Writer) error {
		for _, r := range ranges {
			rows := rowsOf(r.Shape)
			width := r.Len() / rows
			bytes := r.Type.Bytes(width)
			if r.heads > 0 {
				r.Tensor = reorder(r.Tensor, width, interleaved(rows, r.heads))
			}
			data := r.Data[r.from*bytes : r.to*bytes]
			if same {
				if _, err := w.Write(data); err != nil {
					return err
				}
				continue
			}
			if err := requantize(w, t, r, width, data); err != nil {
				return fmt.Errorf("tensor %s: %w", name, err)
			}
			e.file.source.Release(r.Name)
		}
		return nil
	}})
}
