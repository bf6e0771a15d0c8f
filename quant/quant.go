package quant

import (
	"fmt"
	"strings"
)

// Type is the number format of a tensor.
type Type uint8

// The types that winnow reads. The quantised ones are GGML's block types: a row is cut
// into blocks of BlockSize consecutive numbers that share scales.
const (
	Invalid Type = iota
	F64
	F32
	F16
	BF16
	Q8_0
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	IQ4_NL
	IQ4_XS
	// I8, I16, I32 and I64 occur as index buffers (position_ids), never as weights: they
	// can be read but not dequantised.
	I8
	I16
	I32
	I64
	// The rest are types of the safetensors format that winnow can show but not compute
	// with: Dequantize returns an error.
	Bool
	U8
	U16
	U32
	U64
	C64 // complex: two F32
	F8_E4M3
	F8_E4M3FNUZ
	F8_E5M2
	F8_E5M2FNUZ
	F8_E8M0
	F6_E2M3
	F6_E3M2
	F4

	types // the number of types
)

// traits holds a type's name, and the size of its blocks in numbers and in bytes.
type traits struct {
	name        string
	size, bytes uint16
}

var table = [types]traits{
	Invalid:     {"invalid", 1, 0},
	F64:         {"F64", 1, 8},
	F32:         {"F32", 1, 4},
	F16:         {"F16", 1, 2},
	BF16:        {"BF16", 1, 2},
	Q8_0:        {"Q8_0", 32, 34},
	Q4_0:        {"Q4_0", 32, 18},
	Q4_1:        {"Q4_1", 32, 20},
	Q5_0:        {"Q5_0", 32, 22},
	Q5_1:        {"Q5_1", 32, 24},
	Q2_K:        {"Q2_K", 256, 84},
	Q3_K:        {"Q3_K", 256, 110},
	Q4_K:        {"Q4_K", 256, 144},
	Q5_K:        {"Q5_K", 256, 176},
	Q6_K:        {"Q6_K", 256, 210},
	IQ4_NL:      {"IQ4_NL", 32, 18},
	IQ4_XS:      {"IQ4_XS", 256, 136},
	I8:          {"I8", 1, 1},
	I16:         {"I16", 1, 2},
	I32:         {"I32", 1, 4},
	I64:         {"I64", 1, 8},
	Bool:        {"BOOL", 1, 1},
	U8:          {"U8", 1, 1},
	U16:         {"U16", 1, 2},
	U32:         {"U32", 1, 4},
	U64:         {"U64", 1, 8},
	C64:         {"C64", 1, 8},
	F8_E4M3:     {"F8_E4M3", 1, 1},
	F8_E4M3FNUZ: {"F8_E4M3FNUZ", 1, 1},
	F8_E5M2:     {"F8_E5M2", 1, 1},
	F8_E5M2FNUZ: {"F8_E5M2FNUZ", 1, 1},
	F8_E8M0:     {"F8_E8M0", 1, 1},
	F6_E2M3:     {"F6_E2M3", 4, 3},
	F6_E3M2:     {"F6_E3M2", 4, 3},
	F4:          {"F4", 2, 1},
}

func (t Type) traits() traits {
	if t >= types {
		return traits{fmt.Sprintf("Type(%d)", uint8(t)), 1, 0}
	}
	return table[t]
}

// String returns the name of the type in GGML and safetensors: F32, Q8_0, ….
func (t Type) String() string { return t.traits().name }

// ParseType returns the type of that name, in upper or lower case.
func ParseType(name string) (Type, error) {
	for t := Invalid + 1; t < types; t++ {
		if strings.EqualFold(name, table[t].name) {
			return t, nil
		}
	}
	return Invalid, fmt.Errorf("quant: unknown number format %q", name)
}

// BlockSize returns how many consecutive numbers of a row form a block: 1 for the plain
// types, 32 or 256 for GGML's. The length of a row is a multiple of it.
func (t Type) BlockSize() int { return int(t.traits().size) }

// BlockBytes returns the size of a block in bytes; 0 for Invalid.
func (t Type) BlockBytes() int { return int(t.traits().bytes) }

// Bytes returns the size of n numbers in bytes. n must be a multiple of BlockSize, and
// the result must fit in an int.
func (t Type) Bytes(n int) int {
	x := t.traits()
	return n / int(x.size) * int(x.bytes)
}

// CanDequantize reports whether Dequantize reads the type.
func (t Type) CanDequantize() bool { return F64 <= t && t <= IQ4_XS }

// CanQuantize reports whether Quantize writes the type.
func (t Type) CanQuantize() bool {
	switch t {
	case F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K:
		return true
	}
	return false
}
