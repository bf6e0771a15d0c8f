package checkpoint

import (
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/kernels"
	"github.com/winnow-rerank/winnow/quant"
)

// Precision is the number format in which a model's matrices are multiplied.
type Precision uint8

// The precisions that a user can request.
const (
	Auto Precision = iota
	F32
	F16
	Int8    // 8-bit weights and activations, a few channels in 16 bits
	Int8A16 // 8-bit weights, activations up to 16 bits
	Int16A8 // 16-bit weights, or 8 where the error is small; activations as in Int8
)

var precisionNames = [...]string{Auto: "auto", F32: "f32", F16: "f16", Int8: "int8", Int8A16: "int8a16", Int16A8: "int16a8"}

func (p Precision) String() string {
	if int(p) < len(precisionNames) {
		return precisionNames[p]
	}
	return fmt.Sprintf("Precision(%d)", uint8(p))
}

// ParsePrecision reads "auto", "f32", "f16", "int8", "int8a16" or "int16a8".
func ParsePrecision(s string) (Precision, error) {
	for p, name := range precisionNames {
		if s == name {
			return Precision(p), nil
		}
	}
	return Auto, fmt.Errorf("precision %q: expected auto, f32, f16, int8, int8a16 or int16a8", s)
}

// MarshalText encodes the precision's name for flags and JSON.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePrecision.
func (p *Precision) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePrecision(string(text))
	return err
}

// A packFormat is how a Linear's weights are packed.
type packFormat uint8

const (
	packF32 packFormat = iota
	packF16
	packBF16
	packInt8   // tensors in blocks stay so, others get a scale per output; activations up to 16 bits
	packInt16  // likewise, with 16-bit weights in two terms
	packNarrow // tensors in blocks stay so, others stay float32
)

// narrow is the number of inputs or outputs below which a matrix is not rounded to 8
// bits, nor from 32 to 16. Models this narrow need little time and memory in any
// precision, so rounding gains nothing.
const narrow = 128

// maxF16 is the largest float16; a matrix that exceeds it is kept in float32.
const maxF16 = 65504

func (f packFormat) pack(out, in int, row func(i int, dst []float32)) kernels.Weights {
	switch f {
	case packF16:
		return kernels.PackF16(out, in, row)
	case packBF16:
		return kernels.PackBF16(out, in, row)
	case packInt8:
		return kernels.PackInt8A16(out, in, row)
	case packInt16:
		return kernels.PackInt16(out, in, row)
	}
	return kernels.PackF32(out, in, row)
}

// bytes reports whether weights that are not in blocks are multiplied as bytes.
func (f packFormat) bytes() bool { return f == packInt8 || f == packInt16 }

// exact is the format for a matrix that must not lose accuracy to 8 bits.
func (f packFormat) exact() packFormat {
	if f.bytes() {
		return packF32
	}
	return f
}

// ChoosePrecision decides how the matrices are packed and says why. eightBits is the
// family's default for files with 8-bit weights. It must be called before Load.
func (f *File) ChoosePrecision(asked, eightBits Precision) (chosen Precision, reason string) {
	common := f.commonType()
	chosen, reason = asked, "requested"
	switch {
	case asked != Auto:
	case common == quant.F32 || common == quant.F64:
		chosen, reason = F32, fmt.Sprintf("the file's weights are %v", common)
	case common == quant.F16 || common == quant.BF16:
		chosen, reason = F16, fmt.Sprintf("the file's weights are %v, which are kept as they are", common)
	case kernels.CanPackBlocks(common):
		chosen, reason = eightBits, fmt.Sprintf("the file's weights are %v, whose blocks are kept as they are", common)
	default:
		chosen, reason = eightBits, fmt.Sprintf("the file's weights are %v", common)
	}
	p := &f.packing
	switch {
	case chosen == F16 && common == quant.BF16:
		p.format = packBF16
	case chosen == F16:
		p.format = packF16
	case chosen == Int8 || chosen == Int8A16 || chosen == Int16A8:
		p.format = packInt8
		if chosen == Int16A8 {
			p.format = packInt16
		}
		p.floats = p.format
		if asked == Auto { // what the file's authors left in 16 bits stays there
			p.floats = packF16
		}
	}
	return chosen, reason
}

// narrowest is narrow, or 0 if all matrices of this file are rounded.
func (f *File) narrowest() int {
	if f.RoundAll {
		return 0
	}
	return narrow
}

// commonType is the type of most of the numbers in the file's matrices.
func (f *File) commonType() quant.Type {
	numbers := make(map[quant.Type]int)
	common := quant.F32
	for _, name := range f.source.Names() {
		t, _ := f.source.Tensor(name)
		if len(t.Shape) < 2 || !t.Type.CanDequantize() || strings.Contains(name, "embd") || strings.Contains(name, "embeddings") {
			continue
		}
		numbers[t.Type] += t.Len()
		if numbers[t.Type] > numbers[common] {
			common = t.Type
		}
	}
	return common
}
