package kernels

import (
	"math"
	"unsafe"
)

// A softmaxState is what is known of a row of scores that comes in pieces.
type softmaxState struct {
	sum     [softmaxLanes]float32 // of the weights 2^(c·(score − max)), in lanes
	max     float32               // the largest score
	factor  float32               // by which the last piece has changed the weights of those before it
	inverse float32               // 1/sum, or 0 if the sum is 0
	_       [13]float32
}

// softmaxLanes is the number of sums: what a piece's length is a multiple of.
const softmaxLanes = 16

// The assembly knows where the fields are.
var _ = [1]struct{}{}[unsafe.Sizeof(softmaxState{})-128]

// softmaxStart is below any score, but finite: minus itself it is 0.
const softmaxStart = -0x1p100

func (s *softmaxState) reset() { *s = softmaxState{max: softmaxStart} }

// weighRowsPortable is the definition of weighRows. Row r of scores, at r·stride,
// is the next piece of s[r], n numbers long, a multiple of softmaxLanes. The scores
// are replaced by their weights 2^(c·(score − max)), where max is the largest score
// of all pieces so far; a score of −Inf gets the weight 0. c is positive.
func weighRowsPortable(s []softmaxState, scores []float32, stride, n int, c float32) {
	for r := range s {
		s[r].weigh(scores[r*stride:][:n], c)
	}
}

func (s *softmaxState) weigh(row []float32, c float32) {
	s.weighSums(row, c, func(i int, w float32) float32 {
		row[i] = w
		return w
	})
}

// weighSums is weigh for weights of which put says, once it has written one, by
// how much the sum grows.
func (s *softmaxState) weighSums(row []float32, c float32, put func(i int, w float32) float32) {
	m := s.max
	for _, x := range row {
		m = max(m, x)
	}
	s.factor = exp2(float32((s.max - m) * c))
	s.max = m
	for i := range s.sum {
		s.sum[i] *= s.factor
	}
	for i, x := range row {
		s.sum[i%softmaxLanes] += put(i, exp2(float32((x-m)*c)))
	}
	t := s.sum
	for n := softmaxLanes / 2; n > 0; n /= 2 {
		for i := range n {
			t[i] += t[i+n]
		}
	}
	s.inverse = 0
	if t[0] != 0 {
		s.inverse = 1 / t[0]
	}
}

// infinity is −Inf, the score of what must not be seen.
var infinity = float32(math.Inf(-1))
