package quant

// A Tensor is a named, typed view into a model file. Data is usually a part of
// a memory map: it is read-only and lives as long as the file is open.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int // row-major, outermost first: a linear layer is [out, in]
	Data  []byte
}
