//go:build !purego

package kernels

// widenScales is widenScalesPortable. dst is a panel's columns.
func widenScales(dst []float32, src []int8) {
	if n := len(dst); features.neon && n%4 == 0 {
		widenScalesNEON(&dst[0], &src[:2*n][0], n)
		return
	}
	widenScalesPortable(dst, src)
}

// widenIntegers is widenIntegersPortable. dst is a panel's columns.
func widenIntegers(dst []int32, src []int8) {
	if n := len(dst); features.neon && n%8 == 0 {
		widenIntegersNEON(&dst[0], &src[:n][0], n)
		return
	}
	widenIntegersPortable(dst, src)
}

// pairIntegers is pairIntegersPortable. a and b are a panel's columns.
func pairIntegers(dst, a, b []int8) {
	if n := len(a); features.neon && n%8 == 0 {
		pairIntegersNEON(&dst[:4*n][0], &a[0], &b[:n][0], n)
		return
	}
	pairIntegersPortable(dst, a, b)
}

// decode is decodePortable.
func (c *blockCode) decode(dst, src []int8) {
	runs := len(dst) / codeRun
	if !features.neon || runs == 0 {
		c.decodePortable(dst, src)
		return
	}
	_ = src[:runs*codeRun/8*c.bits]
	switch c.bits {
	case 4:
		decode4NEON(&dst[0], &src[0], runs, &c.table)
	case 5:
		decode5NEON(&dst[0], &src[0], runs, c.bias)
	case 6:
		decode6NEON(&dst[0], &src[0], runs, c.bias)
	}
}

// widenScalesNEON widens n float16 numbers, n a multiple of 4 above zero.
//
//go:noescape
func widenScalesNEON(dst *float32, src *int8, n int)

// widenIntegersNEON widens n integers, n a multiple of 8 above zero.
//
//go:noescape
func widenIntegersNEON(dst *int32, src *int8, n int)

// pairIntegersNEON widens n integers of a and of b to 16 bits, one of a beside one
// of b, n a multiple of 8 above zero.
//
//go:noescape
func pairIntegersNEON(dst, a, b *int8, n int)

// decode4NEON is decodePortable of runs runs of 4-bit codes, at least one.
//
//go:noescape
func decode4NEON(dst, src *int8, runs int, table *[16]int8)

// decode5NEON is decode4NEON for 5-bit codes.
//
//go:noescape
func decode5NEON(dst, src *int8, runs int, bias int8)

// decode6NEON is decode4NEON for 6-bit codes.
//
//go:noescape
func decode6NEON(dst, src *int8, runs int, bias int8)
