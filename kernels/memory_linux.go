package kernels

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// preferHugePages asks for huge pages for those of n bytes that fill such a page.
func preferHugePages(p unsafe.Pointer, n int) {
	first := int(-uintptr(p) % hugePage)
	if n = (n - first) / hugePage * hugePage; n > 0 {
		// Where the system has none, ordinary ones do.
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, first)), n), unix.MADV_HUGEPAGE)
	}
}
