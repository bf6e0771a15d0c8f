//go:build !purego

package kernels

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

const (
	rungNEON = 1 + iota
	rungDotProd
	rungI8MM
)

var archRungs = []string{"neon", "dotprod", "i8mm"}

// available says whether this machine has rung i. NEON is part of the
// architecture. On macOS and Windows x/sys/cpu may not see the optional bits:
// every Mac with an arm64 processor has SDOT.
func available(i int) bool {
	switch i {
	case 0, rungNEON:
		return true
	case rungDotProd:
		return cpu.ARM64.HasASIMDDP || runtime.GOOS == "darwin"
	case rungI8MM:
		return cpu.ARM64.HasI8MM
	}
	return false
}

type cpuFeatures struct {
	neon, dotprod, i8mm bool
}

func detect(rung int) cpuFeatures {
	has := func(i int) bool { return rung >= i && available(i) }
	return cpuFeatures{neon: has(rungNEON), dotprod: has(rungDotProd), i8mm: has(rungI8MM)}
}
