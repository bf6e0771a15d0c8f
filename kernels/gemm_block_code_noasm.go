//go:build purego || (!amd64 && !arm64)

package kernels

func widenScales(dst []float32, src []int8) { widenScalesPortable(dst, src) }

func widenIntegers(dst []int32, src []int8) { widenIntegersPortable(dst, src) }

func pairIntegers(dst, a, b []int8) { pairIntegersPortable(dst, a, b) }

func (c *blockCode) decode(dst, src []int8) { c.decodePortable(dst, src) }
