package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// preferHugePages requests huge pages for the n bytes at p, as far as they fill such pages.
func preferHugePages(p unsafe.Pointer, n int) {
	first := int(-uintptr(p) % hugePage)
	if n = (n - first) / hugePage * hugePage; n > 0 {
		// Without huge pages, ordinary ones will do.
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, first)), n), unix.MADV_HUGEPAGE)
	}
}
