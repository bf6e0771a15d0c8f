package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// Drop leaves a tensor out, by its name in the GGUF file.
func (e *Export) Drop(name string) { e.dropped[name] = true }

// Cut leaves rows at the beginning of a tensor out.
func (e *Export) Cut(name string, rows int) { e.cut[name] = rows }

// Scale multiplies all tensors whose names end in name: "attn_q.weight" stands for that
// of every layer.
func (e *Export) Scale(name string, factor float32) { e.scales[name] = factor }

// Add adds a tensor of float32 numbers that the folder does not have as such. One of
// that name in the folder is left out.
func (e *Export) Add(name string, shape []int, x []float32) {
	e.Drop(name)
	e.source(name, quant.F32, shape, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, x) })
}

// source adds a tensor whose numbers data writes.
func (e *Export) source(name string, t quant.Type, shape []int, data func(w io.Writer) error) {
	e.result.Types[t.String()]++
	e.tensors = append(e.tensors, gguf.Source{Name: name, Type: t, Shape: shape, Data: func(w io.Writer) error {
		err := data(w)
		if e.result.Tensors++; e.progress != nil {
			e.progress(e.result.Tensors, len(e.tensors))
		}
		return err
	}})
}

// Tensors adds the tensors that Load has found: one by one where both formats have as
// many for a field, else in even parts or end to end.
func (e *Export) Tensors() {
	for _, field := range e.file.loading.fields {
		for _, ending := range []string{"", ".weight", ".bias"} {
			parts := field.parts[ending]
			if len(parts) == 0 || field.gguf == nil {
				continue
			}
			targets, rows := field.gguf[0], 0
			if i := slices.IndexFunc(field.gguf, func(names []string) bool { return len(names) == len(parts) }); i >= 0 {
				targets = field.gguf[i]
			}
			for _, p := range parts {
				rows += rowsOf(p.Shape)
			}
			each := rows / len(targets)
			for i, target := range targets {
				if name := target + ending; !e.dropped[name] {
					e.rows(name, parts, i*each+e.cut[name], (i+1)*each, field.change)
				}
			}
			field.change.add = 0 // what biases do not lack
		}
	}
}

func rowsOf(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[0]
}

// A change is how numbers x and their rows change: to scale·(x + add), the two halves of
// each of so many heads interleaved (0: not).
type change struct {
	scale, add float32
	heads      int
}

// A rowRange is rows from to to-1 of a tensor.
type rowRange struct {
	quant.Tensor
	from, to int
}

// rows adds a tensor of rows from to to-1 of parts put end to end.
func (e *Export) rows(name string, parts []quant.Tensor, from, to int, c change) {
	c.scale = 1
	for ending, factor := range e.scales {
		if strings.HasSuffix(name, ending) {
			c.scale *= factor
		}
	}
	var ranges []rowRange
	at := 0
	for _, p := range parts {
		n := rowsOf(p.Shape)
		if a, b := max(from-at, 0), min(to-at, n); a < b {
			ranges = append(ranges, rowRange{p, a, b})
			if c.heads > 0 && (b-a < n || n%(2*c.heads) != 0) {
				e.fail(fmt.Errorf("%s: tensor %s: %d rows from %d on, which are not %d heads", e.file.Path, p.Name, b-a, a, c.heads))
				return
			}
		}
		at += n
	}
	if len(ranges) == 0 {
		e.fail(fmt.Errorf("%s: nothing is left of %s", e.file.Path, name))
		return
	}
	shape := append([]int{to - from}, parts[0].Shape[min(1, len(parts[0].Shape)):]...)
	t := quant.F32
	if len(shape) == 2 && !exactName(name) {
		t = e.fit(shape[1])
	}
	e.write(name, t, shape, ranges, c)
}

// write adds a tensor of ranges of rows.
func (e *Export) write(name string, t quant.Type, shape []int, ranges []rowRange, c change) {
	same := c.scale == 1 && c.add == 0 && !slices.ContainsFunc(ranges, func(r rowRange) bool { return r.Type != t })
	e.source(name, t, shape, func(w io.Writer) error {
		for _, r := range ranges {
			width := r.Len() / rowsOf(r.Shape)
			if c.heads > 0 {
				r.Tensor = reorder(r.Tensor, width, interleaved(rowsOf(r.Shape), c.heads))
			}
			r.Data = r.Data[r.Type.Bytes(r.from*width):r.Type.Bytes(r.to*width)]
			if same {
				if _, err := w.Write(r.Data); err != nil {
					return err
				}
				continue
			}
			if err := requantize(w, t, r, width, c); err != nil {
				return fmt.Errorf("tensor %s: %w", name, err)
			}
			e.file.source.Release(r.Name)
		}
		return nil
	})
}
