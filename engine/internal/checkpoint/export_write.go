package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// A Conversion is what an Export has written.
type Conversion struct {
	Tensors  int
	Bytes    int64          // of the file
	Types    map[string]int // how many tensors are of each type
	Fallback int            // tensors whose rows do not fit the blocks of the type asked for
}

// fileTypes are llama.cpp's numbers of what a file's matrices are mostly of.
var fileTypes = map[quant.Type]uint32{
	quant.F32: 0, quant.F16: 1, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q8_0: 7, quant.Q5_0: 8, quant.Q5_1: 9,
	quant.Q4_K: 14, quant.Q5_K: 16, quant.Q6_K: 18, quant.BF16: 32,
}

// ExportTypes are the names of the types that an Export writes.
func ExportTypes() []string {
	var names []string
	for _, t := range slices.Sorted(maps.Keys(fileTypes)) {
		names = append(names, strings.ToLower(t.String()))
	}
	return names
}

// Retype begins a GGUF file that is another one with matrices of type to: its
// metadata and the types of what is not a matrix stay.
func Retype(f *File, to quant.Type) (*Export, error) {
	e, err := NewExport(f, to, f.Architecture)
	if err != nil {
		return nil, err
	}
	e.metadata = nil
	for _, kv := range f.Metadata.Metadata() {
		switch {
		case kv.Key == "general.file_type":
			kv.Value = fileTypes[to]
		case kv.Key == "general.alignment", strings.HasPrefix(kv.Key, "split."):
			continue
		}
		e.metadata = append(e.metadata, kv)
	}
	for _, name := range f.source.Names() {
		t, _ := f.source.Tensor(name)
		own := t.Type
		if len(t.Shape) == 2 && strings.HasSuffix(name, ".weight") && !exactName(strings.TrimSuffix(name, ".weight")) {
			own = e.fit(to, t.Shape[1])
		}
		e.write(name, own, t.Shape, []rowRange{{Tensor: t, to: rowsOf(t.Shape), scale: 1}})
	}
	return e, nil
}

// WriteFile writes the file, unless something would be lost: it reads the settings
// that are to be written back and compares them with what they were. progress, if
// it is not nil, is told how many of the tensors have been written.
func (e *Export) WriteFile(path string, progress func(done, of int)) (Conversion, error) {
	if err := e.check(); err != nil {
		return Conversion{}, err
	}
	if progress != nil {
		for i := range e.tensors {
			write := e.tensors[i].Data
			e.tensors[i].Data = func(w io.Writer) error {
				err := write(w)
				progress(i+1, len(e.tensors))
				return err
			}
		}
	}
	if err := gguf.WriteFile(path, e.metadata, e.tensors); err != nil {
		return Conversion{}, err
	}
	e.result.Tensors = len(e.tensors)
	info, err := os.Stat(path)
	if err != nil {
		return Conversion{}, err
	}
	e.result.Bytes = info.Size()
	return e.result, nil
}

// check finds what would be lost or there twice.
func (e *Export) check() error {
	if e.err != nil {
		return e.err
	}
	seen := make(map[string]bool)
	for _, t := range e.tensors {
		if seen[t.Name] {
			return fmt.Errorf("%s: two tensors would be named %s", e.file.Path, t.Name)
		}
		seen[t.Name] = true
	}
	if e.settings == nil {
		return nil
	}
	return e.verify()
}

// requantize writes rows of width numbers in type t. Groups of rows are done at
// a time, each by a goroutine of its own.
func requantize(w io.Writer, t quant.Type, r rowRange, width int, data []byte) error {
	const numbers = 1 << 18 // of a group
	rows, in := r.to-r.from, r.Type.Bytes(width)
	if len(r.Shape) == 1 { // a vector is one row
		rows, width, in = 1, rows*width, len(data)
	}
	step, err := stepOf(t, r, data)
	if err != nil {
		return err
	}
	group := max(1, numbers/max(1, width))
	type piece struct {
		out []byte
		err error
	}
	workers := runtime.GOMAXPROCS(0)
	for from := 0; from < rows; from += group * workers {
		pieces := make([]piece, workers)
		var wg sync.WaitGroup
		for k := range pieces {
			a := from + k*group
			b := min(a+group, rows)
			if a >= b {
				break
			}
			wg.Go(func() {
				p := &pieces[k]
				x := make([]float32, width)
				p.out = make([]byte, (b-a)*t.Bytes(width))
				for i := a; i < b && p.err == nil; i++ {
					dst := p.out[(i-a)*t.Bytes(width):][:t.Bytes(width)]
					if p.err = quant.Dequantize(x, r.Type, data[i*in:(i+1)*in]); p.err != nil {
						return
					}
					if !r.plain() {
						for j := range x {
							x[j] = (x[j] + r.add) * r.scale
						}
					}
					if j := notFinite(x); j >= 0 {
						p.err = fmt.Errorf("%v in row %d, column %d: expected finite numbers", x[j], r.from+i, j)
						return
					}
					p.err = quantizeRow(dst, t, x, step)
				}
			})
		}
		wg.Wait()
		for _, p := range pieces {
			if p.err != nil {
				return p.err
			}
			if _, err := w.Write(p.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// stepOf is the number that all of a tensor that is to become Q8_0 are multiples
// of, because they were 8-bit numbers with one scale before; 0 if there is none.
func stepOf(t quant.Type, r rowRange, data []byte) (float32, error) {
	if t != quant.Q8_0 || r.Type.BlockSize() != 1 || !r.plain() {
		return 0, nil
	}
	x := make([]float32, len(data)/r.Type.BlockBytes())
	if err := quant.Dequantize(x, r.Type, data); err != nil {
		return 0, err
	}
	levels, even := kernels.Levels(x)
	if !even {
		return 0, nil
	}
	return math.Float32frombits(kernels.Largest(x)) / levels, nil
}

// quantizeRow writes a row in type t. Weights that were 8-bit numbers with one
// scale, for the tensor or for the row, become those numbers again, so that
// nothing is lost; blocks of scales of their own would round them once more.
func quantizeRow(dst []byte, t quant.Type, x []float32, step float32) error {
	if t == quant.Q8_0 {
		if step == 0 {
			if levels, even := kernels.Levels(x); even {
				step = math.Float32frombits(kernels.Largest(x)) / levels
			}
		}
		if step > 0 {
			const block = 32
			scale := quant.HalfBits(step)
			for b := 0; b < len(x); b += block {
				out := dst[b/block*t.BlockBytes():]
				binary.LittleEndian.PutUint16(out, scale)
				for j, v := range x[b : b+block] {
					out[2+j] = byte(int8(min(max(math.RoundToEven(float64(v/step)), -127), 127)))
				}
			}
			return nil
		}
	}
	return quant.Quantize(dst, t, x)
}
