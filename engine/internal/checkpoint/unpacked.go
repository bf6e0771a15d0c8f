package checkpoint

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// Unpacked is a linear layer used only while the model is loaded: it is packed for a
// single multiplication, in float32 at any precision, and not kept.
type Unpacked struct {
	file    *File
	tensor  quant.Tensor
	bias    []float32 // or nil
	out, in int
}

// unpacked loads such a layer.
func (f *File) unpacked(dst *Unpacked, name string, shape []int, tag reflect.StructTag) {
	t, ok := f.tensor(name, []string{".weight"}, shape, true)
	if !ok {
		return
	}
	*dst = Unpacked{file: f, tensor: t, out: shape[0], in: shape[1]}
	if has, required := f.biasOf(tag); has {
		dst.bias = f.vector(name, []string{".bias"}, shape[:1], required)
	}
}

// Multiply is x·Wᵀ + b.
func (l *Unpacked) Multiply(x compute.Matrix) (compute.Matrix, error) {
	var err error
	w := kernels.PackF32(l.out, l.in, func(i int, dst []float32) {
		if e := l.file.row(dst, l.tensor, i); e != nil {
			err = e
		}
	})
	y := compute.Matrix{Data: make([]float32, x.Rows*l.out), Rows: x.Rows, Cols: l.out, Stride: l.out}
	var in kernels.Input
	w.Reserve(&in, x.Rows)
	w.Prepare(&in, x, 0, x.Rows)
	w.Multiply(y, &in, 0, l.out, &kernels.Epilogue{Bias: l.bias})
	l.file.source.Release(l.tensor.Name)
	return y, err
}

// row writes row i of a matrix to dst, checked.
func (f *File) row(dst []float32, t quant.Tensor, i int) error {
	size := t.Type.Bytes(len(dst))
	if err := dequantize(dst, t, t.Data[i*size:(i+1)*size]); err != nil {
		return err
	}
	if j := notFinite(dst); j >= 0 {
		return f.infinite(t, i, j, dst[j])
	}
	return nil
}

// Whole returns all rows of a table.
func (f *File) Whole(e *compute.Embedding) (compute.Matrix, error) {
	x := compute.Matrix{Data: make([]float32, e.Rows*e.Cols), Rows: e.Rows, Cols: e.Cols, Stride: e.Cols}
	for i := range x.Rows {
		if err := f.row(x.Row(i), e.Tensor, i); err != nil {
			return x, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return x, nil
}

// Numbers returns a tensor's numbers.
func (f *File) Numbers(name string) ([]float32, error) {
	t, ok := f.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("%s: no tensor %s", f.Path, name)
	}
	x := make([]float32, t.Len())
	return x, dequantize(x, t, t.Data)
}

// Indices returns the whole numbers of a vector, each of which must be less than below.
func (f *File) Indices(name string, below int) ([]int32, error) {
	t, _ := f.Tensor(name)
	if len(t.Shape) != 1 || t.Type != quant.I32 && t.Type != quant.I64 {
		return nil, f.badTensor(t, fmt.Sprintf("shape %v of type %v", t.Shape, t.Type), "a vector of whole numbers")
	}
	list := make([]int32, t.Shape[0])
	for i := range list {
		n := uint64(0)
		if t.Type == quant.I32 {
			n = uint64(binary.LittleEndian.Uint32(t.Data[4*i:]))
		} else {
			n = binary.LittleEndian.Uint64(t.Data[8*i:])
		}
		if n >= uint64(below) {
			return nil, f.badTensor(t, fmt.Sprintf("number %d is %d", i, int64(n)), fmt.Sprintf("0 to %d", below-1))
		}
		list[i] = int32(n)
	}
	return list, nil
}
