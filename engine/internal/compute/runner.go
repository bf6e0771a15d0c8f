package compute

import (
	"context"
	"runtime"
	"sync"

	"github.com/klauspost/cpuid/v2"
)

// RunnerOptions configures a Runner.
type RunnerOptions struct {
	// Coarse says that activations are rounded to 8 bits, so that attention needs no more
	// than 16 where a layer allows it.
	Coarse bool
	// Pause, if set, is called by workers between layers.
	Pause func()
}

// A Runner is the workers that compute a model. Models with the same number of threads
// share them; each has its own memory on every worker.
type Runner struct {
	pool     *pool
	options  RunnerOptions
	contexts []Context // by worker
	trace    func(layer int, x Matrix)

	mu   sync.Mutex
	idle []*call
}

// NewRunner starts the given number of workers; 0: one per core.
func NewRunner(threads int, o RunnerOptions) *Runner {
	if threads <= 0 {
		threads = cores()
	}
	r := &Runner{pool: acquirePool(threads), options: o, contexts: make([]Context, threads)}
	for w := range r.contexts {
		r.contexts[w].runner, r.contexts[w].worker = r, w
	}
	return r
}

// cores is how many this process may use. The second thread of a core has no
// multipliers of its own.
func cores() int {
	n := runtime.GOMAXPROCS(0)
	if physical := cpuid.CPU.PhysicalCores; physical > 0 {
		n = min(n, physical)
	}
	return max(1, n)
}

// Close releases the workers. Nothing may be running.
func (r *Runner) Close() { r.pool.release() }

// Size is the number of workers.
func (r *Runner) Size() int { return r.pool.size }

// Operations counts the multiplications and additions of matrix products so far,
// without attention scores.
func (r *Runner) Operations() (n int64) {
	for w := range r.contexts {
		n += r.contexts[w].operations.Load()
	}
	return n
}

// Trace has f see the states of every batch: after the embeddings (layer -1) and after
// each layer. The last layer then computes all rows too. It is for tests: nothing may
// run during the call.
func (r *Runner) Trace(f func(layer int, x Matrix)) { r.trace = f }

// Work is a set of independent tiles.
type Work interface {
	// Tile does tile i on the worker whose Context is c: its batch is empty, and none of
	// its memory is in use.
	Tile(c *Context, i int)
}

// Run has the workers do tiles 0 to n-1 of work and returns when all are done. It
// returns the cause if ctx has ended, and a *PanicError if a tile panicked. It must not
// be called from within a tile.
func (r *Runner) Run(ctx context.Context, work Work, n int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	k := r.call()
	k.ctx, k.work = ctx, work
	err := r.pool.run(&k.job, k, n)
	k.ctx, k.work = nil, nil
	r.mu.Lock()
	r.idle = append(r.idle, k)
	r.mu.Unlock()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}

// A call is one Run; it is reused by later ones.
type call struct {
	runner *Runner
	job    job
	ctx    context.Context
	work   Work
}

func (r *Runner) call() *call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		k := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return k
	}
	return &call{runner: r}
}

// tile does a tile on worker w, unless the caller has gone away.
func (k *call) tile(i, w int) {
	if k.ctx.Err() != nil {
		return
	}
	c := &k.runner.contexts[w]
	c.ctx = k.ctx
	c.Reset()
	defer c.leave()
	k.work.Tile(c, i)
}
