//go:build !purego

package kernels

// weighRows is weighRowsPortable.
func weighRows(s []softmaxState, scores []float32, stride, n int, c float32) {
	switch {
	case len(s) == 0 || n == 0:
	case features.avx512:
		weighRowsAVX512(&s[0], len(s), &scores[0], uintptr(4*stride), n, c, false, true)
	case features.avx2:
		weighRowsAVX2(&s[0], len(s), &scores[0], uintptr(4*stride), n, c)
	default:
		weighRowsPortable(s, scores, stride, n, c)
	}
}

// weighRowsAVX512 is weighRows, or weighBF16 if bf16, with c = 1, for rows > 0 and n > 0;
// stride is in bytes. It computes the inverses of the sums if last or not bf16.
//
//go:noescape
func weighRowsAVX512(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32, bf16, last bool)

// weighRowsAVX2 is weighRows for rows > 0 and n > 0, with the same bits; stride is in
// bytes.
//
//go:noescape
func weighRowsAVX2(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32)
