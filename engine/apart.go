package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// An encodedQuery is a query that is read apart from its documents, whose vectors are
// computed once, when the first of its documents is scored.
type encodedQuery struct {
	sequence Sequence
	vectors  atomic.Pointer[compute.Matrix] // nil: not yet
}

// scoreEncoded scores documents against their queries. queries computes the vectors of
// those that have none yet; documents makes the scores.
func (m *backbone) scoreEncoded(ctx context.Context, queries, documents finisher, sequences []Sequence, outputs []Output) error {
	var fresh []Sequence
	asked := make(map[*encodedQuery]bool)
	for i, s := range sequences {
		q, ok := s.group.(*encodedQuery)
		if !ok {
			return fmt.Errorf("sequence %d: a model that reads query and document apart scores what it has encoded itself", i)
		}
		if q.vectors.Load() == nil && !asked[q] {
			asked[q] = true
			fresh = append(fresh, q.sequence)
		}
	}
	if len(fresh) > 0 {
		if err := m.forward(ctx, queries, fresh, nil, nil); err != nil {
			return err
		}
	}
	return m.forward(ctx, documents, sequences, outputs, nil)
}

// query is the query of a sequence of the call.
func (r *call) query(n int32) *encodedQuery { return r.sequences[n].group.(*encodedQuery) }

// keep stores the vectors of a query of the call.
func (r *call) keep(n int32, x compute.Matrix) {
	v := clone(x)
	if !finite(v.Data) {
		r.bad.Store(int64(n))
		return
	}
	r.query(n).vectors.Store(&v)
}
