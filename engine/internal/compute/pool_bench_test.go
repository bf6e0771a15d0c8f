//go:build unix

package compute

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPool is what the pool costs for up to 64 workers, each with a thread of its
// own even where the machine has fewer cores: wall-clock times then say little, the
// processor's time (cpu-ns) more, and what one goroutine does alone all.
func BenchmarkPool(b *testing.B) {
	for workers := 1; workers <= 64; workers *= 2 {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(workers, runtime.GOMAXPROCS(0))))
			b.Run("tile", benchTiles(workers))
			b.Run("poll", benchPoll(workers))
			b.Run("piece", benchPieces(workers))
			b.Run("wake", benchWake(workers))
			for _, work := range []int{4, 40, 400, 4000} {
				b.Run(fmt.Sprintf("split=%dµs", work), benchSplit(workers, work))
			}
		})
	}
}

// processorTime is that of all threads.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchTiles hands out tiles in which nothing is done.
func benchTiles(workers int) func(b *testing.B) {
	return func(b *testing.B) {
		r := NewRunner(workers, RunnerOptions{})
		defer r.Close()
		before := processorTime()
		if err := r.Run(context.Background(), tileOf(func(*Context) {}), b.N); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
	}
}

// benchPoll looks for a piece of a split, without finding one.
func benchPoll(workers int) func(b *testing.B) {
	return func(b *testing.B) {
		p := &pool{size: workers, open: make([]split, workers)}
		for b.Loop() {
			p.help(workers - 1)
		}
	}
}

// benchPieces hands out pieces of a split in which nothing is done.
func benchPieces(workers int) func(b *testing.B) {
	return func(b *testing.B) {
		p := acquirePool(workers)
		defer p.release()
		err := p.run(new(job), tileFunc(func(_, w int) {
			for left := b.N; left > 0; left -= maxPieces {
				p.divide(w, tileFunc(func(int, int) {}), min(left, maxPieces), true)
			}
		}), 1)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// burn is an operation of about 10 ns a number.
type burn struct{ sum [64]float32 }

func (u *burn) doRange(from, to, w int) {
	x := float32(1)
	for range (to - from) * 10 {
		x = x*0.999 + 0.001
	}
	if x == 0 {
		u.sum[w] = x
	}
}

// benchSplit opens operations of so many microseconds one after the other.
func benchSplit(workers, work int) func(b *testing.B) {
	return func(b *testing.B) {
		r := NewRunner(workers, RunnerOptions{})
		defer r.Close()
		var u burn
		before := processorTime()
		err := r.Run(context.Background(), tileOf(func(c *Context) {
			for b.Loop() {
				c.spread(&u, work*100, 1, work*1e6)
			}
		}), 1)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
	}
}

// benchWake opens an operation that is worth waking all workers for when all of them
// sleep; what is measured is until its owner begins with a piece of it.
func benchWake(workers int) func(b *testing.B) {
	return func(b *testing.B) {
		r := NewRunner(workers, RunnerOptions{})
		defer r.Close()
		total := time.Duration(0)
		f := first{owner: -1}
		n := 0
		err := r.Run(context.Background(), tileOf(func(c *Context) {
			for b.Loop() {
				for int(c.runner.pool.parked.Load()) < workers-1 {
					time.Sleep(100 * time.Microsecond)
				}
				f = first{owner: c.worker}
				start := time.Now()
				c.spread(&f, 1<<16, 1, 2e9)
				if !f.at.IsZero() { // others were not faster
					total += f.at.Sub(start)
					n++
				}
			}
		}), 1)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(total)/float64(n), "wake-ns/op")
	}
}

// first notes when its owner does its first part.
type first struct {
	burn
	owner int
	at    time.Time
}

func (f *first) doRange(from, to, w int) {
	if w == f.owner && f.at.IsZero() {
		f.at = time.Now()
	}
	f.burn.doRange(from, to, w)
}
