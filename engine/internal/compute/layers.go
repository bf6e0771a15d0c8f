package compute

import "github.com/winnow-rerank/winnow/kernels"

// A Layer is one block of a transformer, in three steps. x has a row a token.
//
// Project and Finish compute every row by itself. They may be called on a block of
// rows, by a worker with another batch or none: they use what they are given, not
// [Context.Batch].
type Layer interface {
	// Widths are the columns of queries and of keys, which are those of values.
	Widths() (q, kv int)
	// Project writes queries, keys and values of the rows x to to, as far as it has
	// rows for them. It leaves x alone.
	Project(c *Context, x Matrix, to QKV)
	// Attend is attention of the queries of some tokens.
	Attend(c *Context, qkv QKV, rows Rows) Matrix
	// Finish does the rest of the layer with x, in place; a is what attention gave.
	Finish(c *Context, x, a Matrix)
}

// Stack is layers as Layers takes them.
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

// Want says of which tokens the states after the last layer are wanted.
type Want uint8

// What may be wanted.
const (
	EveryToken   Want = iota
	FirstToken        // of each sequence
	LastToken         // of each sequence
	MarkedTokens      // those of Batch.Marks
	NoToken           // only keys and values are to be stored
)

// Rows are tokens of the batch whose queries there are: all, or those that are wanted.
type Rows struct {
	All     bool
	Numbers []int32 // of the rows in the batch, ascending, if not All
}

// rows are those that are wanted.
func (c *Context) rows(want Want) Rows {
	b := &c.Batch
	c.wanted = c.wanted[:0]
	switch want {
	case EveryToken:
		return Rows{All: true}
	case FirstToken:
		c.wanted = append(c.wanted, b.Offsets[:b.Sequences()]...)
	case LastToken:
		for _, end := range b.Offsets[1:] {
			c.wanted = append(c.wanted, end-1)
		}
	case MarkedTokens:
		return Rows{Numbers: b.Marks}
	}
	return Rows{Numbers: c.wanted}
}

// Select is the wanted ones of all rows x.
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

// AverageTokens puts the mean of the states x of so many neighbours, or fewer at the end,
// in the place of each run of tokens of a type. The batch becomes one of what is left: x
// has a row for each of all its tokens, and nothing lies before its sequences.
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

// Layers takes x through the layers, in place, and gives the rows that are wanted. Of
// the last layer it computes keys and values of all tokens, and everything else of the
// wanted ones only. Keys and values are stored where the batch says so. It ends early
// when the caller has gone away.
//
// In one pass it may be called several times, each with the next layers and all but the
// last for EveryToken.
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
	c.wantedPositions = c.wantedPositions[:0]
	for _, n := range rows.Numbers {
		c.wantedPositions = append(c.wantedPositions, c.Batch.Positions[n])
	}
	qkv.Positions = c.wantedPositions
	c.project(l, y, qkv)
	qkv.K, qkv.V = all.K, all.V
	c.finish(l, y, l.Attend(c, qkv, rows))
}

// store stores keys and values of a layer where the batch asks for it.
func (c *Context) store(qkv QKV) {
	b := &c.Batch
	for s, p := range b.Prefix {
		if p.Store != nil {
			first, last := b.Range(s)
			p.Store.add(c.layer, qkv.K.Slice(first, last), qkv.V.Slice(first, last))
		}
	}
}

// QKV is queries, keys and values of some tokens, a row a token. Those that are not
// wanted have no rows.
type QKV struct {
	Q, K, V   Matrix
	Positions []int32 // of the tokens

	all Matrix // queries, keys and values side by side, wanted or not
}

// newQKV has room for rows tokens of the batch: for their queries, for their keys and
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

// slice is that of rows from to to-1.
func (t QKV) slice(from, to int) QKV {
	part := func(x Matrix) Matrix {
		if x.Rows == 0 {
			return x
		}
		return x.Slice(from, to)
	}
	return QKV{Q: part(t.Q), K: part(t.K), V: part(t.V), Positions: t.Positions[from:to], all: part(t.all)}
}

// Project writes x·Wᵀ + b to what is wanted of to. The outputs of l are queries, keys
// and values side by side.
func (c *Context) Project(to QKV, l *Linear, x Matrix) {
	from, end := 0, to.all.Cols
	if to.Q.Rows == 0 {
		from = to.Q.Cols
	}
	if to.K.Rows == 0 {
		end = to.Q.Cols
	}
	// Whole panels are computed, in columns that are nobody's.
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
