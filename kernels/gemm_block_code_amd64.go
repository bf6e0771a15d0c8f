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

// scaleIntegers is scaleIntegersPortable. dst is a panel's columns.
func scaleIntegers(dst, factors []float32, src []int8) {
	if n := len(dst); features.avx2 && n%8 == 0 {
		scaleIntegersAVX2(&dst[0], &factors[:n][0], &src[:n][0], n)
		return
	}
	scaleIntegersPortable(dst, factors, src)
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

// scaleIntegersAVX2 is dst[i] = factors[i] * float32(src[i]) for i < n, n a
// multiple of 8 above zero.
//
//go:noescape
func scaleIntegersAVX2(dst, factors *float32, src *int8, n int)

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
