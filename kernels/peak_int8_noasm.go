//go:build purego || (!amd64 && !arm64)

package kernels

func byteProducts(rung string, n int) int {
	if rung != rungs[0] {
		return 0
	}
	return byteProductsPortable(n)
}
