package compute

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// A RelativeBias is a learned bias on the score of a query and a key, by their distance
// (Raffel et al. 2019: T5; MPNet): a number per head and bucket of distances.
type RelativeBias struct {
	weights Matrix // a row per bucket, a column per head
	bucket  func(distance int) int

	mu    sync.Mutex
	table atomic.Pointer[biasTable]
}

// biasTable has a row per head: element reach+d is for a key d positions to the right
// of the query.
type biasTable struct {
	rows  Matrix
	reach int
}

// NewRelativeBias adds weights, a row per bucket and a column per head. bucket returns
// the bucket of a key that many positions to the right of the query or, if negative,
// the left.
func NewRelativeBias(weights Matrix, bucket func(distance int) int) *RelativeBias {
	return &RelativeBias{weights: weights, bucket: bucket}
}

// RelativeBucket is the bucket of a distance as in T5 and MPNet: near distances have
// one each, farther ones share ever wider buckets up to maxDistance. If bidirectional,
// keys to the right of the query use the second half of the buckets; otherwise they use
// the bucket of distance 0. It is computed in float32, as in the authors' code.
func RelativeBucket(distance, buckets, maxDistance int, bidirectional bool) int {
	first := 0
	switch {
	case !bidirectional:
		distance = max(-distance, 0)
	default:
		buckets /= 2
		if distance > 0 {
			first = buckets
		}
		distance = max(distance, -distance)
	}
	exact := buckets / 2
	if distance < exact {
		return first + distance
	}
	far := float32(math.Log(float64(float32(distance) / float32(exact))))
	far /= float32(math.Log(float64(maxDistance) / float64(exact)))
	return first + min(exact+int(far*float32(buckets-exact)), buckets-1)
}

// tableFor returns a table that covers at least the distances between n tokens.
func (b *RelativeBias) tableFor(n int) *biasTable {
	if t := b.table.Load(); t != nil && t.reach >= n-1 {
		return t
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.table.Load()
	if t == nil || t.reach < n-1 {
		reach := 511
		for reach < n-1 {
			reach = 2*reach + 1
		}
		size := 2*reach + 1
		rows := Matrix{Data: kernels.Floats(b.weights.Cols * size), Rows: b.weights.Cols, Cols: size, Stride: size}
		for d := -reach; d <= reach; d++ {
			for head, v := range b.weights.Row(b.bucket(d)) {
				rows.Row(head)[reach+d] = v
			}
		}
		t = &biasTable{rows, reach}
		b.table.Store(t)
	}
	return t
}
