package compute

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// A RelativeBias is what a model has learnt to add to the score of a query and a key by
// their distance (Raffel et al. 2019: T5; MPNet): a number for each head and each
// bucket of distances.
type RelativeBias struct {
	weights Matrix // a row a bucket, a column a head
	bucket  func(distance int) int

	mu    sync.Mutex
	table atomic.Pointer[biasTable]
}

// biasTable has a row a head: element reach+d is of a key d places to the right of the
// query.
type biasTable struct {
	rows  Matrix
	reach int
}

// NewRelativeBias adds weights, a row a bucket and a column a head. bucket is that of a
// key so many places to the right of the query, or, if negative, to the left.
func NewRelativeBias(weights Matrix, bucket func(distance int) int) *RelativeBias {
	return &RelativeBias{weights: weights, bucket: bucket}
}

// RelativeBucket is the bucket of a distance as T5 and MPNet have it: near distances have
// one each, farther ones share ever wider ones up to farthest. Both ways, keys to the
// right of the query have the second half of the buckets; otherwise they have that of
// distance 0. It is computed in float32, as the models' authors do.
func RelativeBucket(distance, buckets, farthest int, bothWays bool) int {
	first := 0
	switch {
	case !bothWays:
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
	far /= float32(math.Log(float64(farthest) / float64(exact)))
	return first + min(exact+int(far*float32(buckets-exact)), buckets-1)
}

// upTo is a table for the distances between n tokens, at least.
func (b *RelativeBias) upTo(n int) *biasTable {
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
