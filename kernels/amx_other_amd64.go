//go:build !purego && !linux

package kernels

// amxUsable reports whether the AMX tile registers exist and the system lets this process
// use them: only Linux is known to.
func amxUsable() bool { return false }
