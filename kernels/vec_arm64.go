//go:build !purego

package kernels

import "math"

// vecTable holds the constants of the assembly, each four times. Their indices are named
// in vec_arm64.h.
//
//lint:ignore U1000 the assembly reads it
var vecTable = func() (t [41][4]float32) {
	for i, c := range vecConstants(math.Float32frombits(1 << 31)) {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// vector computes dst[i] = act(x[i]), times up[i] unless up is nil.
func vector(dst, x, up []float32, act Activation) {
	if features.neon {
		vectorWhole(dst, x, up, act)
	} else {
		vectorPortable(dst, x, up, act)
	}
}

// addRow is addRowPortable.
func addRow(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	full := 0
	if features.neon {
		if full = len(dst) &^ 3; full > 0 {
			addRowNEON(&dst[0], &x[0], &y[0], full)
		}
	}
	addRowPortable(dst[full:], x[full:], y[full:])
}

func scaleRow(row []float32, factor float32) {
	full := 0
	if features.neon {
		if full = len(row) &^ 3; full > 0 {
			scaleRowNEON(&row[0], full, factor)
		}
	}
	scaleRowPortable(row[full:], factor)
}

// addRowNEON is addRowPortable for n > 0 numbers, a multiple of 4.
//
//go:noescape
func addRowNEON(dst, x, y *float32, n int)

// scaleRowNEON computes x[i] *= factor for i < n, a multiple of 4 above 0.
//
//go:noescape
func scaleRowNEON(x *float32, n int, factor float32)
