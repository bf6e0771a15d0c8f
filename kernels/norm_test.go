package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// meanAndDeviation are those of a row in float64, the deviation with eps.
func meanAndDeviation(x []float32, eps float64) (mean, deviation float64) {
	for _, v := range x {
		mean += float64(v) / float64(len(x))
	}
	for _, v := range x {
		deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
	}
	return mean, math.Sqrt(deviation + eps)
}

// layerNormWant is LayerNorm of a row in float64, or RMSNorm if mean is false.
func layerNormWant(x, gain, bias []float32, eps float32, withMean bool) []float64 {
	mean, deviation := meanAndDeviation(x, float64(eps))
	if !withMean {
		deviation, mean = math.Hypot(deviation, mean), 0
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (float64(v) - mean) / deviation
		if gain != nil {
			y[i] *= float64(gain[i])
		}
		if bias != nil {
			y[i] += float64(bias[i])
		}
	}
	return y
}

func closeRow(t *testing.T, what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	size := 1.0
	for _, w := range want {
		size = max(size, math.Abs(w))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i])-w) <= tolerance*size) {
			t.Fatalf("%s: [%d] = %v, want %v ± %v", what, i, got[i], w, tolerance*size)
		}
	}
}

func TestNorms(t *testing.T) {
	// Each operation of the float32 sums rounds by 2⁻²⁴; there are few in a lane.
	const tolerance = 1e-6
	everyFloatRung(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 3, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33, 63, 64, 65, 100, 128, 130, 384, 768, 1000, 1024, 4096} {
			for _, c := range []struct {
				name       string
				gain, bias bool
				mean, size float32
			}{
				{"plain", false, false, 0, 1},
				{"gain", true, false, 0, 1},
				{"bias", false, true, 0, 1},
				{"gain+bias", true, true, 3, 20},
				{"large mean", true, true, 100, 1},
				{"tiny", true, true, 0, 1e-4},
			} {
				what := fmt.Sprintf("%d %s", n, c.name)
				r := rand.New(rand.NewPCG(1, uint64(n)))
				x, dst := randomMatrix(r, 3, n, 2), randomMatrix(r, 3, n, 3)
				var gain, bias []float32
				if c.gain {
					gain = randomMatrix(r, 1, n, 0).Data
				}
				if c.bias {
					bias = randomMatrix(r, 1, n, 0).Data
				}
				for i := range x.Rows {
					for j := range x.Row(i) {
						x.Row(i)[j] = x.Row(i)[j]*c.size + c.mean
					}
				}
				LayerNorm(dst, x, gain, bias, 1e-5)
				for i := range x.Rows {
					// The mean itself is known to a few units of 2⁻²⁴ of it only.
					mean, deviation := meanAndDeviation(x.Row(i), 1e-5)
					closeRow(t, what, dst.Row(i), layerNormWant(x.Row(i), gain, bias, 1e-5, true), tolerance+0x1p-22*math.Abs(mean)/deviation)
				}
				if v := dst.Data[n]; v == v {
					t.Fatalf("%s: written past the row", what)
				}

				// A row alone, in place, elsewhere in memory: the same bits.
				own := make([]float32, n+1)[1:]
				copy(own, x.Row(1))
				one := Matrix{Data: own, Rows: 1, Cols: n, Stride: n}
				LayerNorm(one, one, gain, bias, 1e-5)
				sameBits(t, what+" alone", one, dst.Slice(1, 2))

				RMSNorm(dst, x, gain, 1e-6)
				for i := range x.Rows {
					closeRow(t, what+" rms", dst.Row(i), layerNormWant(x.Row(i), gain, nil, 1e-6, false), tolerance)
				}
				copy(own, x.Row(1))
				RMSNorm(one, one, gain, 1e-6)
				sameBits(t, what+" rms alone", one, dst.Slice(1, 2))
			}
		}
	})
}

func TestRMSNormHeads(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		for _, dim := range []int{6, 64, 128} {
			r := rand.New(rand.NewPCG(1, uint64(dim)))
			x, gain := randomMatrix(r, 2, 3*dim, 5), randomMatrix(r, 1, dim, 0).Data
			want := copyMatrix(x)
			for h := range 3 {
				head := want.Columns(h*dim, (h+1)*dim)
				RMSNorm(head, head, gain, 1e-6)
			}
			RMSNormHeads(x, x, dim, gain, 1e-6)
			sameBits(t, fmt.Sprint(dim), x, want)
		}
	})
}

func BenchmarkLayerNorm(b *testing.B) {
	for rung := range eachRung {
		for _, n := range []int{384, 768, 1024} {
			b.Run(fmt.Sprintf("%s/%d", rung, n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				x, gain, bias := randomMatrix(r, 16, n, 0), randomMatrix(r, 1, n, 0).Data, randomMatrix(r, 1, n, 0).Data
				for b.Loop() {
					LayerNorm(x, x, gain, bias, 1e-12)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(x.Rows), "ns/row")
			})
		}
	}
}
