package engine

import (
	"context"
	"slices"
)

// pastBytes bounds the memory of the pasts that are kept from call to call.
const pastBytes = 256 << 20

// readBlock is how many tokens of one text are read at a time.
const readBlock = 256

// share has the beginnings that sequences share read once, and makes rests of the
// sequences. No score changes by that.
func (r *call) share() error {
	m := r.model
	r.rests, r.behind = r.rests[:0], r.behind[:0]
	known := make(map[string]*past)
	var missing []*reading
	for _, s := range r.sequences {
		if s.shared < shortest {
			continue
		}
		key := bytesOf(s.IDs[:s.shared])
		if _, ok := known[string(key)]; ok {
			continue
		}
		p, n := m.pasts.find(s.IDs[:s.shared])
		if n < s.shared {
			next := &reading{model: m, ctx: r.ctx, ids: s.IDs[:s.shared]}
			next.begin(p, n)
			missing = append(missing, next)
			p = next.past
		}
		known[string(key)] = p
		r.held = append(r.held, p)
	}
	if len(missing) > 0 {
		m.pool.run(&r.job, readings(missing), len(missing))
		if r.ctx.Err() != nil {
			return context.Cause(r.ctx)
		}
		for _, p := range missing {
			m.pasts.put(p.past)
		}
	}
	for _, s := range r.sequences {
		var b behind
		rest := s
		if s.shared >= shortest {
			b = behind{past: known[string(bytesOf(s.IDs[:s.shared]))], tokens: s.shared}
			rest = Sequence{IDs: s.IDs[s.shared:]}
		}
		r.rests, r.behind = append(r.rests, rest), append(r.behind, b)
	}
	r.sequences = r.rests
	return nil
}

// attach gives the batch what lies before its sequences.
func (r *call) attach(b *Batch) {
	b.Past = b.Past[:0]
	if r.model.pasts == nil {
		b.Past = nil
		return
	}
	for _, n := range b.Numbers {
		b.Past = append(b.Past, r.behind[n])
	}
}

// forget drops what a call held.
func (r *call) forget() {
	clear(r.rests)
	clear(r.behind)
	for _, p := range r.held {
		r.model.pasts.done(p)
	}
	clear(r.held)
	r.held = r.held[:0]
}

// bytesOf is ids as a key of a map.
func bytesOf(ids []int32) []byte {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = append(b, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return b
}

// A reading reads tokens into a past, with or without an answer.
type reading struct {
	model *Model
	ctx   context.Context
	ids   []int32 // all, those that the past has already included
	past  *past
	room  int                        // for tokens that will come after ids
	state func(c *Compute, x Matrix) // of the last token, or nil
}

// begin takes the first n tokens of p, which was found, and room for the rest.
func (r *reading) begin(p *past, n int) {
	r.past = r.model.pasts.begin(p, n, len(r.ids)-n+r.room)
	r.model.pasts.done(p)
}

// read reads what the past does not have, on worker w.
func (r *reading) read(w int) {
	m, p := r.model, r.past
	c := &m.computes[w]
	c.ctx = r.ctx
	for len(p.ids) < len(r.ids) && !c.Cancelled() {
		from := len(p.ids)
		to := min(from+readBlock, len(r.ids))
		c.arena.reset()
		b := &c.Batch
		b.reset()
		b.add(0, Sequence{IDs: r.ids[from:to]})
		b.Past = append(b.Past[:0], behind{past: p, tokens: from, keep: p})
		b.Want = b.Want[:0]
		if to == len(r.ids) && r.state != nil {
			b.wantLast()
		}
		x := m.network.(*reranker).states(c)
		if c.Cancelled() {
			break
		}
		p.ids = append(p.ids, r.ids[from:to]...)
		if len(b.Want) > 0 {
			r.state(c, x)
		}
	}
	clear(c.Batch.Past)
	c.ctx = nil
}

// readings are read at the same time.
type readings []*reading

func (r readings) tile(i, w int) { r[i].read(w) }

// tasks are what the model can do.
func (m *Model) tasks() []string {
	var tasks []string
	if m.vectors != nil {
		return []string{"embed"}
	}
	if n, ok := m.network.(*reranker); !ok || m.prompt != nil || n.ProjectIn != nil {
		tasks = append(tasks, "rerank")
	}
	if m.completes {
		tasks = append(tasks, "complete")
	}
	return slices.Clip(tasks)
}
