package compute

import "github.com/winnow-rerank/winnow/kernels"

// An arena hands out float32 memory that is all given back at once. It keeps
// its memory: after the first batch of a size the next ones allocate nothing.
type arena struct {
	// Usually one. A batch that needs more than any before adds to them, and what is given
	// back of these is used again as well: else its every layer would leave as much behind.
	blocks []arenaBlock
	at     int // the block that is handed out of
	used   int // of it
	need   int // the most that was asked for at one time
}

type arenaBlock struct {
	data   []float32
	before int // numbers handed out of the blocks before
}

// smallestBlock is how many numbers a block has at least.
const smallestBlock = 1 << 18

// floats is room for n numbers, whatever they are: the caller writes all of them
// before it reads any.
func (a *arena) floats(n int) []float32 {
	// Matrices begin at cache lines, if the block does.
	const line = 16
	used := (a.used + line - 1) / line * line
	if len(a.blocks) == 0 || used+n > len(a.blocks[a.at].data) {
		a.next(used, n)
		used = 0
	}
	b := &a.blocks[a.at]
	a.used = used + n
	a.need = max(a.need, b.before+a.used)
	return b.data[used:a.used:a.used]
}

// next goes on to a block that has room for n numbers.
func (a *arena) next(used, n int) {
	before := 0
	if len(a.blocks) > 0 {
		before = a.blocks[a.at].before + used
		a.at++
	}
	if a.at == len(a.blocks) {
		a.blocks = append(a.blocks, arenaBlock{})
	}
	b := &a.blocks[a.at]
	if len(b.data) < n {
		b.data = kernels.Floats(max(n, smallestBlock))
	}
	b.before = before
}

func (a *arena) matrix(rows, cols int) Matrix {
	return Matrix{Data: a.floats(rows * cols), Rows: rows, Cols: cols, Stride: cols}
}

// An arenaMark is how much of an arena was handed out at a time.
type arenaMark struct{ at, used int }

func (a *arena) mark() arenaMark { return arenaMark{a.at, a.used} }

// release gives back what was handed out since the mark.
func (a *arena) release(m arenaMark) { a.at, a.used = m.at, m.used }

// reset gives everything back. If the last batch needed more than the first block,
// a block for all of it is made in place of them.
func (a *arena) reset() {
	if len(a.blocks) > 1 {
		a.blocks = append(a.blocks[:0:0], arenaBlock{data: kernels.Floats(a.need)})
	}
	a.at, a.used = 0, 0
}
