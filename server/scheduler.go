package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/winnow-rerank/winnow"
)

// A scheduler decides what a model does next. It cuts every request into pieces, so
// that none keeps the others waiting for long, and fills each batch with pieces of
// whatever requests there are.
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
// requests slower.) Texts are tokenised a piece at a time beside these, by the same
// rules, and completions take their turns at the model a few tokens at a time.
//
// The score of a pair does not depend on its batch, so nothing here changes any
// score.
type scheduler struct {
	model       Model
	batchTokens int   // of a batch
	limit       int64 // tokens that may wait, all requests together
	observe     func(pairs, tokens int, took time.Duration)
	broken      func(error)  // told when the model's file has gone from under it; or nil
	log         *slog.Logger // told of panics; or nil

	mu       sync.Mutex
	clients  map[string]*client
	active   []*client // those that have jobs
	clock    int64     // the most that a client has had
	jobs     int       // that have units to start
	queued   int64     // tokens of all requests that are not done
	busy     [lanes]bool
	batches  uint64
	arrivals uint64
	rate     float64 // tokens a second, as lately observed
	closed   bool
	idle     sync.WaitGroup // batches under way
}

const (
	agingTurn   = 8
	soonShare   = 4 // a batch in which a request ends is filled to a quarter
	burstTokens = 4096
	pieceTokens = 128 // taken of one request at a time
	keptClients = 1024
)

// A lane takes one batch at a time.
type lane int

const (
	bulk    lane = iota // with the model
	express             // beside it, of small requests
	encode              // of texts that are tokenised
	lanes
)

// A client is who asks: what it has had decides when it is next.
type client struct {
	id     string
	had    int64 // tokens, on the clock of all clients
	queued int64 // tokens of its requests that are not done
	jobs   []*job
}

// A task is what is done with a job's units. Those of scores, and those of vectors, of
// different jobs share batches.
type task int

const (
	taskScore task = iota
	taskEmbed
	taskEncode
	taskTurn // at the model, of a completion
)

// A job is a request's units of work on their way through the scheduler.
type job struct {
	ctx     context.Context
	client  *client
	arrival uint64
	task    task
	costs   []int             // of each unit, in tokens or what takes as long as these
	inputs  []winnow.Encoding // the units of taskScore and taskEmbed
	results []winnow.Result
	vectors []winnow.Embedding
	do      func(ctx context.Context, from, to int) error // does units of the other tasks
	cost    int64                                         // of all units
	next    int                                           // the first unit that has not been started
	had     int64                                         // tokens that have been started
	left    int                                           // units that are not done
	batches map[*batch]struct{}
	err     error
	over    bool
	done    chan struct{}
}

// A batch is what is done at once: ranges of jobs' units.
type batch struct {
	task   task
	lane   lane
	parts  []part
	tokens int
	ends   bool // a job does, with it
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
	client *client
	tokens int64
}

// admit gives a client a place for about that many tokens, or refuses with 429. A
// request that alone is over the limit is let in when nothing else waits. A client gets
// three quarters of the places, so that there are always some for the others.
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
			Message: "too many tokens are waiting already (--queue-tokens); try again later"}
	}
	s.queued += tokens
	c.queued += tokens
	return &ticket{s, c, tokens}, nil
}

func errStopping() error {
	return unavailable(time.Second, "the model is being unloaded or the server is stopping; try again")
}

// correct makes the ticket one for so many tokens, whether they fit or not.
func (t *ticket) correct(tokens int64) {
	t.s.mu.Lock()
	t.s.queued += tokens - t.tokens
	t.client.queued += tokens - t.tokens
	t.tokens = tokens
	t.s.mu.Unlock()
}

// release gives the place back.
func (t *ticket) release() { t.correct(0) }

// score scores pairs for a client. Like embed and each, it returns at once when ctx is
// done; the units that have not been started then never are.
func (s *scheduler) score(ctx context.Context, id string, pairs []winnow.Encoding) ([]winnow.Result, error) {
	j := &job{task: taskScore, costs: tokensOf(pairs), inputs: pairs, results: make([]winnow.Result, len(pairs))}
	return j.results, s.wait(ctx, id, j)
}

// embed makes vectors of texts for a client.
func (s *scheduler) embed(ctx context.Context, id string, texts []winnow.Encoding) ([]winnow.Embedding, error) {
	j := &job{task: taskEmbed, costs: tokensOf(texts), inputs: texts, vectors: make([]winnow.Embedding, len(texts))}
	return j.vectors, s.wait(ctx, id, j)
}

// each calls do for ranges of units, one after the other, when it is the client's turn to
// have texts tokenised.
func (s *scheduler) each(ctx context.Context, id string, costs []int, do func(ctx context.Context, from, to int) error) error {
	return s.wait(ctx, id, &job{task: taskEncode, costs: costs, do: do})
}

