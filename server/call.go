package server

import (
	"context"
	"net/http"
	"slices"
)

// A call is a request's use of a model. Every route that computes goes the same way:
// prepare opens the model; encode takes a place in the scheduler's queue and tokenises
// the texts there; scores, vectors or tokens are computed there too, until close.
type call struct {
	*instance
	ctx    context.Context
	server *Server
	note   *note
	ticket *ticket
	free   func()
}

// prepare opens the named model for a request. task is one of winnow.Info.Tasks, or ""
// for any. If the model lacks it, the error says that it cannot do what cannot describes.
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

// named is like prepare with the model's name from the request's field "model".
func (s *Server) named(r *http.Request, all fields, task, cannot string) (*call, error) {
	f := reader{fields: all}
	name := f.str("model")
	if f.err != nil {
		return nil, f.err
	}
	return s.prepare(r, name, task, cannot)
}

// close releases the model and the call's place in the queue.
func (c *call) close() {
	if c.ticket != nil {
		c.ticket.release()
	}
	c.free()
}

// bytesPerToken is the number of bytes whose tokenisation, at some 10 MB/s, takes about
// as long as a small model takes for one token.
const bytesPerToken = 256

// encode converts a call's texts into tokens. sizes are the bytes of each pair or text.
// more estimates the tokens to be computed in addition to those of the texts (each of
// which counts up to the model's maximum length), and later is the part of them that do
// does not count. do encodes a range and returns its number of tokens; whole makes it a
// single range.
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
	if c.ticket != nil { // of an earlier computation
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
