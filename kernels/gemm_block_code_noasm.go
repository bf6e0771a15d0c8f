//go:build purego || (!amd64 && !arm64)

package kernels

func widenScales(dst []float32, src []int8) { widenScalesPortable(dst, src) }

func scaleIntegers(dst, factors []float32, src []int8) { scaleIntegersPortable(dst, factors, src) }

func (c *blockCode) decode(dst, src []int8) { c.decodePortable(dst, src) }
