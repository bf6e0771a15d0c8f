package engine

import (
	"slices"
	"sync"

	"github.com/winnow-rerank/winnow/kernels"
)

// A past is what a causal model keeps of the tokens that it has read: their keys
// and values in every layer. As no token sees a later one, the first n of them
// are the past of the first n tokens, whatever follows.
type past struct {
	ids    []int32
	layers []kept
	width  int // numbers of a token's keys in a layer, and of its values

	// Under pasts.mu:
	used  uint64 // when it was used last
	users int    // calls that read or write it
	kept  bool   // in pasts.list
}

// kept is keys and values of one layer, a row a token.
type kept struct{ keys, values []float32 }

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

// bytes is how much memory a past holds: all layers are alike.
func (p *past) bytes() int64 {
	return int64(len(p.layers)) * int64(cap(p.layers[0].keys)+cap(p.layers[0].values)) * 4
}

// pasts is a bounded store of pasts of the texts that prompts begin with. Those in
// it do not change any more.
type pasts struct {
	layers, width int
	limit         int64 // bytes that are kept

	mu    sync.Mutex
	clock uint64
	size  int64
	list  []*past
	spare *past // memory that nobody reads any more, or nil
}

// shortest is the number of tokens from which on it pays to keep and to look up.
const shortest = 8

// begin is a past for the caller to write, and to be done with: the first n tokens
// of p, which may be nil if n is 0, and room for more.
func (c *pasts) begin(p *past, n, more int) *past {
	room := (n + more) * c.width
	c.mu.Lock()
	q := c.spare
	if q != nil && cap(q.layers[0].keys) >= room && cap(q.layers[0].keys)/2 <= room {
		c.spare = nil
	} else {
		q = nil
	}
	c.mu.Unlock()
	if q == nil {
		q = &past{width: c.width, layers: make([]kept, c.layers)}
		for i := range q.layers {
			q.layers[i] = kept{kernels.Floats(room)[:0], kernels.Floats(room)[:0]}
		}
	}
	q.users = 1
	q.ids = q.ids[:0]
	if n > 0 {
		q.ids = append(q.ids, p.ids[:n]...)
	}
	for i := range q.layers {
		l := &q.layers[i]
		l.keys, l.values = l.keys[:0], l.values[:0]
		if n > 0 {
			l.keys = append(l.keys, p.layers[i].keys[:n*c.width]...)
			l.values = append(l.values, p.layers[i].values[:n*c.width]...)
		}
	}
	return q
}

// done says that a caller of begin or find uses p, which may be nil, no more.
func (c *pasts) done(p *past) {
	if p == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.users--
	c.free(p)
}

// free takes the memory of a past that nobody uses for the next one. At the pace of
// the garbage collector a server would hold the memory of several.
func (c *pasts) free(p *past) {
	if p.users == 0 && !p.kept && p.bytes() <= c.limit && (c.spare == nil || c.spare.bytes() < p.bytes()) {
		c.spare = p
	}
}

// drop takes a past out of the list.
func (c *pasts) drop(i int) {
	p := c.list[i]
	c.list = slices.Delete(c.list, i, i+1)
	c.size -= p.bytes()
	p.kept = false
	c.free(p)
}

// find is the past that has the most tokens of the beginning of ids, and how many
// these are. The caller says when it is done with it.
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
	best.users++
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
	for i := len(c.list) - 1; i >= 0; i-- {
		if q := c.list[i]; len(q.ids) <= len(p.ids) && commonPrefix(q.ids, p.ids) == len(q.ids) {
			c.drop(i)
		}
	}
	for c.size+size > c.limit {
		oldest := 0
		for i, q := range c.list {
			if q.used < c.list[oldest].used {
				oldest = i
			}
		}
		c.drop(oldest)
	}
	c.clock++
	p.used, p.kept = c.clock, true
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