func tokensOf(list []winnow.Encoding) []int {
	costs := make([]int, len(list))
	for i, e := range list {
		costs[i] = e.Tokens()
	}
	return costs
}

// wait has a job done. Its results may still be written to when it fails.
func (s *scheduler) wait(ctx context.Context, id string, j *job) error {
	if len(j.costs) == 0 {
		return nil
	}
	if err := s.submit(ctx, id, j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		s.abandon(j, context.Cause(ctx))
	}
	return j.err
}

// turn waits until it is the client's turn to have the model for what costs so much. had
// is what the request has had before. The turn lasts until end is called.
func (s *scheduler) turn(ctx context.Context, id string, cost int, had int64) (end func(), err error) {
	granted, given := make(chan struct{}), make(chan struct{})
	j := &job{task: taskTurn, costs: []int{cost}, had: had, do: func(ctx context.Context, _, _ int) error {
		close(granted)
		select {
		case <-given:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
	if err := s.submit(ctx, id, j); err != nil {
		return nil, err
	}
	select {
	case <-granted:
		return func() { close(given); <-j.done }, nil
	case <-j.done:
		return nil, j.err
	case <-ctx.Done():
		s.abandon(j, context.Cause(ctx))
		return nil, j.err
	}
}

// submit puts a job into its client's queue.
func (s *scheduler) submit(ctx context.Context, id string, j *job) error {
	j.ctx, j.left, j.batches, j.done = ctx, len(j.costs), make(map[*batch]struct{}), make(chan struct{})
	for _, n := range j.costs {
		j.cost += int64(n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errStopping()
	}
	s.arrivals++
	j.arrival = s.arrivals
	s.join(j, id)
	s.dispatch()
	return nil
}

// abandon ends a job, unless it was done in this moment.
func (s *scheduler) abandon(j *job, err error) {
	s.mu.Lock()
	s.drop(j, err)
	s.mu.Unlock()
}

// client is the client of that id.
func (s *scheduler) client(id string) *client {
	c := s.clients[id]
	if c == nil {
		if len(s.clients) >= keptClients {
			s.forget()
		}
		c = &client{id: id}
		s.clients[id] = c
	}
	return c
}

// join puts a job into its client's queue.
func (s *scheduler) join(j *job, id string) {
	c := s.client(id)
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

// drop ends a job before its time. Batches that then hold nobody's units stop.
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

// dispatch starts batches in the lanes that take any.
func (s *scheduler) dispatch() {
	for l := range lanes {
		if s.busy[l] || s.jobs == 0 || l == express && !s.busy[bulk] {
			continue
		}
		b := s.fill(l)
		if b == nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		b.cancel = cancel
		s.busy[l] = true
		s.idle.Add(1)
		go s.run(ctx, b)
	}
}

// fill makes a batch of what is next in a lane.
func (s *scheduler) fill(l lane) *batch {
	b := &batch{lane: l}
	most := s.batchTokens
	if l == encode {
		most = pieceTokens
	}
	if l == bulk {
		s.batches++
		if s.batches%agingTurn == 0 {
			if j := s.oldest(l); j != nil {
				s.take(b, j, most)
			}
		}
	}
	for s.jobs > 0 && b.tokens < s.room(b, most) && (len(b.parts) == 0 || b.task <= taskEmbed) {
		j := s.fairest(b)
		if j == nil || !s.take(b, j, most) {
			break
		}
	}
	if len(b.parts) == 0 {
		return nil
	}
	return b
}

// room is how many tokens a batch is filled up to, of most. What a request waits for goes
// off with enough beside it for its part of the workers.
func (s *scheduler) room(b *batch, most int) int {
	if b.ends {
		return min(most, s.batchTokens/soonShare)
	}
	return most
}

// take puts a piece of j's units into the batch; false means that there is no
// room for any.
func (s *scheduler) take(b *batch, j *job, most int) bool {
	from, piece := j.next, 0
	most = s.room(b, most)
	for j.next < len(j.costs) && piece < pieceTokens {
		n := j.costs[j.next]
		if (len(b.parts) > 0 || j.next > from) && b.tokens+n > most {
			break
		}
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
	b.task = j.task
	if last := len(b.parts) - 1; last >= 0 && b.parts[last].job == j {
		b.parts[last].to = j.next
	} else {
		b.parts = append(b.parts, part{j, from, j.next})
	}
	j.batches[b] = struct{}{}
	if j.next == len(j.costs) {
		s.leave(j)
		b.ends = true
	}
	return true
}

// takes says whether a job may go into the batch.
func (s *scheduler) takes(b *batch, j *job) bool {
	switch {
	case len(b.parts) > 0 && j.task != b.task, (j.task == taskEncode) != (b.lane == encode):
		return false
	case b.lane == express:
		return j.cost <= int64(s.batchTokens)
	}
	return true
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

// fairest is the job that is next in a batch.
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

// run does a batch and gives the jobs their results.
func (s *scheduler) run(ctx context.Context, b *batch) {
	defer s.idle.Done()
	defer b.cancel()
	start := time.Now()
	done, err := s.compute(ctx, b.task, b.parts)
	took := time.Since(start)
	errs := make([]error, len(b.parts))
	if err != nil && len(b.parts) > 1 && ctx.Err() == nil {
		// Whose units it was is found by doing each request's alone.
		for i := range b.parts {
			var one outputs
			one, errs[i] = s.compute(ctx, b.task, b.parts[i:i+1])
			done.append(one, b.parts[i])
		}
	} else {
		for i := range errs {
			errs[i] = err
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	together := s.running()
	s.busy[b.lane] = false
	if err == nil && b.task <= taskEmbed {
		if seconds := took.Seconds(); seconds > 0 {
			now := float64(b.tokens) * float64(together) / seconds
			if s.rate == 0 {
				s.rate = now
			}
			s.rate += (now - s.rate) / 16
		}
		if s.observe != nil {
			s.observe(b.units(), b.tokens, took)
		}
	}
	at := 0
	for i, p := range b.parts {
		n := p.to - p.from
		j := p.job
		delete(j.batches, b)
		switch {
		case j.over:
		case errs[i] != nil:
			s.drop(j, errs[i])
		default:
			switch b.task {
			case taskScore:
				copy(j.results[p.from:p.to], done.results[at:at+n])
			case taskEmbed:
				copy(j.vectors[p.from:p.to], done.vectors[at:at+n])
			}
			if j.left -= n; j.left == 0 {
				j.over = true
				close(j.done)
			}
		}
		at += n
	}
	s.dispatch()
}

func (b *batch) units() (n int) {
	for _, p := range b.parts {
		n += p.to - p.from
	}
	return n
}

// outputs are those of a batch's units, in their order.
type outputs struct {
	results []winnow.Result
	vectors []winnow.Embedding
}

// append adds those of a part, or zeros if it failed.
func (o *outputs) append(one outputs, p part) {
	n := p.to - p.from
	o.results = append(o.results, append(one.results, make([]winnow.Result, n-len(one.results))...)...)
	o.vectors = append(o.vectors, append(one.vectors, make([]winnow.Embedding, n-len(one.vectors))...)...)
}

// compute does the units of the parts; a panic becomes an error.
func (s *scheduler) compute(ctx context.Context, t task, parts []part) (out outputs, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &modelPanic{p, debug.Stack()}
		}
		s.panicked(err)
	}()
	if t > taskEmbed {
		p := parts[0]
		return out, p.job.do(ctx, p.from, p.to)
	}
	inputs := parts[0].job.inputs[parts[0].from:parts[0].to]
	if len(parts) > 1 {
		inputs = slices.Clone(inputs)
		for _, p := range parts[1:] {
			inputs = append(inputs, p.job.inputs[p.from:p.to]...)
		}
	}
	n := len(inputs)
	if t == taskScore {
		out.results, err = s.model.ScoreEncoded(ctx, inputs)
		n -= len(out.results)
	} else {
		out.vectors, err = s.model.EmbedEncoded(ctx, inputs)
		n -= len(out.vectors)
	}
	if err == nil && n != 0 {
		err = fmt.Errorf("the model gave %d results for %d inputs", len(inputs)-n, len(inputs))
	}
	return out, err
}

// A modelPanic is a panic of the model, kept from ending the process.
type modelPanic struct {
	value any
	stack []byte
}

func (e *modelPanic) Error() string { return fmt.Sprintf("the model panicked: %v", e.value) }

// StackTrace is that of the goroutine that panicked: for the log, never for a client.
func (e *modelPanic) StackTrace() []byte { return e.stack }

func (e *modelPanic) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// A stackTracer is an error that a panic became, here or in one of the engine's workers.
type stackTracer interface {
	error
	StackTrace() []byte
}

// panicked logs a model's error that was a panic. If a page of the model's file could
// not be read, because the file was truncated while it is mapped, the model is broken.
func (s *scheduler) panicked(err error) {
	var p stackTracer
	if !errors.As(err, &p) {
		return
	}
	if s.log != nil {
		s.log.Error("panic", "error", p, "stack", string(p.StackTrace()))
	}
	var fault interface {
		error
		Addr() uintptr
	}
	if errors.As(err, &fault) && s.broken != nil {
		s.broken(fmt.Errorf("its file cannot be read any more: %w", fault))
	}
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

// running is how many batches are with the model.
func (s *scheduler) running() (batches int) {
	for _, l := range []lane{bulk, express} {
		if s.busy[l] {
			batches++
		}
	}
	return batches
}
