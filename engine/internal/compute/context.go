package compute

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// Matrix is rows of activations, one a token.
type Matrix = kernels.Matrix

// A Context takes one batch through a model on one worker: it hands out the memory
// for it, and opens its operations to idle workers where that pays.
type Context struct {
	Batch Batch

	runner  *Runner
	worker  int
	ctx     context.Context
	layer   int          // how many layers the batch has been through
	encoded encoded      // of an encoder-decoder, in its decoder
	alone   bool         // in a piece of another's operation: nothing is divided
	watch   *calibration // or nil: sees the inputs of products

	// Memory: of the batch, of a product's input, and of pieces of anybody's operation.
	arena        arena
	input        kernels.Input
	row          []float32
	attention    kernels.AttentionScratch
	disentangled kernels.DisentangledScratch

	wanted, wantedPositions []int32

	operations atomic.Int64 // see Runner.Operations

	// The operations that can be divided are kept here so that none of them allocates.
	parts    parts
	blocks   rowBlocks
	product  product
	norm     normRows
	heads    headRows
	glu      gluRows
	attends  attentionPairs
	relative disentangledPairs
}

// Work is counted in about picoseconds of one worker. Operations of less than
// these are not worth dividing: the first with workers that are awake, the
// second with ones that sleep.
const (
	divideWork = 4e6
	wakeWork   = 40e6

	floatWork = 8   // a multiplication and addition of floats
	intWork   = 1   // of 8-bit integers
	readWork  = 30  // a weight that is read from memory
	normWork  = 300 // a number of a norm
	gatedWork = 400 // a number of a gated product
	expWork   = 250 // an exponential of a softmax
)

// Reset gives all memory back and empties the batch, for the next one of a tile.
func (c *Context) Reset() {
	c.arena.reset()
	c.Batch.reset()
	c.layer = 0
}

// encoded is what an encoder made of its batch, for a decoder to attend to.
type encoded struct {
	batch  Batch
	states Matrix
}

// BeginDecoder goes on from an encoder, whose states of all tokens x are, to its
// decoder: the batch is empty, for the decoder's tokens of the same sequences, in the
// same order.
func (c *Context) BeginDecoder(x Matrix) {
	c.encoded.batch, c.Batch = c.Batch, c.encoded.batch
	c.encoded.states = x
	c.Batch.reset()
	c.layer = 0
}

// Encoded is the states that BeginDecoder was given.
func (c *Context) Encoded() Matrix { return c.encoded.states }

// EncodedBatch is the batch that BeginDecoder left, whose sequences the decoder goes on
// with.
func (c *Context) EncodedBatch() *Batch { return &c.encoded.batch }

// leave ends a tile, however it ended: nothing of the caller's is held.
func (c *Context) leave() {
	c.Batch.reset()
	c.encoded.batch.reset()
	c.ctx, c.alone = nil, false
	c.blocks = rowBlocks{}
}

// Cancelled says whether the caller has gone away; a forward pass then returns
// at once, whatever its numbers are.
func (c *Context) Cancelled() bool { return c.ctx.Err() != nil }

// New is an uninitialised matrix. It is valid until the tile ends or, if it was made
// in a layer, until that layer does.
func (c *Context) New(rows, cols int) Matrix { return c.arena.matrix(rows, cols) }

// Trace shows the states x, as those after the latest layer, to whom [Runner.Trace]
// named: for a family that changes them between two calls of Layers.
func (c *Context) Trace(x Matrix) {
	if c.runner.trace != nil {
		c.runner.trace(c.layer-1, x)
	}
}

// divides says whether an operation of that much work is to be divided.
func (c *Context) divides(work int) bool {
	p := c.runner.pool
	return !c.alone && work >= divideWork && p.size > 1 && p.helpers(work >= wakeWork)
}

// A ranged operation can do any part of its rows, columns or pairs by itself.
type ranged interface {
	// part does numbers from to to-1, on worker w.
	part(from, to, w int)
}

// parts is a ranged operation in pieces of step numbers.
type parts struct {
	op      ranged
	n, step int
}

func (p *parts) tile(i, w int) {
	from := i * p.step
	p.op.part(from, min(from+p.step, p.n), w)
}

// piecesPerWorker makes up for workers that start late.
const piecesPerWorker = 3

// handOver is what it costs to hand a piece to a worker when many reach for the next
// one, which only one at a time gets.
const handOver = 0.1e6

// pieces is into how many an operation of so much work is divided. Handing out n pieces
// takes n·handOver, doing them work/n: more than the root of the quotient are of no use.
func (c *Context) pieces(work int) int {
	return min(c.runner.pool.size*piecesPerWorker, int(math.Sqrt(float64(work)/handOver)))
}

// spread does numbers 0 to n-1 of an operation, which are so much work: with idle
// workers, in pieces of a multiple of unit, if that pays, and else alone.
func (c *Context) spread(op ranged, n, unit, work int) {
	if n <= unit || !c.divides(work) {
		op.part(0, n, c.worker)
		return
	}
	step := max(1, n/c.pieces(work)/unit) * unit
	c.divide(op, n, step, work)
}

// divide does numbers 0 to n-1 with idle workers, step at a time.
func (c *Context) divide(op ranged, n, step, work int) {
	c.parts = parts{op: op, n: n, step: step}
	c.runner.pool.divide(c.worker, &c.parts, (n+step-1)/step, work >= wakeWork)
	c.parts.op = nil
}

// grow is s with room for n numbers, whatever they are.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
