package engine

import "context"

// rowwise runs those parts of a layer in which every token is by itself, block of
// rows by block of rows: on idle workers, too, where there are enough rows. What a
// block needs then stays in its worker's cache from one operation to the next, and
// workers wait for each other once where they would after each operation. S is what
// the parts know of the layer.
type rowwise[S any] struct {
	layer S
	part  func(s *S, c *Compute, from, to int)
	owner *Compute
	ctx   context.Context // the owner's
	rows  int
	size  int // rows of a block
}

// leastBlock is how many rows a worker's share has at least.
const leastBlock = 128

// rowwiseOf is the one that c keeps. Each family has one type S.
func rowwiseOf[S any](c *Compute) *rowwise[S] {
	r, ok := c.rowwise.(*rowwise[S])
	if !ok {
		r = new(rowwise[S])
		c.rowwise = r
	}
	return r
}

// run does a part for all rows. Of one block, its operations are open to idle workers
// by themselves.
func (r *rowwise[S]) run(c *Compute, rows int, part func(s *S, c *Compute, from, to int)) {
	workers := c.pool.size
	if rows < workers*leastBlock || !c.divides(wakeWork) {
		for from, to := range c.blocks(rows) {
			part(&r.layer, c, from, to)
		}
		return
	}
	// All workers have as many blocks, if none is held up.
	const most, tile = blockRows / 2, 32 // rows of a block, and that kernels take at a time
	blocks := (rows + workers*most - 1) / (workers * most) * workers
	size := ((rows+blocks-1)/blocks + tile - 1) / tile * tile
	r.part, r.owner, r.ctx, r.rows, r.size = part, c, c.ctx, rows, size
	c.divide(r, (rows+r.size-1)/r.size, wakeWork)
	r.part, r.owner, r.ctx = nil, nil, nil
}

// tile does one block with the memory of worker w. If that is not the owner, it has no
// tile of its own, and nothing in its memory.
func (r *rowwise[S]) tile(i, w int) {
	c := &r.owner.peers[w]
	if c != r.owner {
		c.arena.reset()
		c.ctx = r.ctx
		defer func() { c.ctx = nil }()
	}
	mark := c.arena.mark()
	c.alone = true
	defer func() {
		c.arena.release(mark)
		c.alone = false
	}()
	r.part(&r.layer, c, i*r.size, min((i+1)*r.size, r.rows))
}
