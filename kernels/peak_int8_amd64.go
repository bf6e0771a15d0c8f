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
	case 0:
		return byteProductsPortable(n)
	case rungAVX2, rungAVX512:
		peakMaddubsAVX2(n)
		return n * 8 * 32 * 2
	case rungAVXVNNI:
		peakVNNI256(n)
		return n * 12 * 32 * 2
	case rungAVX512VNNI:
		peakVNNI512(n)
		return n * 24 * 64 * 2
	case rungAMX:
		peakAMX(n)
		return n * 4 * 16 * 16 * 64 * 2
	}
	return 0
}

// peakMaddubsAVX2 does n rounds of 8 independent VPMADDUBSW, VPMADDWD, VPADDD.
func peakMaddubsAVX2(n int)

// peakVNNI256 does n rounds of 12 independent VPDPBUSD in its VEX form.
func peakVNNI256(n int)

// peakVNNI512 does n rounds of 24 independent VPDPBUSD.
func peakVNNI512(n int)

// peakAMX does n rounds of 4 independent TDPBSUD.
func peakAMX(n int)
