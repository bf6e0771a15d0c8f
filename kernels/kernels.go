package kernels

// A Matrix is Rows × Cols float32 numbers, row-major: row i begins at
// Data[i*Stride]. It is a view; copying it copies no numbers.
type Matrix struct {
	Data               []float32
	Rows, Cols, Stride int
}

// Row is row i, Cols numbers long.
func (m Matrix) Row(i int) []float32 {
	o := i * m.Stride
	return m.Data[o : o+m.Cols : o+m.Cols]
}

// Slice is the view of rows from to to-1.
func (m Matrix) Slice(from, to int) Matrix {
	if from == to {
		return Matrix{Cols: m.Cols, Stride: m.Stride}
	}
	return Matrix{Data: m.Data[from*m.Stride : (to-1)*m.Stride+m.Cols], Rows: to - from, Cols: m.Cols, Stride: m.Stride}
}

// Columns is the view of columns from to to-1 of every row.
func (m Matrix) Columns(from, to int) Matrix {
	if m.Rows == 0 {
		return Matrix{Cols: to - from, Stride: m.Stride}
	}
	return Matrix{Data: m.Data[from : (m.Rows-1)*m.Stride+to], Rows: m.Rows, Cols: to - from, Stride: m.Stride}
}

// An Activation is applied to each output of a linear layer.
type Activation uint8

// The activations that the configurations of Hugging Face's transformers name.
const (
	Identity Activation = iota
	GELU                // exact: x·Φ(x), by erf
	GELUTanh            // Hendrycks & Gimpel's approximation by tanh
	ReLU
	SiLU
	Tanh
	Sigmoid
	QuickGELU   // x·σ(1.702·x), as CLIP's models have it
	ReLUSquared // max(x, 0)²
)

// An Epilogue is applied to x·Wᵀ before it is written, while the tile is still in the
// cache: y = act(x·Wᵀ + bias) + residual.
type Epilogue struct {
	Bias     []float32 // one per output, or nil
	Act      Activation
	Residual Matrix // as many rows and columns as y (it may be y itself); no rows: none
}

// Weights is a matrix of Outputs rows by Inputs columns, packed once for one of
// the GEMM kernels. It is read-only: any number of workers may multiply by it at
// the same time, each with columns of its own.
//
// Each output is summed over the inputs in a fixed order that depends neither
// on the number of rows nor on how columns are split, so that the same row
// always gives the same bits.
type Weights interface {
	Outputs() int
	Inputs() int
	// Kind names the number format of the multiplication: f32, f16, int8, …
	Kind() string
	// Bytes is the memory that the packed weights take.
	Bytes() int
	// Panel is the number of outputs that are packed together: columns are
	// split between workers at multiples of it.
	Panel() int
	// Prepare brings rows from to to-1 of x into the form that Multiply reads.
	// in must have been sized by Reserve; workers may prepare different rows of
	// one Input at the same time, if they split them at multiples of 16.
	Prepare(in *Input, x Matrix, from, to int)
	// Reserve makes room in in for rows rows. It allocates only when in has
	// never been that large.
	Reserve(in *Input, rows int)
	// Multiply writes columns from to to-1 of y for all rows that were prepared.
	// from is a multiple of Panel; to is one too, or Outputs.
	Multiply(y Matrix, in *Input, from, to int, e *Epilogue)
}

// An Input holds activations in the form that Weights multiply: packed in tiles, and
// quantised where the kernel works on integers. It is its owner's scratch memory; the
// zero value is ready for Reserve.
type Input struct {
	rows   int
	floats []float32
	bytes  []int8
	scales []float32
	sums   []int32
	forms  []*Input // of weights in several formats
}
