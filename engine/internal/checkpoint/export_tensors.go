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

// Drop omits a tensor, by its name in the GGUF file.
func (e *Export) Drop(name string) { e.dropped[name] = true }

// Cut omits leading rows of a tensor.
func (e *Export) Cut(name string, rows int) { e.cut[name] = rows }

// Scale multiplies all tensors whose names end in name: "attn_q.weight" means that of
// every layer.
func (e *Export) Scale(name string, factor float32) { e.scales[name] = factor }

// Add adds a float32 tensor, replacing the folder's tensor of that name, if any.
func (e *Export) Add(name string, shape []int, x []float32) {
	e.Drop(name)
	e.source(name, quant.F32, shape, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, x) })
}

// source adds a tensor whose contents data writes.
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

// Tensors adds the tensors that Load has found: one by one where both formats have the
// same number for a field, otherwise split evenly or concatenated.
func (e *Export) Tensors() {
	for _, field := range e.file.loading.fields {
		for _, suffix := range []string{"", ".weight", ".bias"} {
			tensors := field.tensors[suffix]
			if len(tensors) == 0 || field.gguf == nil {
				continue
			}
			targets, rows := field.gguf[0], 0
			if i := slices.IndexFunc(field.gguf, func(names []string) bool { return len(names) == len(tensors) }); i >= 0 {
				targets = field.gguf[i]
			}
			for _, p := range tensors {
				rows += rowsOf(p.Shape)
			}
			each := rows / len(targets)
			for i, target := range targets {
				if name := target + suffix; !e.dropped[name] {
					e.rows(name, tensors, i*each+e.cut[name], (i+1)*each, field.change)
				}
			}
			field.change.add = 0 // not for biases
		}
	}
}

func rowsOf(shape []int) int {
	if len(shape) == 0 {
		return 1
	}
	return shape[0]
}

// A change maps values x and their rows to scale·(x + add), with the two halves of each
// of that many heads interleaved (0: not).
type change struct {
	scale, add float32
	heads      int
}

// A rowRange is rows from to to-1 of a tensor.
type rowRange struct {
	quant.Tensor
	from, to int
}

// rows adds a tensor of rows from to to-1 of the concatenated tensors.
func (e *Export) rows(name string, tensors []quant.Tensor, from, to int, c change) {
	c.scale = 1
	for suffix, factor := range e.scales {
		if strings.HasSuffix(name, suffix) {
			c.scale *= factor
		}
	}
	var ranges []rowRange
	at := 0
	for _, p := range tensors {
		n := rowsOf(p.Shape)
		if a, b := max(from-at, 0), min(to-at, n); a < b {
			ranges = append(ranges, rowRange{p, a, b})
			if c.heads > 0 && (b-a < n || n%(2*c.heads) != 0) {
				e.fail(fmt.Errorf("%s: tensor %s: %d rows starting at %d, which is not divisible into %d heads", e.file.Path, p.Name, b-a, a, c.heads))
				return
			}
		}
		at += n
	}
	if len(ranges) == 0 {
		e.fail(fmt.Errorf("%s: nothing is left of %s", e.file.Path, name))
		return
	}
	shape := append([]int{to - from}, tensors[0].Shape[min(1, len(tensors[0].Shape)):]...)
	t := quant.F32
	if len(shape) == 2 && !exactName(name) {
		t = e.fit(shape[1])
	}
	e.write(name, t, shape, ranges, c)
}

// write adds a tensor of row ranges.
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
