package kernels

import (
	"math"
	"unsafe"
)

// alignedBytes makes n zeros that begin at a cache line.
func alignedBytes(n int) []int8 {
	if n == 0 {
		return nil
	}
	s := make([]int8, n+cacheLine-1)
	o := int(-uintptr(unsafe.Pointer(&s[0])) % cacheLine)
	return s[o : o+n : o+n]
}

// wideOf is the same memory as 16-bit numbers.
func wideOf(b []int8) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// Magnitudes are compared as the bits of a float32 without its sign: they are
// in the order of the numbers, infinity above all of them and NaN above that.
const (
	signless = 0x7fffffff
	infinite = 0x7f800000
	// negligible is 2⁻¹⁰⁰: numbers none of which is larger are taken to be
	// zeros, because 127 divided by what is much smaller is infinite.
	negligible = (127 - 100) << 23
)

// scaleOf is, for numbers up to the magnitude whose bits are given, what they
// are multiplied by to lie between -127 and 127, and what brings them back.
// Numbers that are not all finite become zeros with a scale of NaN.
func scaleOf(magnitude uint32) (inverse, scale float32) {
	switch {
	case magnitude <= negligible:
		return 0, 0
	case magnitude >= infinite:
		return 0, float32(math.NaN())
	}
	x := math.Float32frombits(magnitude)
	return 127 / x, x / 127
}

// largest is the bits of the largest magnitude in x.
func largest(x []float32) uint32 {
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

// roundToInt rounds x, of a magnitude below 2²², to the nearest integer, ties to
// even.
func roundToInt(x float32) int32 {
	const (
		magic     = 3 << 22 // the last bit of such a float32 counts ones
		magicBits = 0x4b400000
	)
	return int32(math.Float32bits(x+magic)) - magicBits
}

// quantise is dst[i] = x[i]·inverse, rounded to the nearest integer, ties to
// even, and the sum of dst, which may be longer than x: the rest becomes zeros.
// An inverse of 0 makes zeros of any x.
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

// quantisePairs is quantise for one of two rows that are interleaved: eight
// numbers, then eight that belong to the other row.
func quantisePairs(dst []int8, x []float32, inverse float32) int32 {
	var sum int32
	var chunk [64]int8
	for len(dst) > 0 {
		n := min(len(x), len(chunk))
		sum += quantise(chunk[:], x[:n], inverse)
		x = x[n:]
		for i := 0; i < len(chunk) && len(dst) > 0; i += 8 {
			copy(dst, chunk[i:i+8])
			dst = dst[min(16, len(dst)):]
		}
	}
	return sum
}

// quantiseTiles is quantise for a row that is in tiles.
func quantiseTiles(dst []int8, x []float32, inverse float32) int32 {
	var sum int32
	for {
		n := min(len(x), tileInputs)
		sum += quantise(dst[:tileInputs], x[:n], inverse)
		x = x[n:]
		if len(x) == 0 {
			return sum
		}
		dst = dst[tileRows*tileInputs:]
	}
}
