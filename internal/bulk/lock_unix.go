//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package bulk

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock reports whether no other process writes to f; the lock ends with the process.
func lock(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != unix.EWOULDBLOCK
}
