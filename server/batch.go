package server

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/winnow-rerank/winnow"
)

// A batch is what is computed at once: ranges of jobs' units.
type batch struct {
	task   task
	lane   lane
	parts  []part
	tokens int
	ends   bool // a job's last unit is in it
	cancel context.CancelFunc
}

type part struct {
	job      *job
	from, to int
}

// dispatch starts batches in the lanes that are free.
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

// fill assembles a lane's next batch.
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

// room returns the number of tokens, at most the given one, that a batch is filled up to.
// A batch that completes a request goes off early, with enough other work to use its
// share of the workers.
func (s *scheduler) room(b *batch, most int) int {
	if b.ends {
		return min(most, s.batchTokens/soonShare)
	}
	return most
}

// take puts a piece of j's units into the batch. It returns false if there is no room.
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

// run computes a batch and hands the results to the jobs.
func (s *scheduler) run(ctx context.Context, b *batch) {
	defer s.idle.Done()
	defer b.cancel()
	start := time.Now()
	done, err := s.compute(ctx, b.task, b.parts)
	took := time.Since(start)
	errs := make([]error, len(b.parts))
	if err != nil && len(b.parts) > 1 && ctx.Err() == nil {
		// Computing each request's units separately finds the one at fault.
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
	if err == nil && b.task <= taskEmbed {
		s.measure(b, took)
	}
	s.busy[b.lane] = false
	s.deliver(b, done, errs)
	s.dispatch()
}

// measure updates the rate and the metrics for a batch of the model.
func (s *scheduler) measure(b *batch, took time.Duration) {
	if seconds := took.Seconds(); seconds > 0 {
		now := float64(b.tokens) * float64(s.running()) / seconds
		if s.rate == 0 {
			s.rate = now
		}
		s.rate += (now - s.rate) / 16
	}
	if s.observe != nil {
		s.observe(b.units(), b.tokens, took)
	}
}

// deliver hands the results and errors of a batch's parts to their jobs.
func (s *scheduler) deliver(b *batch, done outputs, errs []error) {
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
}

func (b *batch) units() (n int) {
	for _, p := range b.parts {
		n += p.to - p.from
	}
	return n
}

// outputs are the results of a batch's units, in order.
type outputs struct {
	results []winnow.Result
	vectors []winnow.Embedding
}

// append adds the outputs of a part, or zeros if it failed.
func (o *outputs) append(one outputs, p part) {
	n := p.to - p.from
	o.results = append(o.results, append(one.results, make([]winnow.Result, n-len(one.results))...)...)
	o.vectors = append(o.vectors, append(one.vectors, make([]winnow.Embedding, n-len(one.vectors))...)...)
}

// compute computes the units of the parts. A panic becomes an error.
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
		err = fmt.Errorf("the model returned %d results for %d inputs", len(inputs)-n, len(inputs))
	}
	return out, err
}

// A modelPanic is a panic of the model that was kept from ending the process.
type modelPanic struct {
	value any
	stack []byte
}

func (e *modelPanic) Error() string { return fmt.Sprintf("the model panicked: %v", e.value) }

// StackTrace returns the stack of the goroutine that panicked. It is for the log, never
// for a client.
func (e *modelPanic) StackTrace() []byte { return e.stack }

func (e *modelPanic) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// A stackTracer is an error made from a panic, here or in one of the engine's workers.
type stackTracer interface {
	error
	StackTrace() []byte
}

// panicked logs an error that was a panic. The model is broken if a page of its file
// could not be read because the file was truncated while mapped.
func (s *scheduler) panicked(err error) {
	if err == nil {
		return
	}
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
		s.broken(fmt.Errorf("its file can no longer be read: %w", fault))
	}
}
