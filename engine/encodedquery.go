package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// An encodedQuery is a query that is encoded separately from its documents. Its vectors
// are computed when the first of its documents is scored, and kept for the others.
type encodedQuery struct {
	sequence Sequence
	vectors  atomic.Pointer[compute.Matrix] // nil: not computed yet
}

// scoreEncoded scores documents against their queries. queries computes the vectors of
// queries that have none yet, documents the scores.
func (b *backbone) scoreEncoded(ctx context.Context, queries, documents batchRunner, sequences []Sequence, outputs []Output) error {
	var pending []Sequence
	queued := make(map[*encodedQuery]bool)
	for i, s := range sequences {
		q, ok := s.group.(*encodedQuery)
		if !ok {
			return fmt.Errorf("sequence %d: a model that encodes query and document separately scores only its own encodings", i)
		}
		if q.vectors.Load() == nil && !queued[q] {
			queued[q] = true
			pending = append(pending, q.sequence)
		}
	}
	if len(pending) > 0 {
		if err := b.forward(ctx, queries, pending, nil, nil); err != nil {
			return err
		}
	}
	return b.forward(ctx, documents, sequences, outputs, nil)
}

// query returns the query of sequence n of the call.
func (r *call) query(n int32) *encodedQuery { return r.sequences[n].group.(*encodedQuery) }

// storeQuery stores a copy of x as the vectors of the query that is sequence n of the
// call.
func (r *call) storeQuery(n int32, x compute.Matrix) {
	v := clone(x)
	if !finite(v.Data) {
		r.nonFinite.Store(int64(n))
		return
	}
	r.query(n).vectors.Store(&v)
}
