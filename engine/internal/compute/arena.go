package compute

import "github.com/winnow-rerank/winnow/kernels"

// An arena hands out float32 memory that is all released at once. It keeps its memory:
// after the first batch of a given size, further batches allocate nothing.
type arena struct {
	// Usually one. A batch that needs more than any before adds blocks; memory released
	// in them is reused too, otherwise every layer would add as much again.
	blocks []arenaBlock
	at     int // the block being handed out
	used   int // numbers handed out of that block
	need   int // the peak over all blocks
}

type arenaBlock struct {
	data   []float32
	before int // numbers handed out of earlier blocks
}

// minBlock is the minimum size of a block, in numbers.
const minBlock = 1 << 18

// floats returns uninitialised room for n numbers: the caller writes all of them before
// reading any.
func (a *arena) floats(n int) []float32 {
	// Matrices start on cache lines if the block does.
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

// next moves to a block that has room for n numbers.
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
		b.data = kernels.Floats(max(n, minBlock))
	}
	b.before = before
}

func (a *arena) matrix(rows, cols int) Matrix {
	return Matrix{Data: a.floats(rows * cols), Rows: rows, Cols: cols, Stride: cols}
}

// An arenaMark records how much of an arena had been handed out.
type arenaMark struct{ at, used int }

func (a *arena) mark() arenaMark { return arenaMark{a.at, a.used} }

// release takes back what was handed out since the mark.
func (a *arena) release(m arenaMark) { a.at, a.used = m.at, m.used }

// reset takes everything back. If the last batch needed more than the first block, a
// single block large enough for all of it replaces them.
func (a *arena) reset() {
	if len(a.blocks) > 1 {
		a.blocks = append(a.blocks[:0:0], arenaBlock{data: kernels.Floats(a.need)})
	}
	a.at, a.used = 0, 0
}
