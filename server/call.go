package server

import (
	"context"
	"net/http"
	"slices"
)

// A call is a request's use of a model. Every route that computes goes the same way:
// prepare opens the model, encode takes a place in the scheduler's queue and has the texts
// tokenised there, and what follows is computed there too, until close.
type call struct {
	*instance
	ctx    context.Context
	server *Server
	note   *note
	ticket *ticket
	free   func()
}

// prepare opens the model of that name for a request that is to do a task of
// winnow.Info.Tasks, or anything if that is "". cannot says it of a model that does not.
func (s *Server) prepare(r *http.Request, name, task, cannot string) (*call, error) {
	ctx := r.Context()
	slot, err := s.registry.find(name)
	if err != nil {
		return nil, err
	}
	i, free, err := s.registry.open(ctx, slot)
	if err != nil {
		return nil, err
	}
	c := &call{instance: i, ctx: ctx, server: s, note: noteOf(ctx), free: free}
	c.note.model = i.name
	if task != "" && !slices.Contains(i.info.Tasks, task) {
		free()
		return nil, notSupported("model %q cannot %s", i.name, cannot)
	}
	return c, nil
}

// named prepares a call of the model that a request names.
func (s *Server) named(r *http.Request, f fields, task, cannot string) (*call, error) {
	name, err := f.str("model")
	if err != nil {
		return nil, err
	}
	return s.prepare(r, name, task, cannot)
}

// close gives back what the call holds.
func (c *call) close() {
	if c.ticket != nil {
		c.ticket.release()
	}
	c.free()
}

// A text is tokenised at some ten MB/s, so that this many bytes take about as long as a
// token of a small model.
const bytesPerToken = 256

// encode is how a call's texts become tokens. sizes are the bytes of each pair or text.
// more is about how many tokens are computed beyond those of the texts, as far as the model
// takes these, and later how many of them do does not count. do encodes those of a range
// and says how many tokens there are; whole has it do all at once.
func (c *call) encode(sizes []int, more, later int64, whole bool, do func(ctx context.Context, from, to int) (tokens int, err error)) error {
	estimate := more
	costs := make([]int, len(sizes))
	for i, n := range sizes {
		estimate += min(int64(c.info.MaxLength), int64(n)/4+4)
		costs[i] = n/bytesPerToken + 1
	}
	if whole {
		sum := 0
		for _, n := range costs {
			sum += n
		}
		costs = []int{sum}
	}
	if c.ticket != nil { // of what was computed before
		c.ticket.release()
		c.ticket = nil
	}
	var err error
	if c.ticket, err = c.scheduler.admit(c.note.client, estimate); err != nil {
		return err
	}
	span := c.server.tracer.start(c.ctx, "tokenize")
	defer span.end()
	tokens := 0
	err = c.scheduler.each(c.ctx, c.note.client, costs, func(ctx context.Context, from, to int) error {
		if whole {
			from, to = 0, len(sizes)
		}
		n, err := do(ctx, from, to)
		tokens += n
		return err
	})
	if err != nil {
		return err
	}
	c.ticket.correct(int64(tokens) + later)
	return nil
}
