package gguf

import (
	"fmt"

	"github.com/winnow-rerank/winnow/quant"
)

// valueType is the type of a metadata value, numbered as in the file.
type valueType uint32

const (
	typeUint8 valueType = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64

	valueTypes // the number of types
)

var valueTypeTable = [valueTypes]struct {
	name string
	size int // in bytes; 0 for values that have a length
}{
	typeUint8:   {"uint8", 1},
	typeInt8:    {"int8", 1},
	typeUint16:  {"uint16", 2},
	typeInt16:   {"int16", 2},
	typeUint32:  {"uint32", 4},
	typeInt32:   {"int32", 4},
	typeFloat32: {"float32", 4},
	typeBool:    {"bool", 1},
	typeString:  {"string", 0},
	typeArray:   {"array", 0},
	typeUint64:  {"uint64", 8},
	typeInt64:   {"int64", 8},
	typeFloat64: {"float64", 8},
}

func (t valueType) String() string {
	if t >= valueTypes {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return valueTypeTable[t].name
}

func (t valueType) size() int { return valueTypeTable[t].size }

// A ggmlType is the type of a tensor, numbered as in the file. Types without a
// quant.Type exist in GGML, but are not supported here.
type ggmlType struct {
	name string
	t    quant.Type
}

var ggmlTypes = [...]ggmlType{
	0:  {"F32", quant.F32},
	1:  {"F16", quant.F16},
	2:  {"Q4_0", quant.Q4_0},
	3:  {"Q4_1", quant.Q4_1},
	4:  {"Q4_2 (removed from GGML)", quant.Invalid},
	5:  {"Q4_3 (removed from GGML)", quant.Invalid},
	6:  {"Q5_0", quant.Q5_0},
	7:  {"Q5_1", quant.Q5_1},
	8:  {"Q8_0", quant.Q8_0},
	9:  {"Q8_1", quant.Invalid},
	10: {"Q2_K", quant.Q2_K},
	11: {"Q3_K", quant.Q3_K},
	12: {"Q4_K", quant.Q4_K},
	13: {"Q5_K", quant.Q5_K},
	14: {"Q6_K", quant.Q6_K},
	15: {"Q8_K", quant.Invalid},
	16: {"IQ2_XXS", quant.Invalid},
	17: {"IQ2_XS", quant.Invalid},
	18: {"IQ3_XXS", quant.Invalid},
	19: {"IQ1_S", quant.Invalid},
	20: {"IQ4_NL", quant.IQ4_NL},
	21: {"IQ3_S", quant.Invalid},
	22: {"IQ2_S", quant.Invalid},
	23: {"IQ4_XS", quant.IQ4_XS},
	24: {"I8", quant.I8},
	25: {"I16", quant.I16},
	26: {"I32", quant.I32},
	27: {"I64", quant.I64},
	28: {"F64", quant.F64},
	29: {"IQ1_M", quant.Invalid},
	30: {"BF16", quant.BF16},
	31: {"Q4_0_4_4 (removed from GGML)", quant.Invalid},
	32: {"Q4_0_4_8 (removed from GGML)", quant.Invalid},
	33: {"Q4_0_8_8 (removed from GGML)", quant.Invalid},
	34: {"TQ1_0", quant.Invalid},
	35: {"TQ2_0", quant.Invalid},
	36: {"IQ4_NL_4_4 (removed from GGML)", quant.Invalid},
	37: {"IQ4_NL_4_8 (removed from GGML)", quant.Invalid},
	38: {"IQ4_NL_8_8 (removed from GGML)", quant.Invalid},
	39: {"MXFP4", quant.Invalid},
	40: {"NVFP4", quant.Invalid},
	41: {"Q1_0", quant.Invalid},
	42: {"Q2_0", quant.Invalid},
}

// ggmlTypeOf returns the type with the file's number id. ok is false if winnow does not
// support it; name is set nevertheless.
func ggmlTypeOf(id uint32) (t quant.Type, name string, ok bool) {
	if uint64(id) >= uint64(len(ggmlTypes)) {
		return quant.Invalid, fmt.Sprintf("%d (unknown)", id), false
	}
	e := ggmlTypes[id]
	return e.t, e.name, e.t != quant.Invalid
}

// ggmlID returns the file's number of a type; ok is false if GGML has none.
func ggmlID(t quant.Type) (id uint32, ok bool) {
	for i, e := range ggmlTypes {
		if e.t == t && t != quant.Invalid {
			return uint32(i), true
		}
	}
	return 0, false
}
