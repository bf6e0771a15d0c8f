// Package peak measures how fast one core multiplies and adds: the upper bound for matrix
// products.
//
// Instruction sets have the names of kernels.Rungs. The caller must make sure that the
// machine has the set, for example with kernels.Rungs.
package peak

import "time"

// F32 returns the GFLOP/s of one core for float32 multiply-adds, two operations each,
// with the widest vectors of the named instruction set, or 0 if there is no such set.
// It takes about 30 ms.
func F32(rung string) float64 { return measure(250000, rung, MultiplyAdds) }

// Int8 returns the billion operations per second of one core for 8-bit multiply-adds
// into 32-bit sums, two operations each, with the fastest instructions of the named
// instruction set, or 0 if there is no such set. It takes about 30 ms.
func Int8(rung string) float64 { return measure(50000, rung, ByteProducts) }

// measure returns the best of several runs, which together are long enough for the
// processor to settle on its clock rate for such work.
func measure(rounds int, rung string, work func(rung string, rounds int) int) float64 {
	best := 0.0
	for range 20 {
		start := time.Now()
		operations := work(rung, rounds)
		best = max(best, float64(operations)/float64(max(1, time.Since(start).Nanoseconds())))
	}
	return best
}

// MultiplyAdds does rounds of F32's operations and returns how many those are.
func MultiplyAdds(rung string, rounds int) int { return floatLoop(rung).operations(rounds) }

// ByteProducts does rounds of Int8's operations and returns how many those are.
func ByteProducts(rung string, rounds int) int { return byteLoop(rung).operations(rounds) }

// A loop keeps all multipliers of a core busy.
type loop struct {
	perRound int // multiply-adds
	// run adds up products of 1 and 1: its result is the number of multiply-adds that
	// it has done. It is 0 for tile registers, whose sums are not read.
	run func(rounds int) int
}

// operations does rounds of the loop and returns the number of operations, two per
// multiply-add.
func (l loop) operations(rounds int) int {
	if l.run == nil {
		return 0
	}
	l.run(rounds)
	return 2 * l.perRound * rounds
}

var (
	floatPortable = loop{8, multiplyAddsPortable}
	bytePortable  = loop{8, byteProductsPortable}
)

// Variables, so that the compiler cannot compute the products.
var (
	floatOne float32 = 1
	byteOne  int8    = 1
)

func multiplyAddsPortable(n int) int {
	var s0, s1, s2, s3, s4, s5, s6, s7 float32
	a, b := floatOne, floatOne
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
	return int(s0) + int(s1) + int(s2) + int(s3) + int(s4) + int(s5) + int(s6) + int(s7)
}

func byteProductsPortable(n int) int {
	var s0, s1, s2, s3, s4, s5, s6, s7 int32
	a, b := byteOne, byteOne
	for range n {
		s0 += int32(a) * int32(b)
		s1 += int32(a) * int32(b)
		s2 += int32(a) * int32(b)
		s3 += int32(a) * int32(b)
		s4 += int32(a) * int32(b)
		s5 += int32(a) * int32(b)
		s6 += int32(a) * int32(b)
		s7 += int32(a) * int32(b)
		a, b = b, a
	}
	return int(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7)
}

// lanes holds sums of vectors; shorter ones leave zeros.
type lanes[T float32 | int32] [16]T

// counted returns a loop's run function for assembly that leaves its sums in lanes.
func counted[T float32 | int32](run func(rounds int, sums *lanes[T])) func(rounds int) int {
	return func(rounds int) int {
		var sums lanes[T]
		run(rounds, &sums)
		total := 0
		for _, s := range sums {
			total += int(s)
		}
		return total
	}
}
