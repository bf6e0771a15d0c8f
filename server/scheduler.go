package server

import (
	"context"
	"log/slog"
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

func newScheduler(m Model, batchTokens int, limit int64, observe func(pairs, tokens int, took time.Duration)) *scheduler {
	return &scheduler{model: m, batchTokens: batchTokens, limit: limit, observe: observe, clients: make(map[string]*client)}
}

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
