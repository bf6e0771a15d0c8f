//go:build !purego

package kernels

import "golang.org/x/sys/cpu"

const (
	rungAVX2 = 1 + iota
	rungAVXVNNI
	rungAVX512
	rungAVX512VNNI
	rungAMX
)

var archRungs = []string{"avx2", "avxvnni", "avx512", "avx512vnni", "amx"}

// available says whether this machine has rung i.
func available(i int) bool {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA && x.HasF16C
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ
	switch i {
	case 0:
		return true
	case rungAVX2:
		return avx2
	case rungAVXVNNI:
		return avx2 && x.HasAVXVNNI
	case rungAVX512:
		return avx512
	case rungAVX512VNNI:
		return avx512 && x.HasAVX512VNNI
	case rungAMX:
		return avx512 && x.HasAVX512VNNI && amxUsable()
	}
	return false
}

type cpuFeatures struct {
	avx2, avxvnni, avx512, avx512vnni, amx bool
}

func detect(rung int) cpuFeatures {
	has := func(i int) bool { return rung >= i && available(i) }
	return cpuFeatures{
		avx2:       has(rungAVX2),
		avxvnni:    has(rungAVXVNNI),
		avx512:     has(rungAVX512),
		avx512vnni: has(rungAVX512VNNI),
		amx:        has(rungAMX),
	}
}
