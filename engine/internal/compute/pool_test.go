package compute

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type tileFunc func(i, w int)

func (f tileFunc) tile(i, w int) { f(i, w) }

func TestPoolRunsEachTileOnce(t *testing.T) {
	for _, size := range []int{1, 2, 3, 8} {
		p := acquirePool(size)
		for _, tiles := range []int{0, 1, 2, 7, 1000} {
			counts := make([]atomic.Int32, tiles)
			p.run(new(job), tileFunc(func(i, w int) {
				counts[i].Add(1)
				if w < 0 || w >= size {
					t.Errorf("worker %d of %d", w, size)
				}
			}), tiles)
			for i := range counts {
				if n := counts[i].Load(); n != 1 {
					t.Errorf("size %d: tile %d of %d ran %d times", size, i, tiles, n)
				}
			}
		}
		p.release()
	}
}

// Many callers, whose tiles open splits of all sizes: everything is done once,
// nothing waits for ever, and no more than size goroutines compute.
func TestPoolNestedUseByManyCallers(t *testing.T) {
	const size, callers, tiles = 3, 16, 20
	p := acquirePool(size)
	defer p.release()
	var active, most, pieces atomic.Int64
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			j := new(job)
			for range 3 {
				p.run(j, tileFunc(func(i, w int) {
					for n := range 8 {
						var mine atomic.Int64
						p.divide(w, tileFunc(func(int, int) {
							if now := active.Add(1); now > most.Load() {
								most.Store(now)
							}
							mine.Add(1)
							active.Add(-1)
						}), n*n, n%2 == 0)
						if mine.Load() != int64(n*n) {
							t.Errorf("a split of %d pieces did %d", n*n, mine.Load())
						}
						pieces.Add(mine.Load())
					}
				}), tiles)
			}
		})
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("still waiting after a minute")
	}
	if want := int64(callers * 3 * tiles * (0 + 1 + 4 + 9 + 16 + 25 + 36 + 49)); pieces.Load() != want {
		t.Errorf("%d pieces, want %d", pieces.Load(), want)
	}
	if most.Load() > size {
		t.Errorf("%d goroutines computed at a time, want at most %d", most.Load(), size)
	}
}

// A split is shared: with one tile and a sleeping second worker, both take part.
func TestPoolSplitFindsHelp(t *testing.T) {
	p := acquirePool(2)
	defer p.release()
	var by [2]atomic.Int32
	for range 50 {
		p.run(new(job), tileFunc(func(_, w int) {
			p.divide(w, tileFunc(func(_, w int) {
				by[w].Add(1)
				time.Sleep(100 * time.Microsecond)
			}), 20, true)
		}), 1)
	}
	if by[0].Load() == 0 || by[1].Load() == 0 {
		t.Errorf("workers did %d and %d pieces; want both to take part", by[0].Load(), by[1].Load())
	}
}

func TestPoolJobsTakeTurns(t *testing.T) {
	p := acquirePool(1)
	defer p.release()
	var order []string
	release := make(chan struct{})
	long := make(chan struct{})
	go func() {
		p.run(new(job), tileFunc(func(i, _ int) {
			if i == 0 {
				<-release
			}
			order = append(order, fmt.Sprint("long ", i))
		}), 100)
		close(long)
	}()
	for p.running.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	short := make(chan int)
	go func() {
		p.run(new(job), tileFunc(func(int, int) { order = append(order, "short") }), 1)
		short <- 0
	}()
	for p.queued.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	<-short
	<-long
	for i, name := range order {
		if name == "short" && i > 2 {
			t.Errorf("the short job ran as tile %d, behind the long one", i)
		}
	}
}

func TestPoolPanicsReachTheCaller(t *testing.T) {
	p := acquirePool(2)
	defer p.release()
	j := new(job)
	for _, c := range []struct {
		want string
		work tileFunc
	}{
		{"tile", func(int, int) { panic("tile") }},
		{"piece", func(_, w int) { p.divide(w, tileFunc(func(int, int) { panic("piece") }), 5, true) }},
	} {
		err := p.run(j, c.work, 5)
		var e *PanicError
		if !errors.As(err, &e) || e.Value != c.want {
			t.Fatalf("a %s's panic gave the caller %v", c.want, err)
		}
		if !strings.Contains(string(e.StackTrace()), "TestPoolPanicsReachTheCaller") {
			t.Errorf("the stack of a %s's panic does not say where it was:\n%s", c.want, e.StackTrace())
		}
	}
	ran := false
	if err := p.run(j, tileFunc(func(int, int) { ran = true }), 1); err != nil || !ran {
		t.Errorf("after a panic the pool gives %v", err)
	}
}

func TestPoolsAreSharedAndEnd(t *testing.T) {
	a, b, c := acquirePool(2), acquirePool(2), acquirePool(3)
	if a != b || a == c {
		t.Error("want one pool for each number of threads")
	}
	a.release()
	c.release()
	b.run(new(job), tileFunc(func(int, int) {}), 3)
	b.release()
	if len(pools.bySize) != 0 {
		t.Errorf("%d pools are left", len(pools.bySize))
	}
}

func TestPoolAllocatesNothing(t *testing.T) {
	p := acquirePool(2)
	defer p.release()
	j := new(job)
	var work nested
	work.p = p
	p.run(j, &work, 4)
	if n := testing.AllocsPerRun(100, func() { p.run(j, &work, 4) }); n != 0 {
		t.Errorf("%v allocations a run, want 0", n)
	}
}

type nested struct {
	p    *pool
	leaf leaf
}

type leaf struct{ n atomic.Int64 }

func (l *leaf) tile(int, int)   { l.n.Add(1) }
func (n *nested) tile(_, w int) { n.p.divide(w, &n.leaf, 10, true) }
