package quant

// A Tensor is a named, typed view into a model file. Data is usually part of a memory
// map: it is read-only, may be unaligned, and is valid while the file is open.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int // row-major, outermost first: a linear layer is [out, in]
	Data  []byte
}

// Len returns how many numbers the tensor holds: the product of its shape.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}
