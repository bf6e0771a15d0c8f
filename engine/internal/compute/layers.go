package compute

import "github.com/winnow-rerank/winnow/kernels"

// A Layer is one block of a transformer, in three steps. x has one row per token.
//
// Project and Finish compute each row separately. They may be called on a block of
// rows, by a worker with another batch or none: they use their arguments, not
// [Context.Batch].
type Layer interface {
	// Widths returns the columns of queries and of keys or values.
	Widths() (q, kv int)
	// Project writes queries, keys and values of the rows x to the matrices of to that
	// have rows. It does not change x.
	Project(c *Context, x Matrix, to QKV)
	// Attend is attention of the queries of some tokens.
	Attend(c *Context, qkv QKV, rows Rows) Matrix
	// Finish does the rest of the layer on x, in place; a is attention's output.
	Finish(c *Context, x, a Matrix)
}

// Stack converts layers to the form that Layers takes.
func Stack[L any, P interface {
	*L
	Layer
}](layers []L) []Layer {
	list := make([]Layer, len(layers))
	for i := range layers {
		list[i] = P(&layers[i])
	}
	return list
}

// Want says for which tokens the final hidden states are requested.
type Want uint8

// What may be requested.
const (
	EveryToken   Want = iota
	FirstToken        // of each sequence
	LastToken         // of each sequence
	MarkedTokens      // those of Batch.Marks
	NoToken           // only store keys and values
)

// Rows are the tokens of the batch that have queries: all, or those requested.
type Rows struct {
	All     bool
	Numbers []int32 // rows of the batch, ascending, if not All
}

// rows returns the requested rows.
func (c *Context) rows(want Want) Rows {
	b := &c.Batch
	c.selected = c.selected[:0]
	switch want {
	case EveryToken:
		return Rows{All: true}
	case FirstToken:
		c.selected = append(c.selected, b.Offsets[:b.Sequences()]...)
	case LastToken:
		for _, end := range b.Offsets[1:] {
			c.selected = append(c.selected, end-1)
		}
	case MarkedTokens:
		return Rows{Numbers: b.Marks}
	}
	return Rows{Numbers: c.selected}
}

// Select returns the requested rows of x, which has all.
func (c *Context) Select(x Matrix, want Want) Matrix {
	rows := c.rows(want)
	if rows.All {
		return x
	}
	return c.selectTo(c.New(len(rows.Numbers), x.Cols), x, rows)
}

func (c *Context) selectTo(y, x Matrix, rows Rows) Matrix {
	for i, n := range rows.Numbers {
		copy(y.Row(i), x.Row(int(n)))
	}
	return y
}

// AverageTokens replaces, in each run of tokens of a type, every group of that many
// neighbours (fewer at the end) by the mean of their states x. The batch shrinks to
// match. x has a row for every token, and no sequence has a prefix.
func (c *Context) AverageTokens(x Matrix, tokenType int32, neighbours int) Matrix {
	b, n := &c.Batch, 0
	for s := range b.Sequences() {
		first, last := b.Range(s)
		b.Offsets[s] = int32(n)
		begin := n
		for i := first; i < last; n++ {
			group := i + 1
			for b.Types[i] == tokenType && group < min(i+neighbours, last) && b.Types[group] == tokenType {
				group++
			}
			mean := x.Slice(n, n+1)
			copy(mean.Row(0), x.Row(i))
			for j := i + 1; j < group; j++ {
				kernels.Add(mean, mean, x.Slice(j, j+1))
			}
			if group > i+1 {
				kernels.Scale(mean, 1/float32(group-i))
			}
			b.IDs[n], b.Types[n], b.Positions[n] = b.IDs[i], b.Types[i], int32(n-begin)
			i = group
		}
		b.Visible[s] = int32(n - begin)
	}
	b.Offsets[b.Sequences()] = int32(n)
	b.IDs, b.Types, b.Positions = b.IDs[:n], b.Types[:n], b.Positions[:n]
	return x.Slice(0, n)
}

