package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A backbone is a loaded model without its tasks: the network that turns tokens into
// hidden states, its tokenizer, and the workers that run it.
type backbone struct {
	path      string
	file      *checkpoint.File
	task      family.Task // what the checkpoint was trained for
	network   *family.Network
	tokenizer *tokenizer.Tokenizer
	runner    *compute.Runner

	maxLength        int  // tokens of a sequence
	positions        int  // positions that the network has
	hasSequenceLimit bool // the model's files limit sequences, so the tokenizer's limit does not apply
	slack            int  // tokens that a prompt may have in addition to maxLength
	chunkTokens      int  // tokens that a worker takes through the layers at a time
	plainText        bool // special token spellings stay plain text in every call

	prefixes *compute.PrefixCache // for causal models; nil until it is needed

	mu        sync.Mutex
	freeCalls []*call
}

// defaultBatchTokens is the number of tokens that a worker takes through the layers at a
// time: enough to amortise reading the weights, and few enough for the activations to
// stay in the CPU cache.
const defaultBatchTokens = 192

// pack prepares the weights for computation; bytes is the memory that they take.
func (b *backbone) pack() (bytes int64, err error) {
	bytes, err = b.file.Pack(b.runner)
	if err != nil || b.network.Prepare == nil {
		return bytes, err
	}
	more, err := b.network.Prepare(b.runner)
	return bytes + more, err
}

// setMaxLength determines the maximum length of a sequence, and checks that the
// tokenizer's ids fit the embedding table.
func (b *backbone) setMaxLength(o Options) error {
	f, t := b.file, b.tokenizer
	t.Trim(b.network.Spec.VocabSize)
	if size, rows := t.Size(), b.network.Spec.VocabSize; size > rows {
		return &fault.FormatError{Path: f.SettingsPath(), Field: "vocabulary", Offset: -1,
			Found: fmt.Sprintf("token ids up to %d", size-1), Want: fmt.Sprintf("at most %d, the last row of the embedding table", rows-1)}
	}
	b.maxLength = b.network.MaxLength
	limit := t.MaxLength()
	if b.network.Bag { // their libraries read nothing but tokenizer.json
		if limit = t.TruncationLength(); b.network.DropsUnknown {
			limit = 0
		}
	}
	if limit > 0 && !b.hasSequenceLimit {
		b.maxLength = min(b.maxLength, limit)
	}
	if o.MaxLength > 0 {
		b.maxLength = min(b.maxLength, o.MaxLength)
	}
	if err := f.Err(); err != nil {
		return err
	}
	if added := t.Added(true); b.maxLength <= added && !b.network.Bag {
		return fmt.Errorf("%s: a maximum length of %d tokens leaves no room for a query and a document after %d special tokens", b.path, b.maxLength, added)
	}
	return nil
}

// Close releases the model's workers and unmaps its files.
func (b *backbone) Close() error {
	if b.runner != nil {
		b.runner.Close()
	}
	return b.file.Close()
}

// sequenceLimit returns the maximum length of a sequence in tokens, lowered to requested
// unless that is 0.
func (b *backbone) sequenceLimit(requested int) int {
	if requested > 0 {
		return min(b.maxLength, requested)
	}
	return b.maxLength
}

func (b *backbone) checkSequences(sequences []Sequence) error {
	for i, s := range sequences {
		if err := b.checkSequence(s); err != nil {
			return fmt.Errorf("sequence %d: %w", i, err)
		}
	}
	return nil
}

func (b *backbone) checkSequence(s Sequence) error {
	fewest := 1
	if b.network.Bag {
		fewest = 0
	}
	if n := s.Len(); n < fewest || n > b.maxLength+b.slack {
		return fmt.Errorf("%d tokens: expected %d to %d", n, fewest, b.maxLength+b.slack)
	}
	for _, id := range s.IDs {
		if vocab := b.network.Spec.VocabSize; uint(id) >= uint(vocab) {
			return fmt.Errorf("token %d: the vocabulary has %d", id, vocab)
		}
	}
	if s.Types != nil && len(s.Types) != s.Len() {
		return fmt.Errorf("%d token types for %d tokens", len(s.Types), s.Len())
	}
	for _, t := range s.Types {
		if uint(t) >= uint(b.network.TokenTypes) {
			return fmt.Errorf("token type %d: the model has %d", t, b.network.TokenTypes)
		}
	}
	return nil
}

// Operations returns the number of multiplications and additions in matrix products since
// the model was opened, excluding those of attention scores.
func (b *backbone) Operations() int64 { return b.runner.Operations() }

// A batchRunner takes a batch through the network and stores its results in the call.
type batchRunner interface {
	runBatch(c *compute.Context, r *call)
}

// A call holds the state of one pass of sequences through the network. It is reused, so
// that a call no larger than earlier ones allocates nothing.
type call struct {
	model     *backbone
	task      batchRunner
	plan      compute.Plan
	sequences []Sequence
	inputs    []compute.Sequence // sequences without their cached prefixes
	prefixes  []compute.Prefix   // cached prefix of each input; empty: no input has one
	caches    []*compute.KVCache // in use by prefixes
	outputs   []Output
	vectors   [][]float32
	nonFinite atomic.Int64 // number of a sequence whose result is not finite, or -1
}

// forward takes sequences through the network in chunks; task stores the results in
// outputs or vectors.
func (b *backbone) forward(ctx context.Context, task batchRunner, sequences []Sequence, outputs []Output, vectors [][]float32) error {
	r := b.acquireCall()
	defer b.releaseCall(r)
	r.task, r.sequences, r.outputs, r.vectors = task, sequences, outputs, vectors
	for _, s := range sequences {
		r.inputs = append(r.inputs, compute.Sequence{IDs: s.IDs, Types: s.Types, Visible: s.visible})
	}
	return r.run(ctx)
}

// run runs the call. Its inputs must be set.
func (r *call) run(ctx context.Context) error {
	m := r.model
	r.nonFinite.Store(-1)
	r.plan.Divide(r.inputs, m.chunkTokens, m.runner.Size(), 4*max(1, m.network.Spec.HiddenSize))
	if err := m.runner.Run(ctx, r, r.plan.Chunks()); err != nil {
		return err
	}
	if i := r.nonFinite.Load(); i >= 0 {
		return fmt.Errorf("%s: sequence %d: %w", m.path, i, ErrNotFinite)
	}
	return nil
}

// Tile takes chunk i through the network.
func (r *call) Tile(c *compute.Context, i int) {
	r.plan.Fill(&c.Batch, i, r.inputs, r.prefixes)
	r.task.runBatch(c, r)
}

func (b *backbone) acquireCall() *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.freeCalls); n > 0 {
		r := b.freeCalls[n-1]
		b.freeCalls = b.freeCalls[:n-1]
		return r
	}
	return &call{model: b}
}

// releaseCall makes r available for reuse, without references to the caller's data.
func (b *backbone) releaseCall(r *call) {
	clear(r.inputs)
	clear(r.prefixes)
	clear(r.caches)
	r.task, r.sequences, r.outputs, r.vectors = nil, nil, nil, nil
	r.inputs, r.prefixes, r.caches = r.inputs[:0], r.prefixes[:0], r.caches[:0]
	b.mu.Lock()
	b.freeCalls = append(b.freeCalls, r)
	b.mu.Unlock()
}
