package kernels

import (
	"math"
	"unsafe"
)

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
	// zeros, because a limit divided by what is much smaller is infinite.
	negligible = (127 - 100) << 23
)

// scaleOf is, for numbers up to the magnitude whose bits are given, what they
// are multiplied by to lie between -limit and limit, and what brings them back.
// Numbers that are not all finite become zeros with a scale of NaN.
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

// quantiseTerms is quantise for numbers of two terms each: 64 times a byte of high
// and a byte of low.
func quantiseTerms(high, low []int8, x []float32, inverse float32) int32 {
	if inverse == 0 {
		clear(high)
		clear(low)
		return 0
	}
	n, sum := quantiseTermsVector(high, low, x, inverse)
	for i, v := range x[n:] {
		q := roundToInt(float32(v * inverse))
		h := (q + 1<<(termBits-1)) >> termBits
		high[n+i], low[n+i] = int8(h), int8(q-h<<termBits)
		sum += q
	}
	clear(high[len(x):])
	clear(low[len(x):])
	return sum
}

// quantisePairs is quantise, or quantiseTerms, for one of two rows that are
// interleaved: eight numbers, then eight that belong to the other row. The second
// terms of both follow the first ones of both, 2·depth bytes after them.
func quantisePairs(dst []int8, depth, terms int, x []float32, inverse float32) int32 {
	var sum int32
	var high, low [64]int8
	for l := 0; l < depth; l += len(high) {
		n := min(len(x), len(high))
		if terms == 2 {
			sum += quantiseTerms(high[:], low[:], x[:n], inverse)
		} else {
			sum += quantise(high[:], x[:n], inverse)
		}
		x = x[n:]
		for i := 0; i < min(len(high), depth-l); i += 8 {
			copy(dst[2*(l+i):], high[i:i+8])
			if terms == 2 {
				copy(dst[2*(depth+l+i):], low[i:i+8])
			}
		}
	}
	return sum
}

// quantiseTiles is quantise, or quantiseTerms, for a row that is in tiles.
func quantiseTiles(dst []int8, depth, terms int, x []float32, inverse float32) int32 {
	var sum int32
	for l := 0; l < depth; l += tileInputs {
		n := min(len(x), tileInputs)
		high := dst[l*tileRows:][:tileInputs]
		if terms == 2 {
			sum += quantiseTerms(high, dst[(depth+l)*tileRows:][:tileInputs], x[:n], inverse)
		} else {
			sum += quantise(high, x[:n], inverse)
		}
		x = x[n:]
	}
	return sum
}
