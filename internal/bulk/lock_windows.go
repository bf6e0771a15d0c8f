package bulk

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock reports whether no other process writes to f; the lock ends with the process.
// The locked range is far beyond the written data, because Windows prevents others from
// reading it.
func lock(f *os.File) bool {
	beyond := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, beyond)
	return err != windows.ERROR_LOCK_VIOLATION
}
