package compute

import "context"

// rowBlocks is a step of a layer in which every token is by itself, block of rows by
// block of rows: on idle workers, too, where there are enough rows. What a block needs
// then stays in its worker's cache from one operation to the next, and workers wait for
// each other once where they would after each operation.
type rowBlocks struct {
	layer     Layer
	x         Matrix
	to        QKV    // of Project
	a         Matrix // of Finish
	finishing bool
	owner     *Context
	ctx       context.Context // the owner's
}

// leastBlock is how many rows a worker's share has at least.
const leastBlock = 128

// project is Project of all rows x.
func (c *Context) project(l Layer, x Matrix, to QKV) {
	c.blocks = rowBlocks{layer: l, x: x, to: to, owner: c, ctx: c.ctx}
	c.eachBlock()
}

// finish is Finish of all rows x.
func (c *Context) finish(l Layer, x, a Matrix) {
	c.blocks = rowBlocks{layer: l, x: x, a: a, finishing: true, owner: c, ctx: c.ctx}
	c.eachBlock()
}

// eachBlock does all rows. Of one block, or alone, its operations are open to idle
// workers by themselves.
func (c *Context) eachBlock() {
	r, workers, rows := &c.blocks, c.runner.pool.size, c.blocks.x.Rows
	if rows < workers*leastBlock || !c.divides(wakeWork) {
		step := blockRows
		if rows > blockRows {
			step /= 2
		}
		for from := 0; from < rows; from += step {
			r.block(c, from, min(from+step, rows))
		}
		return
	}
	// All workers have as many blocks, if none is held up.
	const most, tile = blockRows / 2, 32 // rows of a block, and that kernels take at a time
	blocks := (rows + workers*most - 1) / (workers * most) * workers
	size := ((rows+blocks-1)/blocks + tile - 1) / tile * tile
	c.divide(r, rows, size, wakeWork)
}

// block does rows from to to-1 with the memory of c.
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

// part does one block with the memory of worker w. If that is not the owner, it has no
// tile of its own, and nothing in its memory.
func (r *rowBlocks) part(from, to, w int) {
	c := &r.owner.runner.contexts[w]
	if c != r.owner {
		c.arena.reset()
		c.ctx = r.ctx
		defer func() { c.ctx = nil }()
	}
	c.alone = true
	defer func() { c.alone = false }()
	r.block(c, from, to)
}
