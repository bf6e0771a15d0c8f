//go:build !purego

package kernels

// widenScales is widenScalesPortable. dst is a panel's columns.
func widenScales(dst []float32, src []int8) {
	if n := len(dst); features.avx2 && n%8 == 0 {
		widenScalesAVX2(&dst[0], &src[:2*n][0], n)
		return
	}
	widenScalesPortable(dst, src)
}

// widenIntegers is widenIntegersPortable. dst is a panel's columns.
func widenIntegers(dst []int32, src []int8) {
	if n := len(dst); features.avx2 && n%16 == 0 {
		widenIntegersAVX2(&dst[0], &src[:n][0], n)
		return
	}
	widenIntegersPortable(dst, src)
}

// pairIntegers is pairIntegersPortable. a and b are a panel's columns.
func pairIntegers(dst, a, b []int8) {
	if n := len(a); features.avx2 && n%16 == 0 {
		pairIntegersAVX2(&dst[:4*n][0], &a[0], &b[:n][0], n)
		return
	}
	pairIntegersPortable(dst, a, b)
}

// decode is decodePortable.
func (c *blockCode) decode(dst, src []int8) {
	runs := len(dst) / codeRun
	if !features.avx2 || runs == 0 {
		c.decodePortable(dst, src)
		return
	}
	_ = src[:runs*codeRun/8*c.bits]
	switch c.bits {
	case 4:
		decode4AVX2(&dst[0], &src[0], runs, &c.table)
	case 5:
		decode5AVX2(&dst[0], &src[0], runs, c.bias)
	case 6:
		decode6AVX2(&dst[0], &src[0], runs, c.bias)
	}
}

// widenScalesAVX2 widens n float16 numbers, n a multiple of 8 above zero.
//
//go:noescape
func widenScalesAVX2(dst *float32, src *int8, n int)

// widenIntegersAVX2 widens n integers, n a multiple of 16 above zero.
//
//go:noescape
func widenIntegersAVX2(dst *int32, src *int8, n int)

// pairIntegersAVX2 widens n integers of a and of b to 16 bits, one of a beside one
// of b, n a multiple of 16 above zero.
//
//go:noescape
func pairIntegersAVX2(dst, a, b *int8, n int)

// decode4AVX2 is decodePortable of runs runs of 4-bit codes, at least one.
//
//go:noescape
func decode4AVX2(dst, src *int8, runs int, table *[16]int8)

// decode5AVX2 is decode4AVX2 for 5-bit codes.
//
//go:noescape
func decode5AVX2(dst, src *int8, runs int, bias int8)

// decode6AVX2 is decode4AVX2 for 6-bit codes.
//
//go:noescape
func decode6AVX2(dst, src *int8, runs int, bias int8)
