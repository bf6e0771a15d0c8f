//go:build purego || (!amd64 && !arm64)

package kernels

var archRungs []string

func available(i int) bool { return i == 0 }

type cpuFeatures struct{}

func detect(int) cpuFeatures { return cpuFeatures{} }
