package kernels_test

import (
	"fmt"

	"github.com/winnow-rerank/winnow/kernels"
)

// A linear layer of two outputs in 8-bit integers.
func ExamplePackInt8() {
	weights := [][]float32{{1, 0, -1}, {0.5, 0.5, 0.5}}
	w := kernels.PackInt8(2, 3, nil, func(i int, dst []float32) { copy(dst, weights[i]) })

	x := kernels.Matrix{Data: []float32{127, 64, 2}, Rows: 1, Cols: 3, Stride: 3}
	y := kernels.Matrix{Data: make([]float32, 2), Rows: 1, Cols: 2, Stride: 2}
	var in kernels.Input
	w.Reserve(&in, x.Rows)
	w.Prepare(&in, x, 0, x.Rows)
	w.Multiply(y, &in, 0, w.Outputs(), &kernels.Epilogue{Bias: []float32{0, 1}})
	fmt.Printf("%.2f\n", y.Data)
	// Output: [125.00 97.50]
}
