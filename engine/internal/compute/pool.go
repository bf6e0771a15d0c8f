package compute

import (
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A pool is the fixed set of goroutines that compute. They do two kinds of work:
//
//   - A job is brought by a caller from outside: independent tiles, each a
//     batch of sequences that one worker takes through the whole model. Jobs of
//     different callers take turns, tile by tile. Callers do not compute
//     themselves, so there are never more than size goroutines running.
//
//   - A split is one operation of such a tile (a matrix product, say) that its
//     worker opens to the others. Only workers that find no tile to start
//     take part; if all are busy the worker does the whole split itself. So the
//     same code uses all cores for one long text and needs no barrier between
//     many short ones.
//
// Nothing here waits for a tile that nobody runs: a worker waits only at the end of its
// split, for pieces that others have begun, and these pieces wait for nothing. So
// nesting and any number of callers cannot deadlock.
type pool struct {
	size int
	open []split // open[w] is the split of worker w, if any
	wake []chan struct{}
	_    [64]byte // keeps read-only fields off the cache line of those below

	queued  atomic.Int32 // queued jobs, which have tiles to start
	running atomic.Int32 // tiles of jobs in progress
	spin    atomic.Int32 // workers looking for work
	parked  atomic.Int32 // sleeping workers

	mu     sync.Mutex
	queue  []*job
	turn   int   // index in queue of the job whose turn it is
	asleep []int // sleeping workers
	closed bool
	exit   sync.WaitGroup

	users int // under pools.mu
}

// tiler is work in pieces: piece i on worker w.
type tiler interface{ tile(i, w int) }

// A job is work from outside. It can be reused after run has returned.
type job struct {
	work     tiler
	tiles    int
	next     int // under pool.mu
	left     atomic.Int64
	finished chan struct{}
	failure  failure
}

// pools are shared by a process's models that use the same number of threads, so that
// two busy models do not run twice as many.
var pools struct {
	mu     sync.Mutex
	bySize map[int]*pool
}

// acquirePool returns a running pool of size workers; the caller must release it.
func acquirePool(size int) *pool {
	pools.mu.Lock()
	defer pools.mu.Unlock()
	if p := pools.bySize[size]; p != nil {
		p.users++
		return p
	}
	p := newPool(size)
	p.users = 1
	if pools.bySize == nil {
		pools.bySize = make(map[int]*pool)
	}
	pools.bySize[size] = p
	return p
}

func (p *pool) release() {
	pools.mu.Lock()
	p.users--
	last := p.users == 0
	if last {
		delete(pools.bySize, p.size)
	}
	pools.mu.Unlock()
	if last {
		p.close()
	}
}

func newPool(size int) *pool {
	p := &pool{size: size, open: make([]split, size), wake: make([]chan struct{}, size)}
	p.exit.Add(size)
	for w := range size {
		p.open[w].done = make(chan struct{}, 1)
		p.wake[w] = make(chan struct{}, 1)
		go p.worker(w)
	}
	return p
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	asleep := p.asleep
	p.asleep = nil
	p.mu.Unlock()
	for _, w := range asleep {
		p.wake[w] <- struct{}{}
	}
	p.exit.Wait()
}

// run has the workers do tiles 0 … tiles-1 of work, waits for all of them and returns
// the first panic, if any. It must not be called from within a tile.
func (p *pool) run(j *job, work tiler, tiles int) error {
	if tiles == 0 {
		return nil
	}
	if j.finished == nil {
		j.finished = make(chan struct{}, 1)
	}
	j.work, j.tiles, j.next = work, tiles, 0
	j.left.Store(int64(tiles))
	p.mu.Lock()
	p.queue = append(p.queue, j)
	p.queued.Add(1)
	p.wakeLocked(tiles)
	p.mu.Unlock()
	<-j.finished
	j.work = nil
	if e := j.failure.take(); e != nil {
		return e
	}
	return nil
}

// wakeLocked wakes up to n sleeping workers.
func (p *pool) wakeLocked(n int) {
	for ; n > 0 && len(p.asleep) > 0; n-- {
		w := p.asleep[len(p.asleep)-1]
		p.asleep = p.asleep[:len(p.asleep)-1]
		p.parked.Add(-1)
		p.wake[w] <- struct{}{}
	}
}

// take returns the next tile to start, with jobs taking turns.
func (p *pool) take() (j *job, tile int) {
	if p.queued.Load() == 0 {
		return nil, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, 0
	}
	if p.turn >= len(p.queue) {
		p.turn = 0
	}
	j = p.queue[p.turn]
	tile = j.next
	j.next++
	if j.next == j.tiles {
		p.queue = slices.Delete(p.queue, p.turn, p.turn+1)
		p.queued.Add(-1)
	} else {
		p.turn++
	}
	p.running.Add(1)
	return j, tile
}

func (j *job) do(p *pool, tile, w int) {
	func() {
		defer j.failure.catch()
		j.work.tile(tile, w)
	}()
	p.running.Add(-1)
	if j.left.Add(-1) == 0 {
		j.finished <- struct{}{}
	}
}

// Idle workers look for work for a while before they sleep: waking one takes longer
// than many operations.
const (
	spinIdle    = 100 * time.Microsecond // when nobody computes
	spinRunning = 200 * time.Microsecond // while others do, and may open a split
	spinChecks  = 32                     // checks between two clock readings
)

func (p *pool) worker(w int) {
	defer p.exit.Done()
	// An unreadable page of a mapped file, for example one truncated in the meantime,
	// ends the call, not the process.
	debug.SetPanicOnFault(true)
	for {
		if j, tile := p.take(); j != nil {
			j.do(p, tile, w)
			continue
		}
		p.spin.Add(1)
		found := p.look(w)
		p.spin.Add(-1)
		if !found && !p.park(w) {
			return
		}
	}
}

// look helps others with their splits until there is a tile to start (true) or nothing
// has turned up for a while (false).
func (p *pool) look(w int) bool {
	idle := time.Now()
	for {
		for range spinChecks {
			if p.queued.Load() > 0 {
				return true
			}
			if p.help(w) {
				idle = time.Now()
			}
		}
		limit := spinIdle
		if p.running.Load() > 0 {
			limit = spinRunning
		}
		if time.Since(idle) > limit {
			return false
		}
		runtime.Gosched()
	}
}

// park sleeps until there is work; false means that the pool is closed.
func (p *pool) park(w int) bool {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return false
	}
	if len(p.queue) > 0 {
		p.mu.Unlock()
		return true
	}
	p.asleep = append(p.asleep, w)
	p.parked.Add(1)
	p.mu.Unlock()
	<-p.wake[w]
	return true
}
