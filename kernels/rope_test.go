package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// ropeTable is RopeTable for the frequencies of Su et al. 2021.
func ropeTable(headDim, maxPos int, theta float64) (cos, sin Matrix) {
	frequencies := make([]float64, headDim/2)
	for i := range frequencies {
		frequencies[i] = math.Pow(theta, -2*float64(i)/float64(headDim))
	}
	return RopeTable(frequencies, maxPos, 1)
}

func TestRotate(t *testing.T) {
	everyFloatRung(t, func(t *testing.T) {
		for _, dim := range []int{2, 6, 8, 24, 64, 80, 128} {
			for _, rotary := range []int{dim, dim / 4 * 2} {
				for _, interleaved := range []bool{false, true} {
					what := fmt.Sprint(dim, rotary, interleaved)
					cos, sin := ropeTable(rotary, 600, 10000)
					positions := []int32{0, 1, 599, 17}
					r := rand.New(rand.NewPCG(1, uint64(dim)))
					x := randomMatrix(r, len(positions), 3*dim, 3)
					was := copyMatrix(x)
					Rotate(x, positions, cos, sin, dim, interleaved)
					for i, p := range positions {
						want := make([]float64, 3*dim)
						for j, v := range was.Row(i) {
							want[j] = float64(v)
						}
						for h := 0; h < 3*dim; h += dim {
							for l := range rotary / 2 {
								a, b := h+l, h+l+rotary/2
								if interleaved {
									a, b = h+2*l, h+2*l+1
								}
								s, c := math.Sincos(float64(p) * math.Pow(10000, -2*float64(l)/float64(rotary)))
								want[a], want[b] = want[a]*c-want[b]*s, want[b]*c+want[a]*s
							}
						}
						closeRow(t, what, x.Row(i), want, 3e-7)
					}
				}
			}
		}
	})
}

func TestRopeTable(t *testing.T) {
	cos, sin := RopeTable([]float64{0.5}, 3, 2)
	for p := range 3 {
		if c, s := float32(2*math.Cos(0.5*float64(p))), float32(2*math.Sin(0.5*float64(p))); cos.Row(p)[0] != c || sin.Row(p)[0] != s {
			t.Errorf("position %d: %v, %v, want %v, %v", p, cos.Row(p)[0], sin.Row(p)[0], c, s)
		}
	}
}

func BenchmarkRotate(b *testing.B) {
	cos, sin := ropeTable(128, 16, 1e6)
	r := rand.New(rand.NewPCG(1, 2))
	x := randomMatrix(r, 16, 16*128, 0)
	positions := make([]int32, 16)
	for i := range positions {
		positions[i] = int32(i)
	}
	for _, interleaved := range []bool{false, true} {
		b.Run(fmt.Sprintf("interleaved=%v", interleaved), func(b *testing.B) {
			for b.Loop() {
				Rotate(x, positions, cos, sin, 128, interleaved)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/row")
		})
	}
}
