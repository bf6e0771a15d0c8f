package engine

import (
	"slices"
	"sync"
)

// A past is what a causal model keeps of the tokens that it has read: their keys
// and values in every layer. As no token sees a later one, the first n of them
// are the past of the first n tokens, whatever follows.
type past struct {
	ids    []int32
	layers []kept
	width  int // numbers of a token's keys in a layer, and of its values

	used uint64 // when it was used last, under pasts.mu
}

// kept is keys and values of one layer, a row a token.
type kept struct{ keys, values []float32 }

// from is a past that begins with the first n tokens of p, with room for more.
func (p *past) from(n, more int) *past {
	q := &past{width: p.width, ids: append(make([]int32, 0, n+more), p.ids[:n]...), layers: make([]kept, len(p.layers))}
	for i, l := range p.layers {
		q.layers[i].keys = append(make([]float32, 0, (n+more)*p.width), l.keys[:n*p.width]...)
		q.layers[i].values = append(make([]float32, 0, (n+more)*p.width), l.values[:n*p.width]...)
	}
	return q
}

// rows are the keys and values of the first n tokens.
func (p *past) rows(layer, n int) (keys, values Matrix) {
	l := &p.layers[layer]
	return Matrix{Data: l.keys[:n*p.width], Rows: n, Cols: p.width, Stride: p.width},
		Matrix{Data: l.values[:n*p.width], Rows: n, Cols: p.width, Stride: p.width}
}

// add appends tokens to a layer.
func (p *past) add(layer int, keys, values Matrix) {
	l := &p.layers[layer]
	for i := range keys.Rows {
		l.keys = append(l.keys, keys.Row(i)...)
		l.values = append(l.values, values.Row(i)...)
	}
}

// capacity is how much memory a past holds in its first layer, in bytes, times the
// number of layers: all are alike.
func (p *past) capacity() int64 {
	return int64(len(p.layers)) * int64(cap(p.layers[0].keys)) * 8
}

func (p *past) bytes() int64 { return int64(len(p.layers)) * int64(len(p.ids)) * int64(p.width) * 8 }

// pasts is a bounded store of pasts of the texts that prompts begin with. Those in
// it do not change any more.
type pasts struct {
	layers, width int
	limit         int64 // bytes

	mu    sync.Mutex
	clock uint64
	size  int64
	list  []*past
	spare *past // memory that nobody reads any more, or nil
}

// shortest is the number of tokens from which on it pays to keep and to look up.
const shortest = 8

// empty is a past of no tokens with room for some.
func (c *pasts) empty(room int) *past {
	c.mu.Lock()
	p := c.spare
	c.spare = nil
	c.mu.Unlock()
	if p == nil || cap(p.layers[0].keys) < room*c.width {
		return (&past{width: c.width, layers: make([]kept, c.layers)}).from(0, room)
	}
	p.ids = p.ids[:0]
	for i := range p.layers {
		l := &p.layers[i]
		l.keys, l.values = l.keys[:0], l.values[:0]
	}
	return p
}

// giveBack takes the memory of a past that was never put, for the next one. At the
// pace of the garbage collector a server would hold the memory of several.
func (c *pasts) giveBack(p *past) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.capacity() <= c.limit && (c.spare == nil || c.spare.capacity() < p.capacity()) {
		c.spare = p
	}
}

// find is the past that has the most tokens of the beginning of ids, and how many
// these are.
func (c *pasts) find(ids []int32) (best *past, common int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.list {
		if n := commonPrefix(p.ids, ids); n > common {
			best, common = p, n
		}
	}
	if common < shortest {
		return nil, 0
	}
	c.clock++
	best.used = c.clock
	return best, common
}

// put stores a past, and drops those that were used least recently where there
// are too many.
func (c *pasts) put(p *past) {
	size := p.bytes()
	if size > c.limit || len(p.ids) < shortest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// What is wholly contained in the new one is of no more use.
	c.list = slices.DeleteFunc(c.list, func(q *past) bool {
		contained := len(q.ids) <= len(p.ids) && commonPrefix(q.ids, p.ids) == len(q.ids)
		if contained {
			c.size -= q.bytes()
		}
		return contained
	})
	for c.size+size > c.limit {
		oldest := 0
		for i, q := range c.list {
			if q.used < c.list[oldest].used {
				oldest = i
			}
		}
		c.size -= c.list[oldest].bytes()
		c.list = slices.Delete(c.list, oldest, oldest+1)
	}
	c.clock++
	p.used = c.clock
	c.list = append(c.list, p)
	c.size += size
}

func commonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// past is what was read before the tokens of sequence s, and how many tokens of
// it count.
func (b *Batch) past(s int) (p *past, tokens int) {
	if b.Past == nil {
		return nil, 0
	}
	return b.Past[s].past, b.Past[s].tokens
}

// keep is where the keys and values of sequence s are to be stored, or nil.
func (b *Batch) keep(s int) *past {
	if b.Past == nil {
		return nil
	}
	return b.Past[s].keep
}

// wanted is the range in b.Want of sequence s.
func (b *Batch) wanted(s int) (from, to int) {
	from, _ = slices.BinarySearch(b.Want, b.Offsets[s])
	to, _ = slices.BinarySearch(b.Want, b.Offsets[s+1])
	return from, to
}

// wantLast asks for the states of each sequence's last token.
func (b *Batch) wantLast() {
	b.Want = b.Want[:0]
	for _, end := range b.Offsets[1:] {
		b.Want = append(b.Want, end-1)
	}
}

// wantedPositions are the positions of the tokens that are wanted.
func (b *Batch) wantedPositions() []int32 {
	b.wantAt = b.wantAt[:0]
	for _, row := range b.Want {
		b.wantAt = append(b.wantAt, b.Positions[row])
	}
	return b.wantAt
}

// place numbers the tokens of each sequence from its past's end on.
func (b *Batch) place() {
	b.Positions = b.Positions[:0]
	for s := range b.Sequences() {
		_, at := b.past(s)
		for range b.Offsets[s+1] - b.Offsets[s] {
			b.Positions = append(b.Positions, int32(at))
			at++
		}
	}
}

// A behind is what lies before a sequence of a batch.
type behind struct {
	past   *past // or nil
	tokens int   // of past that count
	keep   *past // that takes the sequence's own keys and values, or nil
}
