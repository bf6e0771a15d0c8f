// Package quant implements the number formats in which weights are published: IEEE floats,
// bfloat16 and GGML's block types.
//
// Its plain Go code defines each format; the assembly of package kernels is tested against
// it.
package quant
