package kernels

import (
	"math"
	"unsafe"
)

// wideOf returns the same memory as 16-bit integers.
func wideOf(b []int8) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// Magnitudes are compared as the bits of a float32 without its sign: these are ordered like
// the numbers, with infinity above all of them and NaN above infinity.
const (
	signless = 0x7fffffff
	infinite = 0x7f800000
	// negligible is 2⁻¹⁰⁰: if no number is larger, all are treated as zeros, because
	// a limit divided by a much smaller number is infinite.
	negligible = (127 - 100) << 23
)

// scaleOf returns the factor that brings numbers up to a magnitude, given by its bits,
// between -limit and limit, and the factor that restores them. Numbers that are not all
// finite become zeros with a scale of NaN.
func scaleOf(magnitude uint32, limit float32) (inverse, scale float32) {
	switch {
	case magnitude <= negligible:
		return 0, 0
	case magnitude >= infinite:
		return 0, float32(math.NaN())
	}
	x := math.Float32frombits(magnitude)
	return limit / x, x / limit
}

// Largest returns the bits of the largest magnitude in x. They are ordered like the
// numbers, with infinity above all of them and NaN above infinity.
func Largest(x []float32) uint32 {
	n, m := largestVector(x)
	return max(m, largestPortable(x[n:]))
}

func largestPortable(x []float32) uint32 {
	var m uint32
	for _, v := range x {
		m = max(m, math.Float32bits(v)&signless)
	}
	return m
}

// roundToInt rounds x, whose magnitude is below 2²², to the nearest integer, ties to even.
func roundToInt(x float32) int32 {
	const (
		magic     = 3 << 22 // the last bit of such a float32 has value 1
		magicBits = 0x4b400000
	)
	return int32(math.Float32bits(x+magic)) - magicBits
}

// quantise computes dst[i] = x[i]·inverse, rounded to the nearest integer, ties to even,
// and returns the sum of dst. dst may be longer than x: the rest becomes zeros. An inverse
// of 0 turns any x into zeros.
func quantise(dst []int8, x []float32, inverse float32) int32 {
	if inverse == 0 {
		clear(dst)
		return 0
	}
	n, sum := quantiseVector(dst, x, inverse)
	sum += quantisePortable(dst[n:], x[n:], inverse)
	clear(dst[len(x):])
	return sum
}

func quantisePortable(dst []int8, x []float32, inverse float32) int32 {
	dst = dst[:len(x)]
	var sum int32
	for i, v := range x {
		q := roundToInt(float32(v * inverse))
		dst[i] = int8(q)
		sum += q
	}
	return sum
}

// quantiseWide is quantise for 16-bit integers.
func quantiseWide(dst []int16, x []float32, inverse float32) int32 {
	if inverse == 0 {
		clear(dst)
		return 0
	}
	n, sum := quantiseWideVector(dst, x, inverse)
	for i, v := range x[n:] {
		q := roundToInt(float32(v * inverse))
		dst[n+i] = int16(q)
		sum += q
	}
	clear(dst[len(x):])
	return sum
}

// quantiseLow computes dst[i], the low byte of x[i]·inverse, rounded to the nearest
// integer, ties to even, plus zero. dst may be longer than x: the rest becomes zeros.
// An inverse of 0 turns any x into zeros.
func quantiseLow(dst []int8, x []float32, inverse float32, zero int32) {
	if inverse == 0 {
		clear(dst)
		return
	}
	n := quantiseLowVector(dst, x, inverse, zero)
	for i, v := range x[n:] {
		dst[n+i] = int8(roundToInt(float32(v*inverse)) + zero)
	}
	clear(dst[len(x):])
}

// quantiseHigh computes dst[i], the high byte of the 16-bit sum of x[i]·inverse, rounded
// likewise, and zero, with the bits of flip inverted. dst may be longer than x: the rest
// becomes zeros. An inverse of 0 turns any x into zeros.
func quantiseHigh(dst []int8, x []float32, inverse float32, zero int32, flip int8) {
	if inverse == 0 {
		clear(dst)
		return
	}
	n := quantiseHighVector(dst, x, inverse, zero, flip)
	for i, v := range x[n:] {
		dst[n+i] = int8((roundToInt(float32(v*inverse))+zero)>>8) ^ flip
	}
	clear(dst[len(x):])
}

// extremes returns the bits of the largest and the smallest number of x whose mask is all
// ones, or of 0 and -0 if they are not above or below those, and the bits of the largest
// magnitude of the others, whose mask is 0. A NaN exceeds infinity in one of the three.
func extremes(x []float32, mask []uint32) (top int32, bottom, other uint32) {
	n, top, bottom, other := extremesVector(x, mask)
	mask = mask[:len(x)]
	for i, v := range x[n:] {
		bits, m := math.Float32bits(v), mask[n+i]
		top = max(top, int32(bits&m))
		bottom = max(bottom, bits&m)
		other = max(other, bits&^m&signless)
	}
	return top, max(bottom, 1<<31), other
}
