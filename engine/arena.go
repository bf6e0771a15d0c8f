package engine

import "github.com/winnow-rerank/winnow/kernels"

// An arena hands out float32 memory that is all given back at once. It keeps
// its memory: after the first batch of a size the next ones allocate nothing.
type arena struct {
	block []float32
	used  int
	need  int // the most that was asked for at one time, spill included
	spill int // numbers handed out beside block and not given back
}

// floats is room for n numbers, whatever they are: the caller writes all of them
// before it reads any.
func (a *arena) floats(n int) []float32 {
	// Matrices begin at cache lines, if block does.
	const line = 16
	used := (a.used + line - 1) / line * line
	if used+n > len(a.block) {
		a.spill += n + line
		a.need = max(a.need, used+a.spill)
		return make([]float32, n)
	}
	a.used = used + n
	a.need = max(a.need, a.used+a.spill)
	return a.block[used:a.used:a.used]
}

func (a *arena) matrix(rows, cols int) kernels.Matrix {
	return kernels.Matrix{Data: a.floats(rows * cols), Rows: rows, Cols: cols, Stride: cols}
}

// An arenaMark is how much of an arena was handed out at a time.
type arenaMark struct{ used, spill int }

func (a *arena) mark() arenaMark { return arenaMark{a.used, a.spill} }

// release gives back what was handed out since the mark.
func (a *arena) release(m arenaMark) { a.used, a.spill = m.used, m.spill }

// reset gives everything back. If the last batch needed more than there was, or
// the last ones far less, the block is made anew.
func (a *arena) reset() {
	if a.need > len(a.block) {
		a.block = make([]float32, a.need)
	}
	a.used, a.spill = 0, 0
}
