//go:build !purego

package kernels

// quantiseStep is how many numbers the kernels quantise at a time.
const quantiseStep = 16

// quantiseWideVector leaves all numbers to quantiseWide: no kernel of this architecture
// takes 16-bit integers.
func quantiseWideVector([]int16, []float32, float32) (int, int32) { return 0, 0 }
