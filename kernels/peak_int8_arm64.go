//go:build !purego

package kernels

import "slices"

// byteProducts does n rounds of multiply-adds with the instructions of a rung and
// returns the number of operations.
func byteProducts(rung string, n int) int {
	i := slices.Index(rungs, rung)
	if i < 0 || !available(i) {
		return 0
	}
	switch i {
	case rungNEON:
		peakSMLAL(n)
		return n * 8 * 16 * 2
	case rungDotProd:
		peakSDOT(n)
		return n * 16 * 16 * 2
	case rungI8MM:
		peakSMMLA(n)
		return n * 16 * 32 * 2
	}
	return byteProductsPortable(n)
}

// peakSMLAL does n rounds of 8 independent SMULL, SMLAL, SADALP.
func peakSMLAL(n int)

// peakSDOT does n rounds of 16 independent SDOT.
func peakSDOT(n int)

// peakSMMLA does n rounds of 16 independent SMMLA.
func peakSMMLA(n int)
