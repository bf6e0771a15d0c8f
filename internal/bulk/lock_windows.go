package bulk

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock says whether no other process writes to f; the lock ends with the process.
// It lies beyond all that is written, because Windows keeps others from reading
// what is locked.
func lock(f *os.File) bool {
	beyond := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, beyond)
	return err != windows.ERROR_LOCK_VIOLATION
}
