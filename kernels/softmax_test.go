package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestSoftmax(t *testing.T) {
	// Scores of about 10 are rounded by 2⁻²¹, which their weights are then off by.
	const tolerance = 3e-6
	everyFloatRung(t, func(t *testing.T) {
		for _, n := range []int{1, 2, 5, 15, 16, 17, 31, 32, 33, 100, 512, 1000} {
			for _, masks := range []int{0, 1, 3} {
				r := rand.New(rand.NewPCG(1, uint64(n)))
				x, mask, dst := randomMatrix(r, 3, n, 2), randomMatrix(r, masks, n, 1), randomMatrix(r, 3, n, 3)
				for i := range masks {
					for j := range mask.Row(i) {
						if r.IntN(3) == 0 {
							mask.Row(i)[j] = infinity
						}
					}
				}
				const scale = 2.5
				Softmax(dst, x, scale, mask)
				for i := range x.Rows {
					want, sum, most := make([]float64, n), 0.0, math.Inf(-1)
					for j, v := range x.Row(i) {
						want[j] = scale * float64(v)
						if masks > 0 {
							want[j] += float64(mask.Row(i % masks)[j])
						}
						most = max(most, want[j])
					}
					for j := range want {
						want[j] = math.Exp(want[j] - max(most, -1e30))
						sum += want[j]
					}
					for j, w := range want {
						if sum > 0 {
							w /= sum
						}
						got := float64(dst.Row(i)[j])
						if !(math.Abs(got-w) <= tolerance*(w+1e-3)) || w == 0 && got != 0 {
							t.Fatalf("%d numbers, %d masks: [%d][%d] = %v, want %v", n, masks, i, j, got, w)
						}
					}
				}
				if v := dst.Data[n]; v == v {
					t.Fatalf("%d numbers: written past the row", n)
				}
				own := copyMatrix(x.Slice(1, 2))
				Softmax(own, own, scale, mask.Slice(min(1, max(0, masks-1)), masks).Slice(0, min(masks, 1)))
				sameBits(t, fmt.Sprint(n, " alone"), own, dst.Slice(1, 2))
			}
		}
		var none Matrix
		Softmax(none, none, 1, none)
	})
}
