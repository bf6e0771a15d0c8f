package quant

// Type names how the numbers of a tensor are stored.
type Type uint8

// The types that winnow reads. The quantised ones are GGML's block types: a
// row is cut into blocks of BlockSize consecutive numbers that share scales.
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
	// I8, I16, I32 and I64 occur as index buffers (position_ids), never as
	// weights: they can be read but not dequantised.
	I8
	I16
	I32
	I64
)
