package kernels

import "unsafe"

// cacheLine is the alignment of packed memory: no vector straddles two lines.
const cacheLine = 64

// aligned allocates n zeros, aligned to a cache line. For large allocations it requests
// huge pages, which are read faster: the TLB covers too little memory in ordinary pages.
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

// Floats allocates n zeros for a matrix, aligned to a cache line and, if the system has
// them, in huge pages.
func Floats(n int) []float32 { return aligned[float32](n) }
