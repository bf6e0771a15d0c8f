//go:build purego || (!amd64 && !arm64)

package kernels

func layerNorm(dst, x, gain, bias []float32, eps float32) { layerNormPortable(dst, x, gain, bias, eps) }

func rmsNorm(dst, x, gain []float32, eps float32) { rmsNormPortable(dst, x, gain, eps) }
