package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// A scheduler decides which pairs a model scores next. It cuts every request
// into pieces, so that none keeps the others waiting for long, and fills each
// batch with pieces of whatever requests there are.
//
//   - Among clients, the one that has had the fewest tokens is next. One that
//     has been away for a while may have a burst of tokens first.
//   - Among the requests of a client, the one that has had the fewest tokens is
//     next: short requests overtake long ones, equals take turns.
//   - Every agingTurn-th batch begins with the oldest request instead, so that a
//     long one goes on under any stream of short ones.
//
// One batch is with the model at a time, and a second one beside it for requests
// that are small enough to be done at once: the model's workers take turns
// between the two. (Two full batches at a time made nothing faster, and small
// requests slower.)
//
// The score of a pair does not depend on its batch, so nothing here changes any
// score.
type scheduler struct {
	model       Model
	batchTokens int   // of a batch
	limit       int64 // tokens that may wait, all requests together
	observe     func(pairs, tokens int, took time.Duration)

	mu       sync.Mutex
	clients  map[string]*client
	active   []*client // those that have jobs
	clock    int64     // the most that a client has had
	jobs     int       // that have pairs to start
	queued   int64     // tokens of all requests that are not done
	bulk     bool      // a batch is with the model
	express  bool      // and one beside it
	batches  uint64
	arrivals uint64
	rate     float64 // tokens a second, as lately observed
	closed   bool
	idle     sync.WaitGroup // batches with the model
}

const (
	agingTurn   = 8
	burstTokens = 4096
	pieceTokens = 128 // taken of one request at a time
	keptClients = 1024
)

// A client is who asks: what it has had decides when it is next.
type client struct {
	id   string
	had  int64 // tokens, on the clock of all clients
	jobs []*job
}

// A job is a request's pairs on their way through the scheduler.
type job struct {
	ctx     context.Context
	client  *client
	arrival uint64
	pairs   []Pair
	outputs []Output
	tokens  int64 // of all pairs
	next    int   // the first pair that has not been started
	had     int64 // tokens that have been started
	left    int   // pairs without an output
	batches map[*batch]struct{}
	err     error
	over    bool
	done    chan struct{}
}

// A batch is what the model scores at once: ranges of jobs' pairs.
type batch struct {
	pairs  []Pair
	parts  []part
	tokens int
	beside bool // let in beside the others
	cancel context.CancelFunc
}

type part struct {
	job      *job
	from, to int
}

func newScheduler(m Model, batchTokens int, limit int64, observe func(pairs, tokens int, took time.Duration)) *scheduler {
	return &scheduler{model: m, batchTokens: batchTokens, limit: limit, observe: observe, clients: make(map[string]*client)}
}

// A ticket is a place for some tokens among those that may wait.
type ticket struct {
	s      *scheduler
	tokens int64
}

// admit gives out a place for about that many tokens, or refuses with 429. A
// request that alone is over the limit is let in when nothing else waits.
func (s *scheduler) admit(tokens int64) (*ticket, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errStopping()
	}
	if s.queued > 0 && s.queued+tokens > s.limit {
		wait := time.Second
		if s.rate > 0 {
			wait = time.Duration(float64(s.queued) / s.rate * float64(time.Second))
		}
		return nil, &apiError{Status: http.StatusTooManyRequests, Type: typeUnavailable, RetryAfter: min(max(wait, time.Second), time.Minute),
			Message: "too many tokens are waiting already (--queue-tokens); try again later"}
	}
	s.queued += tokens
	return &ticket{s, tokens}, nil
}

func errStopping() error {
	return unavailable(time.Second, "the model is being unloaded or the server is stopping; try again")
}

// correct makes the ticket one for so many tokens, whether they fit or not.
func (t *ticket) correct(tokens int64) {
	t.s.mu.Lock()
	t.s.queued += tokens - t.tokens
	t.tokens = tokens
	t.s.mu.Unlock()
}

// release gives the place back.
func (t *ticket) release() { t.correct(0) }

