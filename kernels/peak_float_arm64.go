//go:build !purego

package kernels

// multiplyAdds does n rounds of multiply-adds and returns the number of
// operations.
func multiplyAdds(n int) int {
	if features.neon {
		peakNEONF32(n)
		return n * 24 * 4 * 2
	}
	return multiplyAddsPortable(n)
}

// peakNEONF32 does n rounds of 24 independent 4-wide multiply-adds.
func peakNEONF32(n int)
