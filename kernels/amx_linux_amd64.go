//go:build !purego

package kernels

import (
	"sync"
	"syscall"

	"golang.org/x/sys/cpu"
)

// amxUsable reports whether the AMX tile registers exist and the system lets this process
// use them: Linux saves their state only for processes that request it.
var amxUsable = sync.OnceValue(func() bool {
	const (
		archReqXcompPerm = 0x1023
		tileData         = 18 // the number of the tile registers' state
	)
	if !cpu.X86.HasAMXTile || !cpu.X86.HasAMXInt8 {
		return false
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXcompPerm, tileData, 0)
	return errno == 0
})
