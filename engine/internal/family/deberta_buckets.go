package family

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/kernels"
)

// DeBERTa's relative positions: buckets of distances and their vectors.

// relative reads which terms scores have, and returns the bucket rows of the distances
// −(length−1) to length−1.
func (m *deberta) relative(f *checkpoint.File, length int) []int32 {
	s := &m.settings
	for _, term := range s.RelativeTerms {
		switch strings.ToLower(term) {
		case "c2p":
			m.c2p = true
		case "p2c":
			m.p2c = true
		case "", "none":
		default:
			f.Unsupported(fmt.Sprintf("pos_att_type %q", checkpoint.Abridge(term)), "winnow computes c2p and p2c")
		}
	}
	terms := 1
	if m.c2p {
		terms++
	}
	if m.p2c {
		terms++
	}
	m.scale = float32(1 / math.Sqrt(float64(s.HiddenSize/s.Heads*terms)))
	if !s.Relative {
		m.c2p, m.p2c = false, false
	}
	maxDistance := s.MaxRelative
	if maxDistance < 1 {
		maxDistance = s.MaxPositions
	}
	span := maxDistance // buckets on each side of distance 0
	if s.BucketCount > 0 {
		span = s.BucketCount
		if s.Relative && maxDistance-1 <= s.BucketCount/2 {
			f.Fail(keyBuckets, strconv.Itoa(s.BucketCount), fmt.Sprintf("less than twice the farthest distance %d", maxDistance-1))
		}
	}
	if s.Relative {
		s.BucketRows = 2 * span
	}
	s.BucketsNormed = slices.Contains(strings.FieldsFunc(strings.ToLower(s.NormBuckets), isBar), "layer_norm")
	s.BucketKeys, s.SharedKeys = m.c2p && !s.ShareKeys, m.c2p && s.ShareKeys
	s.BucketQueries, s.SharedQueries = m.p2c && !s.ShareKeys, m.p2c && s.ShareKeys

	if f.Err() != nil || !m.c2p && !m.p2c {
		return nil
	}
	rows := make([]int32, 2*length-1)
	for i := range rows {
		b := i - (length - 1)
		if s.BucketCount > 0 {
			b = bucket(b, s.BucketCount, maxDistance)
		}
		rows[i] = int32(min(max(b+span, 0), 2*span-1))
	}
	return rows
}

func isBar(c rune) bool { return c == '|' || c == ' ' }

// bucket is the bucket of a distance, counted from 0 on each side: one per distance up
// to half of the buckets, then shared by ever more distances up to maxDistance. It is
// computed in float32, as in the authors' code.
func bucket(distance, buckets, maxDistance int) int {
	mid := buckets / 2
	far := max(distance, -distance)
	if far <= mid {
		return distance
	}
	log := func(x float32) float32 { return float32(math.Log(float64(x))) }
	steps := log(float32(far)/float32(mid)) / log(float32(float64(maxDistance-1)/float64(mid)))
	b := int(math.Ceil(float64(steps*float32(mid-1)))) + mid
	if distance < 0 {
		return -b
	}
	return b
}

// projectBuckets computes the vectors of the buckets, which depend only on the weights,
// layer by layer on the workers. It returns their size in bytes.
//
// They are computed a single time, in float32 at any precision: for each batch they
// would cost as much as about a hundred more tokens, and their rounding error would be
// the same for all pairs of tokens.
func (m *deberta) projectBuckets(f *checkpoint.File, r *compute.Runner, buckets []int32) (bytes int64, err error) {
	w := &bucketVectors{model: m, buckets: buckets, errors: make([]error, len(m.Layers)), bytes: make([]int64, len(m.Layers))}
	if m.c2p || m.p2c {
		if w.x, err = f.Whole(m.Buckets); err != nil {
			return 0, err
		}
		if m.BucketsNorm != nil {
			kernels.LayerNorm(w.x, w.x, m.BucketsNorm.Weight, m.BucketsNorm.Bias, m.BucketsNorm.Eps)
		}
	}
	if err := r.Run(context.Background(), w, len(m.Layers)); err != nil {
		return 0, err
	}
	for i, err := range w.errors {
		if err != nil {
			return 0, err
		}
		bytes += w.bytes[i]
	}
	return bytes, nil
}

// bucketVectors is the work of projectBuckets, by layers.
type bucketVectors struct {
	model   *deberta
	buckets []int32
	x       compute.Matrix // the bucket embeddings
	errors  []error
	bytes   []int64
}

// Tile computes layer i.
func (b *bucketVectors) Tile(_ *compute.Context, i int) {
	m, l := b.model, &b.model.Layers[i]
	var keys, queries compute.Matrix
	if m.c2p {
		keys = b.project(i, l.BucketKeys, l.SharedKeys)
	}
	if m.p2c {
		queries = b.project(i, l.BucketQueries, l.SharedQueries)
	}
	b.bytes[i] = 4 * int64(len(keys.Data)+len(queries.Data))
	for h := range l.Heads {
		k := kernels.Disentangled{Scale: m.scale}
		from, to := h*l.HeadDim, (h+1)*l.HeadDim
		if m.c2p || m.p2c {
			k.Buckets, k.Keys, k.Queries = b.buckets, keys.Columns(from, to), queries.Columns(from, to)
		}
		l.Heads[h] = k
	}
}

// project applies the bucket projection or, without one, the shared one.
func (b *bucketVectors) project(layer int, own, shared *checkpoint.Unpacked) compute.Matrix {
	if own == nil {
		own = shared
	}
	y, err := own.Multiply(b.x)
	if err != nil {
		b.errors[layer] = err
	}
	return y
}
