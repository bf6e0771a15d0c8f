package engine

import (
	"math"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// Normalize scales v to length 1 in place. A zero vector is left unchanged.
func Normalize(v []float32) { checkpoint.Normalize(v) }

// finite reports whether all elements of v are finite.
func finite(v []float32) bool {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}

// dot returns Σ xᵢ·yᵢ, accumulated in eight partial sums.
func dot(x, y []float32) float32 {
	y = y[:len(x)]
	var s [8]float32
	for ; len(x) >= 8; x, y = x[8:], y[8:] {
		for k := range s {
			s[k] += float32(x[k] * y[k])
		}
	}
	for k, v := range x {
		s[k] += float32(v * y[k])
	}
	return s[0] + s[4] + (s[1] + s[5]) + (s[2] + s[6]) + (s[3] + s[7])
}

// cosine returns the cosine similarity as PyTorch computes it: each norm is at least 1e-8.
func cosine(a, b []float64) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		ab += x * b[i]
		aa += x * x
		bb += b[i] * b[i]
	}
	const minNorm = 1e-8
	return ab / (max(math.Sqrt(aa), minNorm) * max(math.Sqrt(bb), minNorm))
}

func toFloat64(v []float32) []float64 {
	d := make([]float64, len(v))
	for i, x := range v {
		d[i] = float64(x)
	}
	return d
}

// clone copies x out of the memory that workers use again.
func clone(x compute.Matrix) compute.Matrix {
	y := compute.Matrix{Data: make([]float32, x.Rows*x.Cols), Rows: x.Rows, Cols: x.Cols, Stride: x.Cols}
	for i := range x.Rows {
		copy(y.Row(i), x.Row(i))
	}
	return y
}

// softCap replaces each x in row by limit·tanh(x/limit). If limit is 0, it does nothing.
func softCap(row []float32, limit float32) {
	if limit == 0 {
		return
	}
	for j, v := range row {
		row[j] = limit * float32(math.Tanh(float64(v/limit)))
	}
}
