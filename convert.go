package winnow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/quant"
)

// A Conversion is what Convert wrote.
type Conversion struct {
	Tensors  int
	Bytes    int64          // of the file
	Types    map[string]int // how many tensors are of each type
	Fallback int            // tensors whose rows do not fit the blocks of the type asked for
}

// ConvertTypes are the names of the number formats that Convert writes.
func ConvertTypes() []string { return engine.ConvertTypes() }

// Convert writes the model at path in, a GGUF file or a directory in Hugging Face
// layout, as the GGUF file out, with its matrices in the number format of that name.
// Norms, biases, position embeddings, convolutions, heads and modules stay float32.
// progress, if it is not nil, is told how many of the tensors have been written.
func Convert(in, out, format string, progress func(done, of int)) (Conversion, error) {
	if !slices.Contains(ConvertTypes(), format) {
		return Conversion{}, fmt.Errorf("winnow: number format %q: expected one of %s", format, strings.Join(ConvertTypes(), ", "))
	}
	t, err := quant.ParseType(format)
	if err != nil {
		return Conversion{}, public(err)
	}
	c, err := engine.Convert(in, out, t, progress)
	return Conversion(c), public(err)
}
