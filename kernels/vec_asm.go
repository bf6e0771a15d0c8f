//go:build (amd64 || arm64) && !purego

package kernels

// vecConstants returns the constants of the assembly, masks included, in the order of
// vec_amd64.h and vec_arm64.h.
func vecConstants(masks ...float32) []float32 {
	constants := []float32{
		log2eHigh, log2eLow, roundMagic, exp2Min,
		exp2C5, exp2C4, exp2C3, exp2C2, exp2C1, 1,
	}
	constants = append(constants, masks...)
	constants = append(constants,
		geluStep, geluMax, sigmoidMax,
		tanhC4, tanhC3, tanhC2, tanhC1, tanhC0, tanhSmall, -2,
		geluTanh3, geluTanh1,
	)
	for i := range geluC {
		constants = append(constants, geluC[len(geluC)-1-i])
	}
	return append(constants, softmaxStart, quickGELU1)
}

// vectorWhole is vector by whole vectors: the numbers left over are computed in a copy.
func vectorWhole(dst, x, up []float32, act Activation) {
	n := len(dst)
	x = x[:n]
	full := n / lanes * lanes
	if full > 0 {
		vectorSIMD(&dst[0], &x[0], pointer(up, n), full, act)
	}
	if full < n {
		var a, b [lanes]float32
		copy(a[:], x[full:])
		var u *float32
		if up != nil {
			copy(b[:], up[full:n])
			u = &b[0]
		}
		vectorSIMD(&a[0], &a[0], u, lanes, act)
		copy(dst[full:], a[:])
	}
}

func vectorSIMD(dst, x, up *float32, n int, act Activation) {
	switch act {
	case Identity:
		identitySIMD(dst, x, up, n)
	case GELU:
		geluSIMD(dst, x, up, n)
	case GELUTanh:
		geluTanhSIMD(dst, x, up, n)
	case ReLU:
		reluSIMD(dst, x, up, n)
	case SiLU:
		siluSIMD(dst, x, up, n)
	case Tanh:
		tanhSIMD(dst, x, up, n)
	case Sigmoid:
		sigmoidSIMD(dst, x, up, n)
	case QuickGELU:
		quickGELUSIMD(dst, x, up, n)
	case ReLUSquared:
		reluSquaredSIMD(dst, x, up, n)
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
// for n a multiple of lanes above 0.

//go:noescape
func identitySIMD(dst, x, up *float32, n int)

//go:noescape
func geluSIMD(dst, x, up *float32, n int)

//go:noescape
func geluTanhSIMD(dst, x, up *float32, n int)

//go:noescape
func reluSIMD(dst, x, up *float32, n int)

//go:noescape
func siluSIMD(dst, x, up *float32, n int)

//go:noescape
func tanhSIMD(dst, x, up *float32, n int)

//go:noescape
func sigmoidSIMD(dst, x, up *float32, n int)

//go:noescape
func quickGELUSIMD(dst, x, up *float32, n int)

//go:noescape
func reluSquaredSIMD(dst, x, up *float32, n int)
