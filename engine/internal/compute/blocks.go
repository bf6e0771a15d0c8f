package compute

import "context"

// rowBlocks is a step of a layer that treats every token separately, done in blocks of
// rows, on idle workers too if there are enough rows. A block's data then stays in its
// worker's cache between operations, and workers wait for each other a single time
// instead of after each operation.
type rowBlocks struct {
	layer     Layer
	x         Matrix
	to        QKV    // of Project
	a         Matrix // of Finish
	finishing bool
	owner     *Context
	ctx       context.Context // the owner's
}

// minBlockRows is the minimum number of rows in a worker's share.
const minBlockRows = 128

// project runs Project on all rows x.
func (c *Context) project(l Layer, x Matrix, to QKV) {
	c.blocks = rowBlocks{layer: l, x: x, to: to, owner: c, ctx: c.ctx}
	c.eachBlock()
}

// finish runs Finish on all rows x.
func (c *Context) finish(l Layer, x, a Matrix) {
	c.blocks = rowBlocks{layer: l, x: x, a: a, finishing: true, owner: c, ctx: c.ctx}
	c.eachBlock()
}

// eachBlock processes all rows. If they are too few to share out, or that does not pay,
// each operation is open to idle workers instead.
func (c *Context) eachBlock() {
	r, workers, rows := &c.blocks, c.runner.pool.size, c.blocks.x.Rows
	if rows < workers*minBlockRows || !c.worthDividing(wakeWork) {
		step := blockRows
		if rows > blockRows {
			step /= 2
		}
		for from := 0; from < rows; from += step {
			r.block(c, from, min(from+step, rows))
		}
		return
	}
	// All workers get the same number of blocks, if none is held up.
	const maxRows, tile = blockRows / 2, 32 // of a block; and the kernels' row granularity
	blocks := (rows + workers*maxRows - 1) / (workers * maxRows) * workers
	size := ((rows+blocks-1)/blocks + tile - 1) / tile * tile
	c.divide(r, rows, size, wakeWork)
}

// block processes rows from to to-1 with the memory of c.
func (r *rowBlocks) block(c *Context, from, to int) {
	mark := c.arena.mark()
	x := r.x.Slice(from, to)
	if r.finishing {
		r.layer.Finish(c, x, r.a.Slice(from, to))
	} else {
		r.layer.Project(c, x, r.to.slice(from, to))
	}
	c.arena.release(mark)
}

// doRange processes one block with the memory of worker w. If that is not the owner, it
// has no tile of its own and nothing in its memory.
func (r *rowBlocks) doRange(from, to, w int) {
	c := &r.owner.runner.contexts[w]
	if c != r.owner {
		c.arena.reset()
		c.ctx = r.ctx
		defer func() { c.ctx = nil }()
	}
	c.inPiece = true
	defer func() { c.inPiece = false }()
	r.block(c, from, to)
}
