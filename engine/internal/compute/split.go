package compute

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A split is an operation in pieces that any worker may take. Its owner reuses it for
// each operation; state tells them apart.
type split struct {
	work    tiler
	state   atomic.Uint64 // operation number, number of pieces, next piece to take
	left    atomic.Int64  // pieces not done
	waiting atomic.Bool   // the owner sleeps until left is 0
	done    chan struct{}
	failure failure
	_       [64]byte // splits of two workers do not share a cache line
}

const (
	pieceBits = 20
	pieceMask = 1<<pieceBits - 1
	maxPieces = pieceMask / 2 // latecomers are counted too
)

// help takes as many pieces as it can of a split that has any. Each worker starts
// looking at its neighbour, so that they do not all help the same one.
func (p *pool) help(w int) bool {
	return helpOne(w, p.open[w+1:]) || helpOne(w, p.open[:w])
}

// helpOne takes pieces of one of these splits.
func helpOne(w int, open []split) bool {
	for i := range open {
		if s := &open[i]; s.pending() && s.take(w) {
			for s.take(w) {
			}
			return true
		}
	}
	return false
}

// pending reports whether there is a piece that nobody has taken.
func (s *split) pending() bool {
	v := s.state.Load()
	return v&pieceMask < v>>pieceBits&pieceMask
}

// take does one piece of the split, if there is one to take.
func (s *split) take(w int) bool {
	if !s.pending() {
		return false
	}
	// The counter advances even if another worker took the last piece meanwhile: that
	// avoids retries between many workers. The piece may belong to an operation begun
	// since, which is just as good.
	v := s.state.Add(1) - 1
	next, pieces := v&pieceMask, v>>pieceBits&pieceMask
	if next >= pieces {
		return false
	}
	// The piece is this worker's: the owner leaves work alone until it is done.
	func() {
		defer s.failure.catch()
		s.work.tile(int(next), w)
	}()
	if s.left.Add(-1) == 0 && s.waiting.CompareAndSwap(true, false) {
		s.done <- struct{}{}
	}
	return true
}

// helpers reports whether opening a split could find another worker: one that is awake
// or, if the work is large enough to be worth waking for, any.
func (p *pool) helpers(large bool) bool {
	return p.spin.Load() > 0 || large && p.parked.Load() > 0
}

// divide does pieces 0 … pieces-1 of work, together with idle workers. w is the calling
// worker, in the middle of a tile; it must not be called from within a piece. Sleeping
// workers are woken if the work is large. The first panic of a piece is raised again
// here.
func (p *pool) divide(w int, work tiler, pieces int, large bool) {
	if pieces > maxPieces {
		panic("compute: an operation in too many pieces")
	}
	s := &p.open[w]
	s.work = work
	s.left.Store(int64(pieces))
	number := s.state.Load()>>(2*pieceBits) + 1
	s.state.Store(number<<(2*pieceBits) | uint64(pieces)<<pieceBits)
	if large && p.parked.Load() > 0 {
		p.mu.Lock()
		p.wakeLocked(pieces - 1)
		p.mu.Unlock()
	}
	for s.take(w) {
	}
	s.wait()
	s.work = nil
	if e := s.failure.take(); e != nil {
		panic(e)
	}
}

// wait returns when all pieces are done.
func (s *split) wait() {
	if s.left.Load() == 0 {
		return
	}
	start := time.Now()
	for time.Since(start) < spinRunning {
		for range spinChecks {
			if s.left.Load() == 0 {
				return
			}
		}
		runtime.Gosched()
	}
	for s.left.Load() != 0 {
		s.waiting.Store(true)
		if s.left.Load() == 0 && s.waiting.CompareAndSwap(true, false) {
			return
		}
		// A worker that ended the split before this one may be late enough to take this
		// wait for its own: so left is checked again.
		<-s.done
	}
}
