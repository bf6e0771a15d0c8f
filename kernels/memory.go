package kernels

import "unsafe"

// cacheLine is the alignment of packed memory: a vector never straddles two
// lines.
const cacheLine = 64

// aligned makes n zeros that begin at a cache line. Where many are made, the system
// is asked to have them in huge pages, which are read faster: of the addresses of
// ordinary ones, the machine knows too few at a time.
func aligned[T int8 | uint16 | float32](n int) []T {
	if n == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(*new(T)))
	s := make([]T, n+cacheLine/size-1)
	preferHugePages(unsafe.Pointer(&s[0]), len(s)*size)
	o := int(-uintptr(unsafe.Pointer(&s[0])) % cacheLine / uintptr(size))
	return s[o : o+n : o+n]
}

// Floats makes n zeros, for matrices: they begin at a cache line, and in huge pages
// where the system has these.
func Floats(n int) []float32 { return aligned[float32](n) }
