package engine

import (
	"cmp"
	"slices"
)

// A Batch is some sequences end to end, without padding: sequence s is tokens
// Offsets[s] to Offsets[s+1]-1.
type Batch struct {
	IDs     []int32
	Types   []int32 // token types
	Offsets []int32 // one more than there are sequences
	Numbers []int32 // which sequence of the call each one is
	Seen    []int32 // how many of its tokens, from the first, attention sees

	// Positions are rows of the position table; the family fills them in.
	Positions []int32

	// Of causal models:
	Past []behind // what lies before each sequence; nil: nothing
	Want []int32  // tokens of which the states after the last layer are wanted, in order

	wantAt []int32 // their positions
}

// Sequences is how many there are.
func (b *Batch) Sequences() int { return len(b.Offsets) - 1 }

func (b *Batch) reset() {
	b.IDs, b.Types, b.Numbers, b.Seen = b.IDs[:0], b.Types[:0], b.Numbers[:0], b.Seen[:0]
	b.Offsets = append(b.Offsets[:0], 0)
}

func (b *Batch) add(number int32, s Sequence) {
	b.IDs = append(b.IDs, s.IDs...)
	if s.Types != nil {
		b.Types = append(b.Types, s.Types...)
	} else {
		n := len(b.Types)
		b.Types = slices.Grow(b.Types, len(s.IDs))[:n+len(s.IDs)]
		clear(b.Types[n:])
	}
	b.Offsets = append(b.Offsets, int32(len(b.IDs)))
	b.Numbers = append(b.Numbers, number)
	seen := s.seen
	if seen == 0 {
		seen = int32(len(s.IDs))
	}
	b.Seen = append(b.Seen, seen)
}

// A plan divides the sequences of a call into chunks, each of which one worker
// takes through the model. It keeps its memory from call to call.
type plan struct {
	order  []int32 // sequences, the longest first
	chunks []chunk
	heap   []int32 // chunks, the least loaded first
	next   []int32 // the sequence after each one in its chunk, or -1
}

type chunk struct {
	load, tokens int
	first, last  int32 // sequences, linked by plan.next
}

// cost is the work that a sequence of n tokens makes, in tokens of a short one:
// attention grows with the square. knee is the length at which it takes as long
// as everything else.
func cost(n, knee int) int { return n + n*n/knee }

// divide plans the sequences as chunks of about size tokens, a multiple of
// workers of them if there are sequences enough, of loads as equal as can be.
func (p *plan) divide(sequences []Sequence, size, workers, knee int) {
	p.order = p.order[:0]
	tokens := 0
	for i, s := range sequences {
		p.order = append(p.order, int32(i))
		tokens += s.Len()
	}
	slices.SortFunc(p.order, func(a, b int32) int {
		return cmp.Or(sequences[b].Len()-sequences[a].Len(), int(a-b))
	})
	n := (tokens + size - 1) / size
	n = (n + workers - 1) / workers * workers
	n = max(1, min(n, len(sequences)))

	p.chunks, p.heap = p.chunks[:0], p.heap[:0]
	for i := range n {
		p.chunks = append(p.chunks, chunk{first: -1, last: -1})
		p.heap = append(p.heap, int32(i))
	}
	p.next = slices.Grow(p.next[:0], len(sequences))[:len(sequences)]
	for _, i := range p.order {
		c := &p.chunks[p.heap[0]]
		c.load += cost(sequences[i].Len(), knee)
		c.tokens += sequences[i].Len()
		p.next[i] = -1
		if c.last < 0 {
			c.first = i
		} else {
			p.next[c.last] = i
		}
		c.last = i
		p.sink()
	}
	slices.SortFunc(p.chunks, func(a, b chunk) int {
		return cmp.Or(b.load-a.load, int(a.first-b.first))
	})
}

// fill makes b the batch of chunk i.
func (p *plan) fill(b *Batch, i int, sequences []Sequence) {
	b.reset()
	for s := p.chunks[i].first; s >= 0; s = p.next[s] {
		b.add(s, sequences[s])
	}
}

// sink restores the heap after the load of its first chunk has grown.
func (p *plan) sink() {
	h := p.heap
	lighter := func(i, j int) bool {
		return cmp.Or(p.chunks[h[i]].load-p.chunks[h[j]].load, int(h[i]-h[j])) < 0
	}
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && lighter(child+1, child) {
			child++
		}
		if !lighter(child, i) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
