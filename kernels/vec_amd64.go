//go:build !purego

package kernels

import "math"

// vecTable holds the constants of the assembly, each eight times over: AVX-512
// broadcasts the first, AVX2 loads all. The offsets are named in vec_amd64.h.
//
//lint:ignore U1000 the assembly reads it
var vecTable = func() (t [42][8]float32) {
	constants := []float32{
		log2eHigh, log2eLow, roundMagic, exp2Min,
		exp2C5, exp2C4, exp2C3, exp2C2, exp2C1, 1,
		math.Float32frombits(1<<31 - 1), math.Float32frombits(1 << 31),
		geluStep, geluMax, sigmoidMax,
		tanhC4, tanhC3, tanhC2, tanhC1, tanhC0, tanhSmall, -2,
		geluTanh3, geluTanh1,
	}
	for i := range geluC {
		constants = append(constants, geluC[len(geluC)-1-i])
	}
	constants = append(constants, softmaxStart, quickGELU1)
	for i, c := range constants {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// vector is dst[i] = act(x[i]), times up[i] if there is an up.
func vector(dst, x, up []float32, act Activation) {
	n := len(dst)
	switch {
	case n == 0:
	case features.avx512:
		var u *float32
		if up != nil {
			u = &up[:n][0]
		}
		vectorAVX512(&dst[0], &x[:n][0], u, n, act)
	case features.avx2:
		// Vectors are full: what is left over is computed beside.
		x = x[:n]
		full := n &^ 7
		if full > 0 {
			var u *float32
			if up != nil {
				u = &up[:n][0]
			}
			vectorAVX2(&dst[0], &x[0], u, full, act)
		}
		if full < n {
			var a, b [8]float32
			copy(a[:], x[full:])
			var u *float32
			if up != nil {
				copy(b[:], up[full:n])
				u = &b[0]
			}
			vectorAVX2(&a[0], &a[0], u, 8, act)
			copy(dst[full:], a[:])
		}
	default:
		vectorPortable(dst, x, up, act)
	}
}

func vectorAVX512(dst, x, up *float32, n int, act Activation) {
	switch act {
	case Identity:
		identityAVX512(dst, x, up, n)
	case GELU:
		geluAVX512(dst, x, up, n)
	case GELUTanh:
		geluTanhAVX512(dst, x, up, n)
	case ReLU:
		reluAVX512(dst, x, up, n)
	case SiLU:
		siluAVX512(dst, x, up, n)
	case Tanh:
		tanhAVX512(dst, x, up, n)
	case Sigmoid:
		sigmoidAVX512(dst, x, up, n)
	case QuickGELU:
		quickGELUAVX512(dst, x, up, n)
	case ReLUSquared:
		reluSquaredAVX512(dst, x, up, n)
	}
}

func vectorAVX2(dst, x, up *float32, n int, act Activation) {
	switch act {
	case Identity:
		identityAVX2(dst, x, up, n)
	case GELU:
		geluAVX2(dst, x, up, n)
	case GELUTanh:
		geluTanhAVX2(dst, x, up, n)
	case ReLU:
		reluAVX2(dst, x, up, n)
	case SiLU:
		siluAVX2(dst, x, up, n)
	case Tanh:
		tanhAVX2(dst, x, up, n)
	case Sigmoid:
		sigmoidAVX2(dst, x, up, n)
	case QuickGELU:
		quickGELUAVX2(dst, x, up, n)
	case ReLUSquared:
		reluSquaredAVX2(dst, x, up, n)
	}
}

// addRow is addRowPortable.
func addRow(dst, x, y []float32) {
	n := len(dst)
	x, y = x[:n], y[:n]
	full := 0
	switch {
	case n == 0:
	case features.avx512:
		full = n
		addRowAVX512(&dst[0], &x[0], &y[0], n)
	case features.avx2:
		if full = n &^ 7; full > 0 {
			addRowAVX2(&dst[0], &x[0], &y[0], full)
		}
	}
	addRowPortable(dst[full:], x[full:], y[full:])
}

func scaleRow(row []float32, factor float32) {
	switch n := len(row); {
	case n == 0:
	case features.avx512:
		scaleRowAVX512(&row[0], n, factor)
	case features.avx2:
		scaleRowAVX2(&row[0], n, factor)
	default:
		scaleRowPortable(row, factor)
	}
}

// All of the following compute
//
//	for i := range n {
//		dst[i] = act(x[i])
//		if up != nil {
//			dst[i] *= up[i]
//		}
//	}
//
// for n > 0; with AVX2, n is a multiple of 8.

//go:noescape
func identityAVX512(dst, x, up *float32, n int)

//go:noescape
func geluAVX512(dst, x, up *float32, n int)

//go:noescape
func geluTanhAVX512(dst, x, up *float32, n int)

//go:noescape
func reluAVX512(dst, x, up *float32, n int)

//go:noescape
func siluAVX512(dst, x, up *float32, n int)

//go:noescape
func tanhAVX512(dst, x, up *float32, n int)

//go:noescape
func sigmoidAVX512(dst, x, up *float32, n int)

//go:noescape
func quickGELUAVX512(dst, x, up *float32, n int)

//go:noescape
func reluSquaredAVX512(dst, x, up *float32, n int)

// addRowAVX512 is addRowPortable for n > 0 numbers.
//
//go:noescape
func addRowAVX512(dst, x, y *float32, n int)

//go:noescape
func identityAVX2(dst, x, up *float32, n int)

//go:noescape
func geluAVX2(dst, x, up *float32, n int)

//go:noescape
func geluTanhAVX2(dst, x, up *float32, n int)

//go:noescape
func reluAVX2(dst, x, up *float32, n int)

//go:noescape
func siluAVX2(dst, x, up *float32, n int)

//go:noescape
func tanhAVX2(dst, x, up *float32, n int)

//go:noescape
func sigmoidAVX2(dst, x, up *float32, n int)

//go:noescape
func quickGELUAVX2(dst, x, up *float32, n int)

//go:noescape
func reluSquaredAVX2(dst, x, up *float32, n int)

// addRowAVX2 is addRowPortable for n > 0 numbers, a multiple of 8.
//
//go:noescape
func addRowAVX2(dst, x, y *float32, n int)

// scaleRowAVX512 is x[i] *= factor for i < n, n > 0.
//
//go:noescape
func scaleRowAVX512(x *float32, n int, factor float32)

// scaleRowAVX2 is x[i] *= factor for i < n, n > 0.
//
//go:noescape
func scaleRowAVX2(x *float32, n int, factor float32)
