// Package kernels holds what a CPU does for a transformer: matrix
// multiplication by packed weights, attention, norms and activations.
//
// Each kernel has a plain Go version that is its definition; assembly for
// AVX2, AVX-512 and NEON is chosen when the program starts (see Rung) and is
// tested against the definition. The build tag purego leaves all assembly out.
//
// The package knows nothing of models: it is given rows of numbers.
package kernels
