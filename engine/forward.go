package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A finisher takes a batch through the network and makes what the call wants.
type finisher interface {
	finish(c *compute.Context, r *call)
}

// A call is what one pass of sequences through the network needs; it is kept for the
// next, so that nothing is allocated once as large a call has been made before.
type call struct {
	model     *backbone
	task      finisher
	plan      compute.Plan
	sequences []Sequence
	inputs    []compute.Sequence // of the sequences what the network reads
	prefixes  []compute.Prefix   // what lies before each, or none
	held      []*compute.KVCache // that the prefixes use
	outputs   []Output
	vectors   [][]float32
	bad       atomic.Int64 // a sequence whose result is not finite, or -1
}

// forward takes sequences through the network, in chunks, and has task put what is
// wanted of them into outputs or vectors.
func (m *backbone) forward(ctx context.Context, task finisher, sequences []Sequence, outputs []Output, vectors [][]float32) error {
	r := m.call()
	defer m.done(r)
	r.task, r.sequences, r.outputs, r.vectors = task, sequences, outputs, vectors
	for _, s := range sequences {
		r.inputs = append(r.inputs, compute.Sequence{IDs: s.IDs, Types: s.Types, Visible: s.visible})
	}
	return r.run(ctx)
}

// run does the call, whose inputs are there.
func (r *call) run(ctx context.Context) error {
	m := r.model
	r.bad.Store(-1)
	r.plan.Divide(r.inputs, m.chunk, m.runner.Size(), 4*max(1, m.network.Spec.HiddenSize))
	if err := m.runner.Run(ctx, r, r.plan.Chunks()); err != nil {
		return err
	}
	if i := r.bad.Load(); i >= 0 {
		return fmt.Errorf("%s: sequence %d: %w", m.path, i, ErrNotFinite)
	}
	return nil
}

// Tile takes one chunk through the network.
func (r *call) Tile(c *compute.Context, i int) {
	r.plan.Fill(&c.Batch, i, r.inputs, r.prefixes)
	r.task.finish(c, r)
}

func (m *backbone) call() *call {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.calls); n > 0 {
		r := m.calls[n-1]
		m.calls = m.calls[:n-1]
		return r
	}
	return &call{model: m}
}

// done gives a call back, holding nothing of the caller's.
func (m *backbone) done(r *call) {
	clear(r.inputs)
	clear(r.prefixes)
	clear(r.held)
	r.task, r.sequences, r.outputs, r.vectors = nil, nil, nil, nil
	r.inputs, r.prefixes, r.held = r.inputs[:0], r.prefixes[:0], r.held[:0]
	m.mu.Lock()
	m.calls = append(m.calls, r)
	m.mu.Unlock()
}
