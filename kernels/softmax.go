package kernels

import (
	"math"
	"unsafe"
)

// A softmaxState is the running state of a row of scores that arrives in pieces.
type softmaxState struct {
	sum     [softmaxLanes]float32 // of the weights 2^(c·(score − max)), in lanes
	max     float32               // the largest score
	factor  float32               // of the weights of earlier pieces, because of the last one
	inverse float32               // 1/sum, or 0 if the sum is 0
	_       [13]float32
}

// softmaxLanes is the number of sums. The length of a piece is a multiple of it.
const softmaxLanes = 16

// The assembly depends on the offsets of the fields.
var _ = [1]struct{}{}[unsafe.Sizeof(softmaxState{})-128]

// softmaxStart is below any score, but finite: minus itself it is 0.
const softmaxStart = -0x1p100

func (s *softmaxState) reset() { *s = softmaxState{max: softmaxStart} }

// weighRowsPortable is the definition of weighRows. Row r of scores, at r·stride, is the
// next piece of s[r], n numbers long, a multiple of softmaxLanes. It replaces the scores
// by their weights 2^(c·(score − max)), where max is the largest score of all pieces so
// far; a score of −Inf gets weight 0. c is positive.
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

// weighSums is weigh, except that put writes each weight and returns what is added to the
// sum.
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

// infinity is −Inf, the score of masked keys.
var infinity = float32(math.Inf(-1))
