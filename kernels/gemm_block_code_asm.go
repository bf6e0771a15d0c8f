//go:build (amd64 || arm64) && !purego

package kernels

// widenScales is widenScalesPortable. dst is a panel's columns.
func widenScales(dst []float32, src []int8) {
	if n := len(dst); hasSIMD() && n%lanes == 0 {
		widenScalesSIMD(&dst[0], &src[:2*n][0], n)
		return
	}
	widenScalesPortable(dst, src)
}

// widenIntegers is widenIntegersPortable. dst is a panel's columns.
func widenIntegers(dst []int32, src []int8) {
	if n := len(dst); hasSIMD() && n%(2*lanes) == 0 {
		widenIntegersSIMD(&dst[0], &src[:n][0], n)
		return
	}
	widenIntegersPortable(dst, src)
}

// pairIntegers is pairIntegersPortable. a and b are a panel's columns.
func pairIntegers(dst, a, b []int8) {
	if n := len(a); hasSIMD() && n%(2*lanes) == 0 {
		pairIntegersSIMD(&dst[:4*n][0], &a[0], &b[:n][0], n)
		return
	}
	pairIntegersPortable(dst, a, b)
}

// decode is decodePortable.
func (c *blockCode) decode(dst, src []int8) {
	runs := len(dst) / codeRun
	if !hasSIMD() || runs == 0 {
		c.decodePortable(dst, src)
		return
	}
	_ = src[:runs*codeRun/8*c.bits]
	switch c.bits {
	case 4:
		decode4SIMD(&dst[0], &src[0], runs, &c.table)
	case 5:
		decode5SIMD(&dst[0], &src[0], runs, c.bias)
	case 6:
		decode6SIMD(&dst[0], &src[0], runs, c.bias)
	}
}

// widenScalesSIMD converts n float16 numbers, n a multiple of lanes above 0.
//
//go:noescape
func widenScalesSIMD(dst *float32, src *int8, n int)

// widenIntegersSIMD widens n integers, n a multiple of 2·lanes above 0.
//
//go:noescape
func widenIntegersSIMD(dst *int32, src *int8, n int)

// pairIntegersSIMD widens n integers of a and of b to 16 bits, alternating between a and
// b; n is a multiple of 2·lanes above 0.
//
//go:noescape
func pairIntegersSIMD(dst, a, b *int8, n int)

// decode4SIMD is decodePortable for runs of 4-bit codes, at least one.
//
//go:noescape
func decode4SIMD(dst, src *int8, runs int, table *[16]int8)

// decode5SIMD is decode4SIMD for 5-bit codes.
//
//go:noescape
func decode5SIMD(dst, src *int8, runs int, bias int8)

// decode6SIMD is decode4SIMD for 6-bit codes.
//
//go:noescape
func decode6SIMD(dst, src *int8, runs int, bias int8)
