//go:build !purego

package kernels

import "math"

// vecTable holds the constants of the assembly, each eight times: AVX-512 broadcasts the
// first, AVX2 loads all. The offsets are named in vec_amd64.h.
//
//lint:ignore U1000 the assembly reads it
var vecTable = func() (t [42][8]float32) {
	for i, c := range vecConstants(math.Float32frombits(1<<31-1), math.Float32frombits(1<<31)) {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// vector computes dst[i] = act(x[i]), times up[i] unless up is nil.
func vector(dst, x, up []float32, act Activation) {
	n := len(dst)
	switch {
	case n == 0:
	case features.avx512:
		vectorAVX512(&dst[0], &x[:n][0], pointer(up, n), n, act)
	case features.avx2:
		vectorWhole(dst, x, up, act)
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

// The following compute what vectorSIMD's functions do, for any n above 0.

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

// addRowAVX2 is addRowPortable for n > 0 numbers, a multiple of 8.
//
//go:noescape
func addRowAVX2(dst, x, y *float32, n int)

// scaleRowAVX512 computes x[i] *= factor for i < n, n > 0.
//
//go:noescape
func scaleRowAVX512(x *float32, n int, factor float32)

// scaleRowAVX2 is scaleRowAVX512.
//
//go:noescape
func scaleRowAVX2(x *float32, n int, factor float32)