// score scores the pairs for a client. It returns at once when ctx is done; the
// pairs that have not been started then never are.
func (s *scheduler) score(ctx context.Context, id string, pairs []Pair) ([]Output, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	j := &job{ctx: ctx, pairs: pairs, outputs: make([]Output, len(pairs)), left: len(pairs),
		batches: make(map[*batch]struct{}), done: make(chan struct{})}
	for _, p := range pairs {
		j.tokens += int64(p.Tokens())
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errStopping()
	}
	s.arrivals++
	j.arrival = s.arrivals
	s.join(j, id)
	s.dispatch()
	s.mu.Unlock()

	select {
	case <-j.done:
		return j.outputs, j.err
	case <-ctx.Done():
		s.mu.Lock()
		s.drop(j, context.Cause(ctx))
		s.mu.Unlock()
		return j.outputs, j.err // it may have been done in this moment
	}
}

// join puts a job into its client's queue.
func (s *scheduler) join(j *job, id string) {
	c := s.clients[id]
	if c == nil {
		if len(s.clients) >= keptClients {
			s.forget()
		}
		c = &client{id: id}
		s.clients[id] = c
	}
	if len(c.jobs) == 0 {
		// One that comes back after the others have had much may not claim it all.
		c.had = max(c.had, s.leastHad()-burstTokens)
		s.active = append(s.active, c)
	}
	j.client = c
	c.jobs = append(c.jobs, j)
	s.jobs++
}

// leastHad is the least that a client with jobs has had, on the clients' clock;
// without any, the most that one has had.
func (s *scheduler) leastHad() int64 {
	least := s.clock
	for _, c := range s.active {
		least = min(least, c.had)
	}
	return least
}

// forget drops the clients that have nothing to do and nothing to answer for.
func (s *scheduler) forget() {
	line := s.leastHad() - burstTokens
	for id, c := range s.clients {
		if len(c.jobs) == 0 && c.had <= line {
			delete(s.clients, id)
		}
	}
	if len(s.clients) >= keptClients {
		for id, c := range s.clients {
			if len(c.jobs) == 0 {
				delete(s.clients, id)
			}
		}
	}
}

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

// drop ends a job before its time. Batches that then hold nobody's pairs stop.
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

