// Package quant holds the number formats in which weights are published: IEEE
// floats, bfloat16 and GGML's block types.
//
// It is the definition of each format: the plain Go code here is what the
// kernels' assembly is tested against.
package quant
