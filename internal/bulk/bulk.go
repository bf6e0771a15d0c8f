package bulk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// A Pair is a query and a document to score.
type Pair struct {
	ID              []byte // as JSON
	Query, Document string
	Line            int // in the input
}

// A Job describes the work of Run. Encoded is the model's encoding of pairs.
type Job[Encoded any] struct {
	// Next returns the next pair, io.EOF after the last one.
	Next func() (Pair, error)
	// Encode is called for the next pairs while Score runs.
	Encode func(context.Context, []Pair) (Encoded, error)
	// Score returns a score for each pair of Encode, independently of the other pairs.
	Score func(context.Context, Encoded) ([]float64, error)
	// Begin receives, before the first pair is scored, the number of pairs in the
	// output.
	Begin func(there int64)
	// Progress receives the number of pairs that this run has written.
	Progress func(done int64)

	Shard, Shards int  // score only the Shard-th of each Shards pairs, from 0; Shards 0: all
	Overwrite     bool // discard the existing output
}

// A Report is the result of Run.
type Report struct {
	There int64 // pairs that the output already had
	Done  int64 // pairs added
}

// checked is how many of the last lines of an output are scored again before lines are
// added.
const checked = 4

// Run scores the pairs of a job into a file, or into stdout if name is "-".
func Run[Encoded any](ctx context.Context, name string, stdout io.Writer, job Job[Encoded]) (report Report, err error) {
	if job.Shards > 1 {
		job.Next = shard(job.Next, job.Shard, job.Shards)
	}
	var o *output
	if name == "-" {
		if o, err = newOutput("standard output", plain, stdout); err != nil {
			return report, err
		}
	} else {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return report, err
		}
		defer func() {
			if closeErr := f.Close(); err == nil {
				err = closeErr
			}
		}()
		if !lock(f) {
			return report, fmt.Errorf("%s: another process is writing to it", name)
		}
		if o, report.There, err = job.resume(ctx, name, f); err != nil {
			return report, err
		}
		if o == nil {
			job.Begin(report.There)
			return report, nil
		}
	}
	job.Begin(report.There)
	err = job.score(ctx, o, &report)
	if finishErr := o.finish(); err == nil && finishErr != nil {
		err = fmt.Errorf("%s: %w", o.name, finishErr)
	}
	return report, err
}

func shard(next func() (Pair, error), at, of int) func() (Pair, error) {
	before, after := at, of-1-at
	return func() (Pair, error) {
		for range before {
			if p, err := next(); err != nil {
				return p, err
			}
		}
		before = at + after
		return next()
	}
}

// resume reads the output of an earlier run from f and skips its pairs, whose number is
// there. A nil output means that nothing is left to do.
func (job *Job[Encoded]) resume(ctx context.Context, name string, f *os.File) (o *output, there int64, err error) {
	e := readExisting(name, compressionOf(name), f)
	if job.Overwrite {
		o, err = e.resume(f)
		return o, 0, err
	}
	var last []Pair // the latest pairs in the output
	var scores []float64
	var prefix []byte
	for {
		if err := ctx.Err(); err != nil {
			return nil, 0, context.Cause(ctx)
		}
		line, err := e.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		score, ok := scoreOf(line)
		if !ok {
			return nil, 0, fmt.Errorf("%s:%d: found %q, expected {\"id\":…,\"score\":…}: not written by winnow bulk; --overwrite starts over", name, e.count, clip(line))
		}
		p, err := job.Next()
		if err == io.EOF {
			return nil, 0, fmt.Errorf("%s:%d: the output has more pairs than the input: it belongs to another input; --overwrite starts over", name, e.count)
		}
		if err != nil {
			return nil, 0, err
		}
		if prefix = appendHead(prefix[:0], p.ID); !bytes.HasPrefix(line, prefix) {
			return nil, 0, fmt.Errorf("%s:%d: found %s where the input has id %s: the output belongs to another input; --overwrite starts over", name, e.count, clip(line), p.ID)
		}
		if len(last) == checked {
			copy(last, last[1:])
			copy(scores, scores[1:])
			last, scores = last[:checked-1], scores[:checked-1]
		}
		last, scores = append(last, p), append(scores, score)
	}
	if len(last) > 0 {
		encoded, err := job.Encode(ctx, last)
		if err != nil {
			return nil, 0, err
		}
		again, err := job.Score(ctx, encoded)
		if err != nil {
			return nil, 0, err
		}
		for i, score := range again {
			if score != scores[i] {
				return nil, 0, fmt.Errorf("%s:%d: id %s now scores %v, but the output has %v: it was made with another model, precision, option or kind of processor; --overwrite starts over",
					name, e.count-int64(len(again)-1-i), last[i].ID, score, scores[i])
			}
		}
	}
	if !e.whole || e.kind == plain {
		o, err = e.resume(f)
		return o, e.count, err
	}
	// A complete compressed output is modified only if there are more pairs.
	first, err := job.Next()
	if err != io.EOF {
		next, given := job.Next, false
		job.Next = func() (Pair, error) {
			if !given {
				given = true
				return first, err
			}
			return next()
		}
		o, err = e.resume(f)
		return o, e.count, err
	}
	return nil, e.count, nil
}

