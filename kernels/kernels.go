package kernels

// A Matrix is a view of Rows × Cols float32 numbers, row-major: row i begins at
// Data[i*Stride]. Copying a Matrix copies no numbers.
type Matrix struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Row returns row i, Cols numbers long.
func (m Matrix) Row(i int) []float32 {
	o := i * m.Stride
	return m.Data[o : o+m.Cols : o+m.Cols]
}

// Slice returns a view of rows from to to-1.
func (m Matrix) Slice(from, to int) Matrix {
	if from == to {
		return Matrix{Cols: m.Cols, Stride: m.Stride}
	}
	return Matrix{Data: m.Data[from*m.Stride : (to-1)*m.Stride+m.Cols], Rows: to - from, Cols: m.Cols, Stride: m.Stride}
}

// Columns returns a view of columns from to to-1 of every row.
func (m Matrix) Columns(from, to int) Matrix {
	if m.Rows == 0 {
		return Matrix{Cols: to - from, Stride: m.Stride}
	}
	return Matrix{Data: m.Data[from : (m.Rows-1)*m.Stride+to], Rows: m.Rows, Cols: to - from, Stride: m.Stride}
}

// An Activation is applied to each output of a linear layer.
type Activation uint8

// The activations named in configurations of Hugging Face's transformers.
const (
	Identity Activation = iota
	GELU                // exact: x·Φ(x), with erf
	GELUTanh            // Hendrycks & Gimpel's approximation with tanh
	ReLU
	SiLU
	Tanh
	Sigmoid
	QuickGELU   // x·σ(1.702·x), as in CLIP
	ReLUSquared // max(x, 0)²
)

// An Epilogue is applied to x·Wᵀ while the tile is still in the cache:
// y = act(x·Wᵀ + bias) + residual.
type Epilogue struct {
	Bias     []float32 // one per output, or nil
	Act      Activation
	Residual Matrix // the size of y, and may be y itself; no rows: none
}

// Weights is a matrix of Outputs rows by Inputs columns, packed for one of the GEMM
// kernels. It is read-only: any number of workers may multiply by it at the same time,
// each for its own columns.
//
// Each output is summed over the inputs in a fixed order, which depends neither on the
// number of rows nor on how columns are split: the same row always yields the same bits.
type Weights interface {
	Outputs() int
	Inputs() int
	// Kind returns the number format of the multiplication: f32, f16, int8, …
	Kind() string
	// Bytes returns the size of the packed weights.
	Bytes() int
	// Panel returns the number of outputs that are packed together. Columns are
	// split between workers at multiples of it.
	Panel() int
	// Prepare converts rows from to to-1 of x to the form that Multiply reads.
	// in must have been sized by Reserve. Workers may prepare different rows of
	// one Input at the same time if they split them at multiples of 16.
	Prepare(in *Input, x Matrix, from, to int)
	// Reserve makes room in in for the given number of rows. It allocates only
	// if in has never been that large.
	Reserve(in *Input, rows int)
	// Multiply writes columns from to to-1 of y for all prepared rows. from is a
	// multiple of Panel; to is a multiple of Panel or Outputs.
	Multiply(y Matrix, in *Input, from, to int, e *Epilogue)
}

// An Input holds activations in the form that Weights multiply: packed in tiles, and
// quantised for integer kernels. It is its owner's scratch memory; the zero value is ready
// for Reserve.
type Input struct {
	rows   int
	floats []float32
	bytes  []int8
	scales []float32
	sums   []int32
	forms  []*Input // for weights in several formats
}
