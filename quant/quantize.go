package quant

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Quantize converts src to type t. dst must be exactly t.Bytes(len(src)) long; len(src)
// must be a multiple of t.BlockSize(). CanQuantize must be true for t.
//
// F16 and BF16 round to nearest, ties to even; Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 produce
// GGML's bytes; the K types are fitted by least squares and are no less accurate than
// GGML's. A number that the type cannot hold (too large for F16; not finite, in a block
// type) is an error, and the content of dst is then undefined.
func Quantize(dst []byte, t Type, src []float32) error {
	if !t.CanQuantize() {
		return fmt.Errorf("quant: type %v cannot be written", t)
	}
	if err := checkLengths(t, len(src), len(dst)); err != nil {
		return err
	}
	if at, ok := fits(t, src); !ok {
		return fmt.Errorf("quant: number %d of %d, %g, exceeds the range of type %v", at, len(src), src[at], t)
	}
	switch t {
	case F32:
		for i, x := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(x))
		}
		return nil
	case F16:
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], HalfBits(x))
		}
		return nil
	case BF16:
		for i, x := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], BFloat16Bits(x))
		}
		return nil
	}
	size, bytes := t.BlockSize(), t.BlockBytes()
	for ; len(src) > 0; src, dst = src[size:], dst[bytes:] {
		x, b := src[:size:size], dst[:bytes:bytes]
		switch t {
		case Q8_0:
			quantizeQ8_0(b, x)
		case Q4_0:
			quantizeSymmetric(b, x, 4)
		case Q5_0:
			quantizeSymmetric(b, x, 5)
		case Q4_1:
			quantizeAffine(b, x, 4)
		case Q5_1:
			quantizeAffine(b, x, 5)
		case Q4_K:
			quantizeK(b, x, 4)
		case Q5_K:
			quantizeK(b, x, 5)
		case Q6_K:
			quantizeQ6_K(b, x)
		}
	}
	return nil
}

// fits reports whether all numbers of src are within t's range, and otherwise returns
// the index of the first that is not.
func fits(t Type, src []float32) (at int, ok bool) {
	var limit float32
	switch t {
	case F32, BF16:
		return 0, true
	case F16:
		for i, x := range src {
			if a := abs(x); a >= 65520 && a <= math.MaxFloat32 { // it would become infinity
				return i, false
			}
		}
		return 0, true
	case Q8_0:
		limit = largestHalf * 127
	case Q4_0:
		limit = largestHalf * 8
	case Q5_0:
		limit = largestHalf * 16
	default:
		limit = largestHalf // the minimum is stored as it is, or a fit may need room
	}
	for i, x := range src {
		if !(abs(x) <= limit) { // also true for NaN
			return i, false
		}
	}
	return 0, true
}

// largestHalf is the largest finite float16, the type of blocks' scales.
const largestHalf = 65504

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// inverse returns 1/x, or 0 for a scale of 0.
func inverse(x float32) float32 {
	if x == 0 {
		return 0
	}
	return 1 / x
}

// level returns x rounded half up and clamped between from and to.
func level(x float32, from, to int) int {
	return max(from, min(to, int(math.Floor(float64(x)+0.5))))
}

func putHalf(b []byte, x float32) { binary.LittleEndian.PutUint16(b, HalfBits(x)) }

func quantizeQ8_0(b []byte, x []float32) {
	var top float32
	for _, v := range x {
		top = max(top, abs(v))
	}
	d := top / 127
	id := inverse(d)
	putHalf(b, d)
	for i, v := range x {
		// Round half away from zero; the sum is exact in float64.
		v = float32(v * id)
		b[2+i] = byte(int8(float64(v) + math.Copysign(0.5, float64(v))))
	}
}

// quantizeSymmetric writes Q4_0 and Q5_0: the number of largest magnitude becomes the
// lowest level, whose magnitude is one more than that of the highest.
func quantizeSymmetric(b []byte, x []float32, width int) {
	var top float32
	for _, v := range x {
		if abs(v) > abs(top) {
			top = v
		}
	}
	zero := 1 << (width - 1)
	d := top / float32(-zero)
	id := inverse(d)
	putHalf(b, d)
	var q [32]byte
	for i, v := range x {
		q[i] = byte(min(2*zero-1, int(float32(v*id)+(float32(zero)+0.5))))
	}
	packNibbles(b[2:], &q, width)
}

// quantizeAffine writes Q4_1 and Q5_1.
func quantizeAffine(b []byte, x []float32, width int) {
	lo, hi := x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	levels := 1<<width - 1
	d := (hi - lo) / float32(levels)
	id := inverse(d)
	putHalf(b, d)
	putHalf(b[2:], lo)
	var q [32]byte
	for i, v := range x {
		q[i] = byte(min(levels, int(float32((v-lo)*id)+0.5)))
	}
	packNibbles(b[4:], &q, width)
}

// packNibbles writes 32 levels of 4 or 5 bits: the fifth bits, if any, then 16 bytes
// with levels 0 to 15 in their low halves and 16 to 31 in their high ones.
func packNibbles(b []byte, q *[32]byte, width int) {
	if width == 5 {
		var high uint32
		for i, v := range q {
			high |= uint32(v>>4) << i
		}
		binary.LittleEndian.PutUint32(b, high)
		b = b[4:]
	}
	for i := range 16 {
		b[i] = q[i]&15 | q[i+16]&15<<4
	}
}

