//go:build unix

package mapfile

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapIn(f *os.File, size int) ([]byte, error) {
	return unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
}

func mapOut(data []byte) error { return unix.Munmap(data) }

// release is only advice: if it fails, the memory is kept.
func release(pages []byte) { _ = unix.Madvise(pages, unix.MADV_DONTNEED) }
