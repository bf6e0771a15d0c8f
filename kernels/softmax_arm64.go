//go:build !purego

package kernels

// weighRows is weighRowsPortable.
func weighRows(s []softmaxState, scores []float32, stride, n int, c float32) {
	switch {
	case len(s) == 0 || n == 0:
	case features.neon:
		weighRowsNEON(&s[0], len(s), &scores[0], uintptr(4*stride), n, c)
	default:
		weighRowsPortable(s, scores, stride, n, c)
	}
}

// weighRowsNEON is weighRows for rows > 0 and n > 0; stride is in bytes.
//
//go:noescape
func weighRowsNEON(s *softmaxState, rows int, scores *float32, stride uintptr, n int, c float32)