// quantizeK writes Q4_K and Q5_K. Each run of 32 numbers is fitted separately; the
// scales and minimums are then rounded to six bits each, and the levels chosen for the
// rounded ones.
func quantizeK(b []byte, x []float32, width int) {
	levels := 1<<width - 1
	var scale, minimum [8]float32
	var topScale, topMin float32
	for i := range 8 {
		scale[i], minimum[i] = fitAffine(x[32*i:][:32], levels)
		topScale, topMin = max(topScale, scale[i]), max(topMin, minimum[i])
	}
	putHalf(b, topScale/63)
	putHalf(b[2:], topMin/63)
	d, m := halfAt(b), halfAt(b[2:])
	id, im := inverse(d), inverse(m)

	packed, q := b[4:16], b[16:]
	clear(b[4:])
	var high []byte
	if width == 5 {
		high, q = q[:32], q[32:]
	}
	for i := range 8 {
		s, l := byte(level(scale[i]*id, 0, 63)), byte(level(minimum[i]*im, 0, 63))
		if i < 4 {
			packed[i] |= s
			packed[i+4] |= l
		} else {
			packed[i+4] |= s&15 | l&15<<4
			packed[i-4] |= s >> 4 << 6
			packed[i] |= l >> 4 << 6
		}
		step, base := d*float32(s), m*float32(l)
		is := inverse(step)
		for j, v := range x[32*i:][:32] {
			n := byte(level((v+base)*is, 0, levels))
			q[i/2*32+j] |= n & 15 << (i % 2 * 4)
			if width == 5 {
				high[j] |= n >> 4 << i
			}
		}
	}
}

// quantizeQ6_K writes Q6_K: runs of 16 numbers with 8-bit scales.
func quantizeQ6_K(b []byte, x []float32) {
	var scale [16]float32
	var top float32
	for i := range scale {
		scale[i] = fitSymmetric(x[16*i:][:16], 32)
		if abs(scale[i]) > abs(top) {
			top = scale[i]
		}
	}
	clear(b)
	putHalf(b[208:], top/-128)
	d := halfAt(b[208:])
	id := inverse(d)
	for i := range scale {
		s := level(scale[i]*id, -128, 127)
		b[192+i] = byte(int8(s))
		is := inverse(d * float32(s))
		part, run, at := i/8, i/2%4, i%2*16
		q := b[part*64+run%2*32+at:][:16]
		high := b[128+part*32+at:][:16]
		for j, v := range x[16*i:][:16] {
			n := byte(level(v*is, -32, 31) + 32)
			q[j] |= n & 15 << (run / 2 * 4)
			high[j] |= n >> 4 << (run * 2)
		}
	}
}

// Fits start from several guesses of the scale, because the result of least squares
// depends on the levels of the guess. The guesses differ by a little less than what
// moves the outermost number by a level.
const (
	guesses = 9
	rounds  = 3 // each chooses levels, then the best scale for them
)

// fitAffine returns scale and minimum, neither negative, such that x is near scale·q −
// minimum with levels q from 0 to levels. It approximately minimises the sum of squared
// differences.
func fitAffine(x []float32, levels int) (scale, minimum float32) {
	var lo, hi float32 // include zero: a minimum is not negative
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == hi {
		return 0, 0
	}
	best := float32(math.Inf(1))
	for g := range guesses {
		s := (hi - lo) / (float32(levels) + 0.2*float32(g-guesses/2))
		b := lo
		last := float32(math.Inf(1))
		for range rounds {
			if s <= 0 {
				break
			}
			is := 1 / s
			var n, q, qq, v1, qv float64 // sums of 1, q, q², x, q·x
			var e float32
			for _, v := range x {
				l := float32(level((v-b)*is, 0, levels))
				d := v - (float32(s*l) + b)
				e += float32(d * d)
				n++
				q += float64(l)
				qq += float64(l) * float64(l)
				v1 += float64(v)
				qv += float64(l) * float64(v)
			}
			if e < best {
				best, scale, minimum = e, s, -b
			}
			det := n*qq - q*q
			if det <= 0 || e >= last {
				break
			}
			last = e
			s, b = float32((float64(n*qv)-float64(q*v1))/det), float32((float64(v1*qq)-float64(q*qv))/det)
			if b > 0 {
				s, b = float32(qv/qq), 0
			}
		}
	}
	return scale, minimum
}

// fitSymmetric returns a scale such that x is near scale·q with levels q from -levels
// to levels-1. It approximately minimises the sum of squared differences.
func fitSymmetric(x []float32, levels int) (scale float32) {
	var top float32
	for _, v := range x {
		if abs(v) > abs(top) {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	best := float32(math.Inf(1))
	for g := range guesses {
		// The number of largest magnitude is near the lowest level.
		s := top / -(float32(levels) + 0.2*float32(g-guesses/2))
		last := float32(math.Inf(1))
		for range rounds {
			is := inverse(s)
			var qq, qv float64
			var e float32
			for _, v := range x {
				l := float32(level(v*is, -levels, levels-1))
				d := v - float32(s*l)
				e += float32(d * d)
				qq += float64(l) * float64(l)
				qv += float64(l) * float64(v)
			}
			if e < best {
				best, scale = e, s
			}
			if qq == 0 || e >= last {
				break
			}
			last = e
			s = float32(qv / qq)
		}
	}
	return scale
}
