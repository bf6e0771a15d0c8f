package kernels

import "math"

// RopeTable returns the tables that Rotate reads: cosines and sines of position·frequency,
// with a row for each position from 0 to maxPos-1 and a column for each frequency. Without
// scaling, the frequencies are θ^(−2i/headDim) for i < headDim/2. Values are computed in
// float64, multiplied by factor (YaRN's attention factor; otherwise 1) and rounded once.
func RopeTable(frequencies []float64, maxPos int, factor float64) (cos, sin Matrix) {
	half := len(frequencies)
	cos = Matrix{Data: make([]float32, maxPos*half), Rows: maxPos, Cols: half, Stride: half}
	sin = Matrix{Data: make([]float32, maxPos*half), Rows: maxPos, Cols: half, Stride: half}
	for p := range maxPos {
		c, s := cos.Row(p), sin.Row(p)
		for i, f := range frequencies {
			y, x := math.Sincos(float64(p) * f)
			c[i], s[i] = float32(x*factor), float32(y*factor)
		}
	}
	return cos, sin
}

// Rotate applies rotary position embeddings (Su et al. 2021) to the heads of each row of x,
// headDim columns each. cos and sin are RopeTable's; if they have fewer than headDim/2
// columns, only the first 2·cos.Cols numbers of a head are rotated. The pairs are i and
// i+cos.Cols, as in GPT-NeoX and Hugging Face, or, if interleaved, 2i and 2i+1, as in the
// paper and in GGUF files of Llama.
//
// positions has a number for each row, below cos.Rows.
func Rotate(x Matrix, positions []int32, cos, sin Matrix, headDim int, interleaved bool) {
	half := cos.Cols
	if half == 0 {
		return
	}
	for i := range x.Rows {
		row, c, s := x.Row(i), cos.Row(int(positions[i])), sin.Row(int(positions[i]))
		for h := 0; h+headDim <= len(row); h += headDim {
			head := row[h : h+2*half]
			if interleaved {
				rotateInterleaved(head, c, s)
			} else {
				rotateHalves(head[:half], head[half:], c, s)
			}
		}
	}
}

// rotateHalvesPortable computes (x, y) = (x·cos − y·sin, y·cos + x·sin), number by number.
func rotateHalvesPortable(x, y, cos, sin []float32) {
	y, cos, sin = y[:len(x)], cos[:len(x)], sin[:len(x)]
	for i, a := range x {
		b := y[i]
		x[i] = float32(a*cos[i]) - float32(b*sin[i])
		y[i] = float32(b*cos[i]) + float32(a*sin[i])
	}
}

// rotateInterleaved is rotateHalves for the numbers at even and odd indices.
func rotateInterleaved(x, cos, sin []float32) {
	sin = sin[:len(cos)]
	x = x[:2*len(cos)]
	for i, c := range cos {
		a, b := x[2*i], x[2*i+1]
		x[2*i] = float32(a*c) - float32(b*sin[i])
		x[2*i+1] = float32(b*c) + float32(a*sin[i])
	}
}
