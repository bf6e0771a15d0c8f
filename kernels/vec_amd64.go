//go:build !purego

package kernels

import "math"

// vecTable holds the constants of the assembly, each eight times over: AVX-512
// broadcasts the first, AVX2 loads all. The offsets are named in vec_amd64.h.
//
//lint:ignore U1000 the assembly reads it
var vecTable = func() (t [41][8]float32) {
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
	constants = append(constants, softmaxStart)
	for i, c := range constants {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// vector is dst[i] = f(x[i]), times up[i] if there is an up; vecAdd adds it.
func vector(dst, x, up []float32, f vecFunc) {
	n := len(dst)
	switch {
	case n == 0:
	case features.avx512:
		var u *float32
		if up != nil {
			u = &up[:n][0]
		}
		vectorAVX512(&dst[0], &x[:n][0], u, n, f)
	case features.avx2:
		// Vectors are full: what is left over is computed beside.
		x = x[:n]
		full := n &^ 7
		if full > 0 {
			var u *float32
			if up != nil {
				u = &up[:n][0]
			}
			vectorAVX2(&dst[0], &x[0], u, full, f)
		}
		if full < n {
			var a, b [8]float32
			copy(a[:], x[full:])
			var u *float32
			if up != nil {
				copy(b[:], up[full:n])
				u = &b[0]
			}
			vectorAVX2(&a[0], &a[0], u, 8, f)
			copy(dst[full:], a[:])
		}
	default:
		vectorPortable(dst, x, up, f)
	}
}

func vectorAVX512(dst, x, up *float32, n int, f vecFunc) {
	switch f {
	case vecIdentity:
		identityAVX512(dst, x, up, n)
	case vecGELU:
		geluAVX512(dst, x, up, n)
	case vecGELUTanh:
		geluTanhAVX512(dst, x, up, n)
	case vecReLU:
		reluAVX512(dst, x, up, n)
	case vecSiLU:
		siluAVX512(dst, x, up, n)
	case vecTanh:
		tanhAVX512(dst, x, up, n)
	case vecSigmoid:
		sigmoidAVX512(dst, x, up, n)
	case vecExp:
		expAVX512(dst, x, up, n)
	case vecAdd:
		addAVX512(dst, x, up, n)
	}
}

func vectorAVX2(dst, x, up *float32, n int, f vecFunc) {
	switch f {
	case vecIdentity:
		identityAVX2(dst, x, up, n)
	case vecGELU:
		geluAVX2(dst, x, up, n)
	case vecGELUTanh:
		geluTanhAVX2(dst, x, up, n)
	case vecReLU:
		reluAVX2(dst, x, up, n)
	case vecSiLU:
		siluAVX2(dst, x, up, n)
	case vecTanh:
		tanhAVX2(dst, x, up, n)
	case vecSigmoid:
		sigmoidAVX2(dst, x, up, n)
	case vecExp:
		expAVX2(dst, x, up, n)
	case vecAdd:
		addAVX2(dst, x, up, n)
	}
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
//		dst[i] = f(x[i])
//		if up != nil {
//			dst[i] *= up[i]
//		}
//	}
//
// for n > 0; with AVX2, n is a multiple of 8. add is dst[i] = x[i] + up[i].

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
func expAVX512(dst, x, up *float32, n int)

//go:noescape
func addAVX512(dst, x, up *float32, n int)

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
func expAVX2(dst, x, up *float32, n int)

//go:noescape
func addAVX2(dst, x, up *float32, n int)

// scaleRowAVX512 is x[i] *= factor for i < n, n > 0.
//
//go:noescape
func scaleRowAVX512(x *float32, n int, factor float32)

// scaleRowAVX2 is x[i] *= factor for i < n, n > 0.
//
//go:noescape
func scaleRowAVX2(x *float32, n int, factor float32)
