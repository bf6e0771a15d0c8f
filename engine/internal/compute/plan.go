package compute

import (
	"cmp"
	"container/heap"
	"slices"
)

// A Plan divides the sequences of a call into chunks, each of which one worker takes
// through the model. It keeps its memory between calls.
type Plan struct {
	order  []int32 // sequences, longest first
	chunks []chunk
	queue  chunkQueue
	next   []int32 // the sequence after each one in its chunk, or -1
}

type chunk struct {
	load, tokens int
	first, last  int32 // sequences, linked by Plan.next
}

// cost is the work for a sequence of n tokens, in tokens of a short one: attention
// grows quadratically. knee is the length at which it takes as long as everything else.
func cost(n, knee int) int { return n + n*n/knee }

// Divide groups the sequences into chunks of about size tokens with loads as equal as
// possible. The number of chunks is a multiple of workers if there are enough
// sequences. knee is the length at which attention takes as long as everything else.
func (p *Plan) Divide(sequences []Sequence, size, workers, knee int) {
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

	p.chunks = slices.Grow(p.chunks[:0], n)[:n]
	p.queue.chunks, p.queue.order = p.chunks, p.queue.order[:0]
	for i := range p.chunks {
		p.chunks[i] = chunk{first: -1, last: -1}
		p.queue.order = append(p.queue.order, int32(i)) // equal loads: already in order
	}
	p.next = slices.Grow(p.next[:0], len(sequences))[:len(sequences)]
	for _, i := range p.order {
		c := &p.chunks[p.queue.order[0]]
		c.load += cost(sequences[i].Len(), knee)
		c.tokens += sequences[i].Len()
		p.next[i] = -1
		if c.last < 0 {
			c.first = i
		} else {
			p.next[c.last] = i
		}
		c.last = i
		heap.Fix(&p.queue, 0)
	}
	slices.SortFunc(p.chunks, func(a, b chunk) int {
		return cmp.Or(b.load-a.load, int(a.first-b.first))
	})
}

// Chunks returns the number of chunks.
func (p *Plan) Chunks() int { return len(p.chunks) }

// Fill adds the sequences of chunk i to b. prefixes has what precedes each sequence of
// the call; nil: nothing.
func (p *Plan) Fill(b *Batch, i int, sequences []Sequence, prefixes []Prefix) {
	for s := p.chunks[i].first; s >= 0; s = p.next[s] {
		var before Prefix
		if prefixes != nil {
			before = prefixes[s]
		}
		b.Add(int(s), sequences[s], before)
	}
}

// chunkQueue is a heap of chunks, least loaded first.
type chunkQueue struct {
	chunks []chunk
	order  []int32
}

func (q *chunkQueue) Len() int      { return len(q.order) }
func (q *chunkQueue) Swap(i, j int) { q.order[i], q.order[j] = q.order[j], q.order[i] }
func (q *chunkQueue) Less(i, j int) bool {
	a, b := q.order[i], q.order[j]
	return cmp.Or(q.chunks[a].load-q.chunks[b].load, int(a-b)) < 0
}

// Push and Pop complete heap.Interface; the number of chunks is fixed.
func (q *chunkQueue) Push(x any) { q.order = append(q.order, x.(int32)) }

// Pop removes the last one.
func (q *chunkQueue) Pop() any {
	last := q.order[len(q.order)-1]
	q.order = q.order[:len(q.order)-1]
	return last
}
