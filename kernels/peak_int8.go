package kernels

import "time"

// PeakInt8 measures how many billions of operations a second one core does of
// 8-bit multiply-adds into 32-bit sums (each two operations), with the
// instructions of the named rung, or of the highest in use if it is empty: the
// bound that the integer GEMM is held against. On a rung that the machine does
// not have, or that has no such instructions of its own, it is 0. It takes some
// 30 ms: the best of runs that are long enough for the processor to settle on
// the clock that it keeps for such work.
func PeakInt8(rung string) float64 {
	if rung == "" {
		rung = Rung()
	}
	const rounds = 50000
	best := 0.0
	for range 20 {
		start := time.Now()
		operations := byteProducts(rung, rounds)
		best = max(best, float64(operations)/float64(max(1, time.Since(start).Nanoseconds())))
	}
	return best
}

// byteProductsPortable keeps eight sums busy for n rounds and returns the number
// of operations done.
func byteProductsPortable(n int) int {
	var s0, s1, s2, s3, s4, s5, s6, s7 int32
	a, b := portableByte, portableByte
	for range n {
		s0 += int32(a) * int32(b)
		s1 += int32(a) * int32(b)
		s2 += int32(a) * int32(b)
		s3 += int32(a) * int32(b)
		s4 += int32(a) * int32(b)
		s5 += int32(a) * int32(b)
		s6 += int32(a) * int32(b)
		s7 += int32(a) * int32(b)
		a, b = b+1, a
	}
	portableByte = int8(s0+s1+s2+s3+s4+s5+s6+s7) | 1
	return n * 8 * 2
}

// The compiler must not know the factor, nor that nobody reads the sum.
var portableByte int8 = 1
