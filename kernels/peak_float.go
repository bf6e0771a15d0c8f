package kernels

import (
	"runtime"
	"time"
)

// PeakF32 measures how many GFLOP/s one core does of float32 multiply-adds
// (each two operations) with the widest vectors that the kernels use: the
// bound that the float32 and 16-bit GEMMs are held against. It takes some 30 ms:
// the best of runs that are long enough for the processor to settle on the clock
// that it keeps for such work.
func PeakF32() float64 {
	const rounds = 250000
	best := 0.0
	for range 20 {
		start := time.Now()
		operations := multiplyAdds(rounds)
		best = max(best, float64(operations)/float64(max(1, time.Since(start).Nanoseconds())))
	}
	return best
}

// multiplyAddsPortable keeps eight sums busy for n rounds and returns the number
// of operations done.
func multiplyAddsPortable(n int) int {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	a, b := portableOne, portableOne
	for range n {
		s0 += float32(a * b)
		s1 += float32(a * b)
		s2 += float32(a * b)
		s3 += float32(a * b)
		s4 += float32(a * b)
		s5 += float32(a * b)
		s6 += float32(a * b)
		s7 += float32(a * b)
		a, b = b, a
	}
	runtime.KeepAlive(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7)
	return n * 8 * 2
}

// portableOne is a variable so that the compiler does not know the product.
var portableOne float32 = 1
