package compute

import (
	"context"
	"math"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/kernels"
)

// Matrix is activations, one row per token.
type Matrix = kernels.Matrix

// A Context takes one batch through a model on one worker: it hands out the batch's
// memory and opens operations to idle workers where that pays.
type Context struct {
	Batch Batch

	runner  *Runner
	worker  int
	ctx     context.Context
	layer   int          // how many layers the batch has been through
	encoded encoded      // of an encoder-decoder, while in its decoder
	inPiece bool         // in a piece of another worker's operation: nothing is divided
	watch   *calibration // sees the inputs of products; or nil

	// Memory: for the batch, for a product's input, and for pieces of anyone's
	// operation.
	arena        arena
	input        kernels.Input
	row          []float32
	attention    kernels.AttentionScratch
	disentangled kernels.DisentangledScratch

	selected, selectedPositions []int32

	operations atomic.Int64 // see Runner.Operations

	// The divisible operations are kept here so that none of them allocates.
	tiles    rangeTiles
	blocks   rowBlocks
	product  product
	norm     normRows
	heads    headRows
	glu      gluRows
	attends  attentionPairs
	relative disentangledPairs
}

// Work is measured in approximate picoseconds of one worker. Operations below these
// thresholds are not worth dividing: the first applies when workers are awake, the
// second when they sleep.
const (
	divideWork = 4e6
	wakeWork   = 40e6

	floatWork = 8   // a multiply-add of floats
	intWork   = 1   // of 8-bit integers
	readWork  = 30  // a weight read from memory
	normWork  = 300 // an element of a norm
	gatedWork = 400 // an element of a gated product
	expWork   = 250 // an exponential of a softmax
)

// Reset takes all memory back and empties the batch for the tile's next one.
func (c *Context) Reset() {
	c.arena.reset()
	c.Batch.reset()
	c.layer = 0
}

// encoded is an encoder's batch and output, for a decoder to attend to.
type encoded struct {
	batch  Batch
	states Matrix
}

// BeginDecoder moves from an encoder, with hidden states x of all tokens, to its
// decoder: the batch is emptied for the decoder's tokens of the same sequences, in the
// same order.
func (c *Context) BeginDecoder(x Matrix) {
	c.encoded.batch, c.Batch = c.Batch, c.encoded.batch
	c.encoded.states = x
	c.Batch.reset()
	c.layer = 0
}

// Encoded returns the hidden states given to BeginDecoder.
func (c *Context) Encoded() Matrix { return c.encoded.states }

// EncodedBatch returns the encoder's batch, whose sequences the decoder continues.
func (c *Context) EncodedBatch() *Batch { return &c.encoded.batch }

// leave ends a tile, on success or failure: nothing of the caller's is retained.
func (c *Context) leave() {
	c.Batch.reset()
	c.encoded.batch.reset()
	c.ctx, c.inPiece = nil, false
	c.blocks = rowBlocks{}
}

// Cancelled reports whether the caller has gone away; a forward pass then returns at
// once, with any values.
func (c *Context) Cancelled() bool { return c.ctx.Err() != nil }

// New returns an uninitialised matrix, valid until the tile ends or, if it was made in
// a layer, until that layer does.
func (c *Context) New(rows, cols int) Matrix { return c.arena.matrix(rows, cols) }

// Trace shows x to the function set by [Runner.Trace] as the states after the latest
// layer: for a family that changes them between two calls of Layers.
func (c *Context) Trace(x Matrix) {
	if c.runner.trace != nil {
		c.runner.trace(c.layer-1, x)
	}
}

// worthDividing reports whether an operation of that much work should be divided.
func (c *Context) worthDividing(work int) bool {
	p := c.runner.pool
	return !c.inPiece && work >= divideWork && p.size > 1 && p.helpers(work >= wakeWork)
}

// A ranged operation can process any range of its rows, columns or pairs separately.
type ranged interface {
	// doRange processes from to to-1, on worker w.
	doRange(from, to, w int)
}

// rangeTiles is a ranged operation in pieces of step rows, columns or pairs.
type rangeTiles struct {
	op      ranged
	n, step int
}

func (t *rangeTiles) tile(i, w int) {
	from := i * t.step
	t.op.doRange(from, min(from+t.step, t.n), w)
}

// piecesPerWorker compensates for workers that start late.
const piecesPerWorker = 3

// handOver is the cost of handing a piece to a worker when many compete for the next
// one, which only one at a time can take.
const handOver = 0.1e6

// pieces is how many pieces to divide that much work into. Handing out n pieces takes
// n·handOver, doing them work/n: more than the square root of the quotient do not help.
func (c *Context) pieces(work int) int {
	return min(c.runner.pool.size*piecesPerWorker, int(math.Sqrt(float64(work)/handOver)))
}

// spread processes 0 to n-1 of an operation with that much total work: with idle
// workers, in pieces of a multiple of unit, if that pays; otherwise alone.
func (c *Context) spread(op ranged, n, unit, work int) {
	if n <= unit || !c.worthDividing(work) {
		op.doRange(0, n, c.worker)
		return
	}
	step := max(1, n/c.pieces(work)/unit) * unit
	c.divide(op, n, step, work)
}

// divide processes 0 to n-1 with idle workers, step at a time.
func (c *Context) divide(op ranged, n, step, work int) {
	c.tiles = rangeTiles{op: op, n: n, step: step}
	c.runner.pool.divide(c.worker, &c.tiles, (n+step-1)/step, work >= wakeWork)
	c.tiles.op = nil
}

// grow returns s with uninitialised room for n numbers.
func grow(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}
