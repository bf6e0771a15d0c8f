package kernels

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// softmax writes to dst the softmax of each row of scale·x + mask. mask is added
// after scaling: it has as many rows as x, or one for all, or none; −Inf leaves a
// number out. A row in which all are left out becomes zeros. dst may be x.
func softmax(dst, x Matrix, scale float32, mask Matrix) {
	var state [1]softmaxState
	for i := range x.Rows {
		row := dst.Row(i)
		copy(row, x.Row(i))
		scaleRow(row, scale)
		switch mask.Rows {
		case 0:
		case 1:
			addRow(row, row, mask.Row(0))
		default:
			addRow(row, row, mask.Row(i))
		}
		// Whole vectors first, then what is left over.
		s := &state[0]
		s.reset()
		full := len(row) / softmaxLanes * softmaxLanes
		weighRows(state[:], row, 0, full, log2eHigh)
		if full < len(row) {
			var rest [softmaxLanes]float32
			for j := copy(rest[:], row[full:]); j < len(rest); j++ {
				rest[j] = infinity
			}
			weighRows(state[:], rest[:], 0, len(rest), log2eHigh)
			scaleRow(row[:full], s.factor)
			copy(row[full:], rest[:])
		}
		scaleRow(row, s.inverse)
	}
}

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
				softmax(dst, x, scale, mask)
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
				softmax(own, own, scale, mask.Slice(min(1, max(0, masks-1)), masks).Slice(0, min(masks, 1)))
				sameBits(t, fmt.Sprint(n, " alone"), own, dst.Slice(1, 2))
			}
		}
		var none Matrix
		softmax(none, none, 1, none)
	})
}
