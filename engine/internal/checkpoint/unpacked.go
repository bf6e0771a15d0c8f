package checkpoint

import (
	"fmt"
	"reflect"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// Unpacked is a linear layer that is multiplied once, while the model is loaded:
// it is packed for that, in float32 whatever the precision, and not kept.
type Unpacked struct {
	file    *File
	part    quant.Tensor
	bias    []float32 // or nil
	out, in int
}

// unpacked loads such a layer.
func (f *File) unpacked(dst *Unpacked, name string, shape []int, tag reflect.StructTag) {
	t, ok := f.tensor(name, []string{".weight"}, shape, true)
	if !ok {
		return
	}
	*dst = Unpacked{file: f, part: t, out: shape[0], in: shape[1]}
	if has, required := f.biasOf(tag); has {
		dst.bias = f.vector(name, []string{".bias"}, shape[:1], required)
	}
}

// Multiply is x·Wᵀ + b.
func (l *Unpacked) Multiply(x compute.Matrix) (compute.Matrix, error) {
	var err error
	w := kernels.PackF32(l.out, l.in, func(i int, dst []float32) {
		if e := l.file.row(dst, l.part, i); e != nil {
			err = e
		}
	})
	y := compute.Matrix{Data: make([]float32, x.Rows*l.out), Rows: x.Rows, Cols: l.out, Stride: l.out}
	var in kernels.Input
	w.Reserve(&in, x.Rows)
	w.Prepare(&in, x, 0, x.Rows)
	w.Multiply(y, &in, 0, l.out, &kernels.Epilogue{Bias: l.bias})
	l.file.source.Release(l.part.Name)
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

// Whole is all rows of a table.
func (f *File) Whole(e *compute.Embedding) (compute.Matrix, error) {
	x := compute.Matrix{Data: make([]float32, e.Rows*e.Cols), Rows: e.Rows, Cols: e.Cols, Stride: e.Cols}
	for i := range x.Rows {
		if err := f.row(x.Row(i), e.Tensor, i); err != nil {
			return x, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return x, nil
}
