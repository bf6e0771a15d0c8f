//go:build purego || (!amd64 && !arm64)

package kernels

func multiplyAdds(n int) int { return multiplyAddsPortable(n) }