func appendHead(dst, id []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = append(dst, id...)
	return append(dst, `,"score":`...)
}

// scoreOf parses the score of a line.
func scoreOf(line []byte) (float64, bool) {
	const mark = `,"score":`
	at := bytes.LastIndex(line, []byte(mark))
	if at < 0 || !bytes.HasPrefix(line, []byte(`{"id":`)) || !bytes.HasSuffix(line, []byte("}\n")) {
		return 0, false
	}
	score, err := strconv.ParseFloat(string(line[at+len(mark):len(line)-2]), 64)
	return score, err == nil
}

func clip(line []byte) []byte {
	line = bytes.TrimRight(line, "\n")
	return line[:min(len(line), 60)]
}

// Pairs are scored in windows, one call each. The size is adjusted so that a call takes
// about half a second, since the output grows by windows, and is limited so that memory
// use is negligible.
const (
	firstWindow   = 32
	largestWindow = 1024
	windowBytes   = 4 << 20 // of text
	shortWindow   = 500 * time.Millisecond
	longWindow    = 2 * time.Second
)

type window[Encoded any] struct {
	pairs   []Pair
	encoded Encoded
	err     error // after pairs
}

// score scores the remaining pairs.
func (job *Job[Encoded]) score(ctx context.Context, o *output, report *Report) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	windows := make(chan window[Encoded]) // one window is prepared while another is scored
	sizes := make(chan int, 1)
	go func() {
		size := firstWindow
		for {
			select {
			case size = <-sizes:
			default:
			}
			w := job.window(ctx, size)
			select {
			case windows <- w:
			case <-ctx.Done():
				return
			}
			if w.err != nil {
				return
			}
		}
	}()
	size := firstWindow
	var line []byte
	for {
		var w window[Encoded]
		select {
		case w = <-windows:
		case <-ctx.Done(): // reading may block forever
			return context.Cause(ctx)
		}
		if len(w.pairs) > 0 {
			begin := time.Now()
			scores, err := job.Score(ctx, w.encoded)
			if err != nil {
				return err
			}
			for i, p := range w.pairs {
				line = append(AppendLine(line[:0], p.ID, scores[i]), '\n')
				if err := o.write(line); err != nil {
					return fmt.Errorf("%s: %w", o.name, err)
				}
			}
			if err := o.flush(); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			report.Done += int64(len(w.pairs))
			job.Progress(report.Done)
			took := time.Since(begin)
			switch {
			case took < shortWindow && len(w.pairs) == size:
				size = min(2*size, largestWindow)
			case took > longWindow:
				size = max(size/2, 1)
			}
			select {
			case sizes <- size:
			default:
			}
		}
		if w.err == io.EOF {
			return nil
		}
		if w.err != nil {
			return w.err
		}
	}
}

// window reads and encodes the next pairs.
func (job *Job[Encoded]) window(ctx context.Context, size int) (w window[Encoded]) {
	bytes := 0
	for len(w.pairs) < size && bytes < windowBytes {
		p, err := job.Next()
		if err != nil {
			w.err = err
			break
		}
		bytes += len(p.Query) + len(p.Document)
		w.pairs = append(w.pairs, p)
	}
	if len(w.pairs) > 0 {
		encoded, err := job.Encode(ctx, w.pairs)
		if err != nil {
			w.pairs, w.err = nil, err
		}
		w.encoded = encoded
	}
	return w
}
