package kernels

import "math"

// LayerNorm normalises each row of x to mean 0 and variance 1, multiplies it by gain and
// adds bias (Ba et al. 2016):
//
//	dst = (x − mean)/√(variance + eps) · gain + bias
//
// gain and bias are as long as a row, or nil. dst may be x.
//
// The variance is computed from x − mean in a second pass, so that a large mean costs no
// accuracy: as far as x−mean is exact, an output's error is below 1e-6 times the largest
// |gain|·|x−mean|/√(variance+eps) of its row.
func LayerNorm(dst, x Matrix, gain, bias []float32, eps float32) {
	for i := range x.Rows {
		layerNorm(dst.Row(i), x.Row(i), gain, bias, eps)
	}
}

// RMSNorm divides each row of x by its root mean square and multiplies by gain (Zhang
// and Sennrich 2019):
//
//	dst = x/√(mean(x²) + eps) · gain
//
// gain is as long as a row, or nil. dst may be x.
func RMSNorm(dst, x Matrix, gain []float32, eps float32) {
	for i := range x.Rows {
		rmsNorm(dst.Row(i), x.Row(i), gain, eps)
	}
}

// RMSNormHeads is RMSNorm for each head, headDim columns of a row, with the same gain for
// all: the QK norm of Qwen3 and Gemma 3. The number of columns of x is a multiple of
// headDim.
func RMSNormHeads(dst, x Matrix, headDim int, gain []float32, eps float32) {
	for i := range x.Rows {
		to, from := dst.Row(i), x.Row(i)
		for j := 0; j+headDim <= len(from); j += headDim {
			rmsNorm(to[j:j+headDim], from[j:j+headDim], gain, eps)
		}
	}
}

func layerNormPortable(dst, x, gain, bias []float32, eps float32) {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		squares += d * d
	}
	inverse := 1 / math.Sqrt(squares/float64(len(x))+float64(eps))
	for i, v := range x {
		y := float32((float64(v) - mean) * inverse)
		if gain != nil {
			y = float32(y * gain[i])
		}
		if bias != nil {
			y += bias[i]
		}
		dst[i] = y
	}
}

func rmsNormPortable(dst, x, gain []float32, eps float32) {
	var squares float64
	for _, v := range x {
		squares += float64(v) * float64(v)
	}
	inverse := float32(1 / math.Sqrt(squares/float64(len(x))+float64(eps)))
	if gain == nil {
		for i, v := range x {
			dst[i] = v * inverse
		}
		return
	}
	for i, v := range x {
		dst[i] = float32(v*inverse) * gain[i]
	}
}