// Layers takes x through the layers, in place, and returns the requested rows. The last
// layer computes keys and values for all tokens but everything else only for those
// rows. Keys and values are stored where the batch says so. It ends early when the
// caller has gone away.
//
// One pass may call it several times, each with the next layers and, except for the
// last, with EveryToken.
func (c *Context) Layers(x Matrix, layers []Layer, want Want) Matrix {
	if c.layer == 0 && c.runner.trace != nil {
		c.runner.trace(-1, x)
	}
	rows := c.rows(want)
	var y Matrix
	if !rows.All {
		y = c.New(len(rows.Numbers), x.Cols)
	}
	mark := c.arena.mark()
	for i, l := range layers {
		if c.Cancelled() {
			break
		}
		if i == len(layers)-1 && !rows.All && c.runner.trace == nil {
			c.last(l, x, y, rows)
			c.layer++
			c.arena.release(mark)
			return y
		}
		q, kv := l.Widths()
		qkv := c.newQKV(x.Rows, q, kv, true, true)
		c.project(l, x, qkv)
		c.store(qkv)
		c.finish(l, x, l.Attend(c, qkv, rowsAll))
		c.layer++
		c.Trace(x)
		if pause := c.runner.options.Pause; pause != nil {
			pause()
		}
		c.arena.release(mark)
	}
	if rows.All {
		return x
	}
	return c.selectTo(y, x, rows)
}

var rowsAll = Rows{All: true}

// last is the last layer for some rows: it leaves their states in y.
func (c *Context) last(l Layer, x, y Matrix, rows Rows) {
	q, kv := l.Widths()
	all := c.newQKV(x.Rows, q, kv, false, true)
	c.project(l, x, all)
	c.store(all)
	if y.Rows == 0 {
		return
	}
	c.selectTo(y, x, rows)
	qkv := c.newQKV(y.Rows, q, kv, true, false)
	c.selectedPositions = c.selectedPositions[:0]
	for _, n := range rows.Numbers {
		c.selectedPositions = append(c.selectedPositions, c.Batch.Positions[n])
	}
	qkv.Positions = c.selectedPositions
	c.project(l, y, qkv)
	qkv.K, qkv.V = all.K, all.V
	c.finish(l, y, l.Attend(c, qkv, rows))
}

// store stores a layer's keys and values where the batch says so.
func (c *Context) store(qkv QKV) {
	b := &c.Batch
	for s, p := range b.Prefix {
		if p.Store != nil {
			first, last := b.Range(s)
			p.Store.add(c.layer, qkv.K.Slice(first, last), qkv.V.Slice(first, last))
		}
	}
}

// QKV is queries, keys and values of some tokens, one row per token. Those that are not
// needed have no rows.
type QKV struct {
	Q, K, V   Matrix
	Positions []int32 // of the tokens

	all Matrix // queries, keys and values side by side, needed or not
}

// newQKV has room for that many tokens of the batch: for their queries, their keys and
// values, or both.
func (c *Context) newQKV(rows, q, kv int, queries, keys bool) QKV {
	all := c.New(rows, q+2*kv)
	t := QKV{all: all, Positions: c.Batch.Positions, Q: Matrix{Cols: q}, K: Matrix{Cols: kv}, V: Matrix{Cols: kv}}
	if queries {
		t.Q = all.Columns(0, q)
	}
	if keys {
		t.K, t.V = all.Columns(q, q+kv), all.Columns(q+kv, q+2*kv)
	}
	return t
}

// slice returns rows from to to-1.
func (t QKV) slice(from, to int) QKV {
	sliceRows := func(x Matrix) Matrix {
		if x.Rows == 0 {
			return x
		}
		return x.Slice(from, to)
	}
	return QKV{Q: sliceRows(t.Q), K: sliceRows(t.K), V: sliceRows(t.V), Positions: t.Positions[from:to], all: sliceRows(t.all)}
}

// Project writes x·Wᵀ + b to the matrices of to that have rows. The outputs of l are
// queries, keys and values side by side.
func (c *Context) Project(to QKV, l *Linear, x Matrix) {
	from, end := 0, to.all.Cols
	if to.Q.Rows == 0 {
		from = to.Q.Cols
	}
	if to.K.Rows == 0 {
		end = to.Q.Cols
	}
	// Whole panels are computed: the extra columns are unused.
	panel := l.Weights.Panel()
	from = from / panel * panel
	end = min(to.all.Cols, (end+panel-1)/panel*panel)
	c.multiply(to.all, l, x, 0, Matrix{}, from, end)
}

// ProjectTo writes x·Wᵀ + b to y, unless y has no rows.
func (c *Context) ProjectTo(y Matrix, l *Linear, x Matrix) {
	if y.Rows > 0 {
		c.LinearTo(y, l, x)
	}
}
