//go:build !purego

package kernels

// multiplyAdds does n rounds of multiply-adds and returns the number of
// operations.
func multiplyAdds(n int) int {
	switch {
	case features.avx512:
		peakAVX512F32(n)
		return n * 24 * 16 * 2
	case features.avx2:
		peakAVX2F32(n)
		return n * 12 * 8 * 2
	}
	return multiplyAddsPortable(n)
}

// peakAVX512F32 does n rounds of 24 independent 16-wide multiply-adds.
func peakAVX512F32(n int)

// peakAVX2F32 does n rounds of 12 independent 8-wide multiply-adds.
func peakAVX2F32(n int)
