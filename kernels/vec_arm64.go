//go:build !purego

package kernels

import "math"

// vecTable holds the constants of the assembly, each four times over. Their
// numbers are named in vec_arm64.h.
//
//lint:ignore U1000 the assembly reads it
var vecTable = func() (t [41][4]float32) {
	constants := []float32{
		log2eHigh, log2eLow, roundMagic, exp2Min,
		exp2C5, exp2C4, exp2C3, exp2C2, exp2C1, 1,
		math.Float32frombits(1 << 31),
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
	if n == 0 {
		return
	}
	if !features.neon {
		vectorPortable(dst, x, up, act)
		return
	}
	// Vectors are full: what is left over is computed beside.
	x = x[:n]
	full := n &^ 3
	if full > 0 {
		var u *float32
		if up != nil {
			u = &up[:n][0]
		}
		vectorNEON(&dst[0], &x[0], u, full, act)
	}
	if full < n {
		var a, b [4]float32
		copy(a[:], x[full:])
		var u *float32
		if up != nil {
			copy(b[:], up[full:n])
			u = &b[0]
		}
		vectorNEON(&a[0], &a[0], u, 4, act)
		copy(dst[full:], a[:])
	}
}

func vectorNEON(dst, x, up *float32, n int, act Activation) {
	switch act {
	case Identity:
		identityNEON(dst, x, up, n)
	case GELU:
		geluNEON(dst, x, up, n)
	case GELUTanh:
		geluTanhNEON(dst, x, up, n)
	case ReLU:
		reluNEON(dst, x, up, n)
	case SiLU:
		siluNEON(dst, x, up, n)
	case Tanh:
		tanhNEON(dst, x, up, n)
	case Sigmoid:
		sigmoidNEON(dst, x, up, n)
	case QuickGELU:
		quickGELUNEON(dst, x, up, n)
	case ReLUSquared:
		reluSquaredNEON(dst, x, up, n)
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

// All of the following compute
//
//	for i := range n {
//		dst[i] = act(x[i])
//		if up != nil {
//			dst[i] *= up[i]
//		}
//	}
//
// for n > 0, a multiple of 4.

//go:noescape
func identityNEON(dst, x, up *float32, n int)

//go:noescape
func geluNEON(dst, x, up *float32, n int)

//go:noescape
func geluTanhNEON(dst, x, up *float32, n int)

//go:noescape
func reluNEON(dst, x, up *float32, n int)

//go:noescape
func siluNEON(dst, x, up *float32, n int)

//go:noescape
func tanhNEON(dst, x, up *float32, n int)

//go:noescape
func sigmoidNEON(dst, x, up *float32, n int)

//go:noescape
func quickGELUNEON(dst, x, up *float32, n int)

//go:noescape
func reluSquaredNEON(dst, x, up *float32, n int)

// addRowNEON is addRowPortable for n > 0 numbers, a multiple of 4.
//
//go:noescape
func addRowNEON(dst, x, y *float32, n int)

// scaleRowNEON is x[i] *= factor for i < n, a multiple of 4 above 0.
//
//go:noescape
func scaleRowNEON(x *float32, n int, factor float32)
