package server

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// A client is the sender of requests. What it has had determines its turn.
type client struct {
	had    int64 // tokens started, on the clock shared by all clients
	queued int64 // tokens of its unfinished requests
	jobs   []*job
}

// client returns the client with this id.
func (s *scheduler) client(id string) *client {
	c := s.clients[id]
	if c == nil {
		if len(s.clients) >= keptClients {
			s.forget()
		}
		c = new(client)
		s.clients[id] = c
	}
	return c
}

// join puts a job into its client's queue.
func (s *scheduler) join(j *job, id string) {
	c := s.client(id)
	if len(c.jobs) == 0 {
		// A client that returns after the others have had much may not claim all of it.
		c.had = max(c.had, s.leastHad()-burstTokens)
		s.active = append(s.active, c)
	}
	j.client = c
	c.jobs = append(c.jobs, j)
	s.jobs++
}

// leastHad returns the least that a client with jobs has had, on the clients' clock, or
// without such clients the most that any has had.
func (s *scheduler) leastHad() int64 {
	least := s.clock
	for _, c := range s.active {
		least = min(least, c.had)
	}
	return least
}

// forget drops idle clients whose past use no longer affects their turn, and all idle
// ones if that leaves too many.
func (s *scheduler) forget() {
	line := s.leastHad() - burstTokens
	maps.DeleteFunc(s.clients, func(_ string, c *client) bool { return c.idle() && c.had <= line })
	if len(s.clients) >= keptClients {
		maps.DeleteFunc(s.clients, func(_ string, c *client) bool { return c.idle() })
	}
}

func (c *client) idle() bool { return len(c.jobs) == 0 && c.queued == 0 }

// leave takes a job out of its client's queue.
func (s *scheduler) leave(j *job) {
	if i := slices.Index(j.client.jobs, j); i >= 0 {
		j.client.jobs = slices.Delete(j.client.jobs, i, i+1)
		s.jobs--
	}
	if len(j.client.jobs) == 0 {
		if i := slices.Index(s.active, j.client); i >= 0 {
			s.active = slices.Delete(s.active, i, i+1)
		}
	}
}

// drop ends a job early. Batches that then contain no live units are cancelled.
func (s *scheduler) drop(j *job, err error) {
	if j.over {
		return
	}
	s.leave(j)
	j.over, j.err = true, err
	for b := range j.batches {
		if !slices.ContainsFunc(b.parts, func(p part) bool { return !p.job.over }) {
			b.cancel()
		}
	}
	close(j.done)
}

func (s *scheduler) oldest(l lane) *job {
	var first *job
	for _, c := range s.active {
		for _, j := range c.jobs {
			if s.takes(&batch{lane: l}, j) && (first == nil || j.arrival < first.arrival) {
				first = j
			}
		}
	}
	return first
}

// fairest returns the job whose turn it is in a batch.
func (s *scheduler) fairest(b *batch) *job {
	var best *job
	for _, c := range s.active {
		if best != nil && c.had > best.client.had {
			continue
		}
		var own *job
		for _, j := range c.jobs {
			if s.takes(b, j) && (own == nil || j.had < own.had) {
				own = j
			}
		}
		if own != nil && (best == nil || c.had < best.client.had || c.had == best.client.had && own.arrival < best.arrival) {
			best = own
		}
	}
	return best
}

// takes reports whether a job may go into the batch.
func (s *scheduler) takes(b *batch, j *job) bool {
	switch {
	case len(b.parts) > 0 && j.task != b.task, (j.task == taskEncode) != (b.lane == encode):
		return false
	case b.lane == express:
		return j.cost <= int64(s.batchTokens)
	}
	return true
}

// A ticket is a reservation for a number of tokens in the queue.
type ticket struct {
	s      *scheduler
	client *client
	tokens int64
}

// admit reserves about that many tokens for a client, or refuses with status 429. A
// request that exceeds the limit by itself is admitted when nothing else waits. A client
// gets at most three quarters of the limit, so that some is always left for others.
func (s *scheduler) admit(id string, tokens int64) (*ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopping()
	}
	c := s.client(id)
	if s.queued > 0 && s.queued+tokens > s.limit || c.queued > 0 && c.queued+tokens > s.limit-s.limit/4 {
		wait := time.Second
		if s.rate > 0 {
			wait = time.Duration(float64(s.queued) / s.rate * float64(time.Second))
		}
		return nil, &apiError{Status: http.StatusTooManyRequests, Type: typeUnavailable, RetryAfter: min(max(wait, time.Second), time.Minute),
			Message: "too many tokens are queued (--queue-tokens); try again later"}
	}
	s.queued += tokens
	c.queued += tokens
	return &ticket{s, c, tokens}, nil
}

func errStopping() error {
	return unavailable(time.Second, "the model is being unloaded or the server is stopping; try again")
}

// correct changes the reservation to a number of tokens, whether they fit or not.
func (t *ticket) correct(tokens int64) {
	t.s.mu.Lock()
	t.s.queued += tokens - t.tokens
	t.client.queued += tokens - t.tokens
	t.tokens = tokens
	t.s.mu.Unlock()
}

// release returns the reservation.
func (t *ticket) release() { t.correct(0) }