// dispatch starts batches while the model takes any.
func (s *scheduler) dispatch() {
	for s.jobs > 0 {
		beside := s.bulk
		if beside && s.express {
			return
		}
		b := s.fill(beside)
		if b == nil {
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel, b.beside = cancel, beside
		if beside {
			s.express = true
		} else {
			s.bulk = true
		}
		s.idle.Add(1)
		go s.run(ctx, b)
	}
}

// fill makes a batch of what is next, only of small requests if express is set.
func (s *scheduler) fill(express bool) *batch {
	b := &batch{}
	if !express {
		s.batches++
		if s.batches%agingTurn == 0 {
			s.take(b, s.oldest())
		}
	}
	for s.jobs > 0 && b.tokens < s.batchTokens {
		j := s.fairest(express)
		if j == nil || !s.take(b, j) {
			break
		}
	}
	if len(b.pairs) == 0 {
		return nil
	}
	return b
}

// take puts a piece of j's pairs into the batch; false means that there is no
// room for any.
func (s *scheduler) take(b *batch, j *job) bool {
	from, piece := j.next, 0
	for j.next < len(j.pairs) && piece < pieceTokens {
		n := j.pairs[j.next].Tokens()
		if len(b.pairs) > 0 && b.tokens+n > s.batchTokens {
			break
		}
		b.pairs = append(b.pairs, j.pairs[j.next])
		b.tokens += n
		piece += n
		j.next++
	}
	if from == j.next {
		return false
	}
	j.had += int64(piece)
	j.client.had += int64(piece)
	s.clock = max(s.clock, j.client.had)
	if last := len(b.parts) - 1; last >= 0 && b.parts[last].job == j {
		b.parts[last].to = j.next
	} else {
		b.parts = append(b.parts, part{j, from, j.next})
	}
	j.batches[b] = struct{}{}
	if j.next == len(j.pairs) {
		s.leave(j)
	}
	return true
}

func (s *scheduler) oldest() *job {
	var first *job
	for _, c := range s.active {
		for _, j := range c.jobs {
			if first == nil || j.arrival < first.arrival {
				first = j
			}
		}
	}
	return first
}

func (s *scheduler) fairest(express bool) *job {
	var best *job
	for _, c := range s.active {
		if best != nil && c.had > best.client.had {
			continue
		}
		j := c.fairest(express, int64(s.batchTokens))
		if j != nil && (best == nil || c.had < best.client.had || c.had == best.client.had && j.arrival < best.arrival) {
			best = j
		}
	}
	return best
}

func (c *client) fairest(express bool, small int64) *job {
	var best *job
	for _, j := range c.jobs {
		if express && j.tokens > small {
			continue
		}
		if best == nil || j.had < best.had {
			best = j
		}
	}
	return best
}

// run has the model score a batch and gives the jobs their outputs.
func (s *scheduler) run(ctx context.Context, b *batch) {
	defer s.idle.Done()
	defer b.cancel()
	start := time.Now()
	outputs, err := s.compute(ctx, b.pairs)
	took := time.Since(start)
	var errs []error // of the parts, if the batch failed
	if err != nil && len(b.parts) > 1 && ctx.Err() == nil {
		// Whose pairs it was is found by scoring each request's alone.
		outputs, errs = s.apart(ctx, b)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	together := s.running()
	if b.beside {
		s.express = false
	} else {
		s.bulk = false
	}
	if err == nil {
		if seconds := took.Seconds(); seconds > 0 {
			now := float64(b.tokens) * float64(together) / seconds
			if s.rate == 0 {
				s.rate = now
			}
			s.rate += (now - s.rate) / 16
		}
		if s.observe != nil {
			s.observe(len(b.pairs), b.tokens, took)
		}
	}
	at := 0
	for i, p := range b.parts {
		n := p.to - p.from
		j := p.job
		delete(j.batches, b)
		err := err
		if errs != nil {
			err = errs[i]
		}
		switch {
		case j.over:
		case err != nil:
			s.drop(j, err)
		default:
			copy(j.outputs[p.from:p.to], outputs[at:at+n])
			if j.left -= n; j.left == 0 {
				j.over = true
				close(j.done)
			}
		}
		at += n
	}
	s.dispatch()
}

// compute has the model score pairs; a panic becomes an error.
func (s *scheduler) compute(ctx context.Context, pairs []Pair) (outputs []Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the model panicked: %v\n%s", p, debug.Stack())
		}
	}()
	outputs, err = s.model.Score(ctx, pairs)
	if err == nil && len(outputs) != len(pairs) {
		err = fmt.Errorf("the model gave %d scores for %d pairs", len(outputs), len(pairs))
	}
	return outputs, err
}

func (s *scheduler) apart(ctx context.Context, b *batch) ([]Output, []error) {
	outputs, errs := make([]Output, len(b.pairs)), make([]error, len(b.parts))
	at := 0
	for i, p := range b.parts {
		n := p.to - p.from
		out, err := s.compute(ctx, b.pairs[at:at+n])
		copy(outputs[at:], out)
		errs[i] = err
		at += n
	}
	return outputs, errs
}

// close refuses what comes and ends what waits, then waits for the batches that
// are with the model.
func (s *scheduler) close() {
	s.mu.Lock()
	s.closed = true
	for _, c := range slices.Clone(s.active) {
		for _, j := range slices.Clone(c.jobs) {
			s.drop(j, errStopping())
		}
	}
	s.mu.Unlock()
	s.idle.Wait()
}

// load is what waits and what runs.
func (s *scheduler) load() (jobs int, tokens int64, batches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs, s.queued, s.running()
}

func (s *scheduler) running() (batches int) {
	if s.bulk {
		batches++
	}
	if s.express {
		batches++
	}
	return batches
}
