package winnow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-rerank/winnow/engine"
	"github.com/winnow-rerank/winnow/quant"
)

// A Conversion describes the file that Convert wrote.
type Conversion struct {
	Tensors  int
	Bytes    int64          // size of the file
	Types    map[string]int // number of tensors by type, such as "Q8_0"
	Fallback int            // tensors whose rows do not divide into blocks of the requested type
}

// ConvertTypes returns the names of the number formats that Convert writes.
func ConvertTypes() []string { return engine.ConvertTypes() }

// Convert reads the model at path in, a GGUF file or a directory in Hugging Face layout,
// and writes it to the GGUF file out with its matrices in the given number format, one of
// ConvertTypes. Norms, biases, position embeddings, convolutions, heads and modules stay
// float32. progress, if not nil, receives the number of tensors written so far. An
// existing file is replaced.
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
