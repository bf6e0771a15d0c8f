package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// fileTypes are llama.cpp's numbers for the type of most of a file's matrices.
var fileTypes = map[quant.Type]uint32{
	quant.F32: 0, quant.F16: 1, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q8_0: 7, quant.Q5_0: 8, quant.Q5_1: 9,
	quant.Q4_K: 14, quant.Q5_K: 16, quant.Q6_K: 18, quant.BF16: 32,
}

// ExportTypes returns the names of the types that an Export writes.
func ExportTypes() []string {
	var names []string
	for _, t := range slices.Sorted(maps.Keys(fileTypes)) {
		names = append(names, strings.ToLower(t.String()))
	}
	return names
}

// Retype begins a copy of a GGUF file with matrices of type to: metadata and the types
// of all other tensors stay.
func Retype(f *File, to quant.Type) (*Export, error) {
	e, err := NewExport(f, to, f.Architecture)
	if err != nil {
		return nil, err
	}
	e.metadata = nil
	for _, kv := range f.Metadata.Metadata() {
		if kv.Key == "general.alignment" || strings.HasPrefix(kv.Key, "split.") {
			continue
		}
		if kv.Key == "general.file_type" {
			kv.Value = fileTypes[to]
		}
		e.metadata = append(e.metadata, kv)
	}
	for _, name := range f.source.Names() {
		t, _ := f.source.Tensor(name)
		own := t.Type
		if len(t.Shape) == 2 && strings.HasSuffix(name, ".weight") && !exactName(name) {
			own = e.fit(t.Shape[1])
		}
		e.write(name, own, t.Shape, []rowRange{{t, 0, rowsOf(t.Shape)}}, change{scale: 1})
	}
	return e, nil
}

// exactName reports whether a matrix of a GGUF file is not rounded.
func exactName(name string) bool {
	name = strings.TrimSuffix(name, ".weight")
	switch name {
	case "position_embd", "token_types", "token_embd_proj", "cls", "cls.output", "rel_embd":
		return true
	}
	return strings.Contains(name, "norm") || strings.HasSuffix(name, "attn_rel_b") || strings.HasPrefix(name, "dense_") || strings.HasPrefix(name, "projector.")
}

// fit is the type of the matrices, or the next one whose blocks fit rows of n numbers.
func (e *Export) fit(n int) quant.Type {
	if n%e.to.BlockSize() == 0 {
		return e.to
	}
	e.result.Fallback++
	small := map[quant.Type]quant.Type{quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0}
	if s, ok := small[e.to]; ok && n%s.BlockSize() == 0 {
		return s
	}
	return quant.F16
}

// interleaved is the inverse of deinterleaved.
func interleaved(rows, heads int) []int {
	order := make([]int, rows)
	for row, at := range deinterleaved(rows, heads) {
		order[at] = row
	}
	return order
}

// requantize writes rows of width numbers in type t, with the change c applied.
func requantize(w io.Writer, t quant.Type, r rowRange, width int, c change) error {
	const numbers = 1 << 18 // per worker and write
	rows := len(r.Data) / r.Type.Bytes(width)
	if len(r.Shape) == 1 { // a vector is one row
		rows, width = 1, rows*width
	}
	in, out := r.Type.Bytes(width), t.Bytes(width)
	step, err := stepOf(t, r, c)
	if err != nil {
		return err
	}
	row := func(i int, dst []byte, x []float32) error {
		if err := quant.Dequantize(x, r.Type, r.Data[i*in:(i+1)*in]); err != nil {
			return err
		}
		if c.scale != 1 || c.add != 0 {
			for j := range x {
				x[j] = (x[j] + c.add) * c.scale
			}
		}
		if j := notFinite(x); j >= 0 {
			return fmt.Errorf("%v in row %d, column %d: expected finite numbers", x[j], r.from+i, j)
		}
		return quantizeRow(dst, t, x, step)
	}
	workers, group := runtime.GOMAXPROCS(0), max(1, numbers/max(1, width))
	for from := 0; from < rows; from += group * workers {
		n := min(group*workers, rows-from)
		dst, errs := make([]byte, n*out), make([]error, workers)
		var wg sync.WaitGroup
		for k := range workers {
			wg.Go(func() {
				x := make([]float32, width)
				for i := k * group; i < min((k+1)*group, n) && errs[k] == nil; i++ {
					errs[k] = row(from+i, dst[i*out:(i+1)*out], x)
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		if _, err := w.Write(dst); err != nil {
			return err
		}
	}
	return nil
}

// stepOf is the step that all weights of a tensor to be stored as Q8_0 are multiples
// of, because they used to be 8-bit numbers with one scale; 0 if there is none.
func stepOf(t quant.Type, r rowRange, c change) (float32, error) {
	if t != quant.Q8_0 || r.Type.BlockSize() != 1 || c.scale != 1 || c.add != 0 {
		return 0, nil
	}
	x := make([]float32, len(r.Data)/r.Type.BlockBytes())
	err := quant.Dequantize(x, r.Type, r.Data)
	return stepOfRow(x), err
}

// stepOfRow is the same for a row.
func stepOfRow(x []float32) float32 {
	levels, even := kernels.Levels(x)
	if !even {
		return 0
	}
	return math.Float32frombits(kernels.Largest(x)) / levels
}

// quantizeRow writes a row in type t. Weights that used to be 8-bit numbers with one
// scale for the tensor or the row become those numbers again, so that nothing is lost;
// separate block scales would round them again.
func quantizeRow(dst []byte, t quant.Type, x []float32, step float32) error {
	if t == quant.Q8_0 && step == 0 {
		step = stepOfRow(x)
	}
	if t != quant.Q8_0 || step <= 0 {
		return quant.Quantize(dst, t, x)
	}
	block, scale := t.BlockSize(), quant.HalfBits(step)
	for b := 0; b < len(x); b += block {
		out := dst[b/block*t.BlockBytes():]
		binary.LittleEndian.PutUint16(out, scale)
		for j, v := range x[b : b+block] {
			out[2+j] = byte(int8(min(max(math.RoundToEven(float64(v/step)), -127), 127)))
		}
	}
	return nil
}
