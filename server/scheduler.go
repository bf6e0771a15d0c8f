package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/winnow-rerank/winnow"
)

// A scheduler decides what a model does next. It cuts every request into pieces, so that
// none delays the others for long, and fills each batch with pieces of any requests.
//
//   - Among clients, the one that has had the fewest tokens is next. After an absence, a
//     client may have a burst of tokens first.
//   - Among the requests of a client, the one that has had the fewest tokens is next: short
//     requests overtake long ones, equal ones take turns.
//   - Every agingTurn-th batch begins with the oldest request instead, so that a long one
//     makes progress under any stream of short ones.
//
// The model computes one batch at a time, and in parallel a second one of requests small
// enough to be done at once: the model's workers alternate between the two. (Two full
// batches at a time were no faster, and slowed small requests down.) Texts are tokenised
// in parallel to these, a piece at a time by the same rules, and completions take turns
// at the model of a few tokens.
//
// The score of a pair does not depend on its batch, so scheduling does not affect scores.
type scheduler struct {
	model       Model
	batchTokens int   // bound of a batch
	limit       int64 // tokens that may wait, of all requests together
	observe     func(pairs, tokens int, took time.Duration)
	broken      func(error)  // called when the model's mapped file can no longer be read; or nil
	log         *slog.Logger // receives panics; or nil

	mu       sync.Mutex
	clients  map[string]*client
	active   []*client // with jobs
	clock    int64     // the most tokens that any client has had
	jobs     int       // with units to start
	queued   int64     // tokens of all unfinished requests
	busy     [lanes]bool
	batches  uint64
	arrivals uint64
	rate     float64 // recent tokens per second
	closed   bool
	idle     sync.WaitGroup // running batches
}

const (
	agingTurn   = 8
	soonShare   = 4 // a batch that completes a request is filled to 1/soonShare
	burstTokens = 4096
	pieceTokens = 128 // taken from one request at a time
	keptClients = 1024
)

// A lane runs one batch at a time.
type lane int

const (
	bulk    lane = iota // any batch of the model
	express             // small requests, in parallel to bulk
	encode              // texts to tokenise
	lanes
)

// A task is the kind of a job's work. Scores of different jobs share batches, and so do
// vectors.
type task int

const (
	taskScore task = iota
	taskEmbed
	taskEncode
	taskTurn // a completion's turn at the model
)

// A job is a request's units of work in the scheduler.
type job struct {
	client  *client
	arrival uint64
	task    task
	costs   []int             // of each unit, in tokens or their equivalent in time
	inputs  []winnow.Encoding // units of taskScore and taskEmbed
	results []winnow.Result
	vectors []winnow.Embedding
	do      func(ctx context.Context, from, to int) error // computes units of the other tasks
	cost    int64                                         // sum of costs
	next    int                                           // first unit not yet started
	had     int64                                         // tokens started
	left    int                                           // units not yet done
	batches map[*batch]struct{}
	err     error
	over    bool
	done    chan struct{}
}

func newScheduler(m Model, batchTokens int, limit int64, observe func(pairs, tokens int, took time.Duration)) *scheduler {
	return &scheduler{model: m, batchTokens: batchTokens, limit: limit, observe: observe, clients: make(map[string]*client)}
}

// score scores pairs for a client. Like embed and each, it returns as soon as ctx is
// done, and the remaining units are never started.
func (s *scheduler) score(ctx context.Context, id string, pairs []winnow.Encoding) ([]winnow.Result, error) {
	j := &job{task: taskScore, costs: tokensOf(pairs), inputs: pairs, results: make([]winnow.Result, len(pairs))}
	return j.results, s.wait(ctx, id, j)
}

// embed computes the vectors of texts for a client.
func (s *scheduler) embed(ctx context.Context, id string, texts []winnow.Encoding) ([]winnow.Embedding, error) {
	j := &job{task: taskEmbed, costs: tokensOf(texts), inputs: texts, vectors: make([]winnow.Embedding, len(texts))}
	return j.vectors, s.wait(ctx, id, j)
}

// each calls do for consecutive ranges of units, in the client's turns to tokenise texts.
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

// wait submits a job and waits for it. If it fails, its results may still be written to.
func (s *scheduler) wait(ctx context.Context, id string, j *job) error {
	if len(j.costs) == 0 {
		return nil
	}
	if err := s.submit(id, j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		s.abandon(j, context.Cause(ctx))
	}
	return j.err
}

// turn waits for the client's turn at the model for work of the given cost. had is what
// the request has had so far. The turn lasts until end is called.
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
	if err := s.submit(id, j); err != nil {
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
func (s *scheduler) submit(id string, j *job) error {
	j.left, j.batches, j.done = len(j.costs), make(map[*batch]struct{}), make(chan struct{})
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

// abandon ends a job, unless it has just finished.
func (s *scheduler) abandon(j *job, err error) {
	s.mu.Lock()
	s.drop(j, err)
	s.mu.Unlock()
}

// close refuses new jobs, ends waiting ones, and waits for the running batches.
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

// load returns what waits and what runs.
func (s *scheduler) load() (jobs int, tokens int64, batches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs, s.queued, s.running()
}

// running returns the number of batches that the model is computing.
func (s *scheduler) running() (batches int) {
	for _, l := range []lane{bulk, express} {
		if s.busy[l] {
			batches++
		}
	}
	return batches
}
