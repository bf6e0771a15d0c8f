//go:build unix

package server

import (
	"os"
	"sync"
	"time"
)

// pauseEvery is the delay that a request may have before it is read.
const pauseEvery = time.Millisecond

// Pause returns the function that the workers of a served model should call now and then,
// so that the server is not kept waiting while all threads compute: see winnow.WithPause.
// It may be called concurrently. Pause returns nil where it is not needed or has no
// effect.
//
// Go polls the network when a thread is idle, and otherwise every 10 ms. More threads
// would poll at once, but then every hand-over of work would wake one of them, which
// takes longer than many an operation. So about once a millisecond a worker waits for a
// goroutine that only the network poller wakes: other events are found along with it and
// are handled first.
func Pause() func() {
	p, err := newPauser()
	if err != nil {
		return nil // out of file descriptors: requests are read later
	}
	return p.pause
}

type pauser struct {
	w    *os.File // of a pipe
	read chan struct{}
	byte []byte

	mu   sync.Mutex
	last time.Time
}

func newPauser() (*pauser, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &pauser{w: w, read: make(chan struct{}), byte: make([]byte, 1)}
	go func() {
		var b [1]byte
		for {
			if _, err := r.Read(b[:]); err != nil {
				return
			}
			p.read <- struct{}{}
		}
	}()
	return p, nil
}

func (p *pauser) pause() {
	if !p.mu.TryLock() {
		return // another worker is pausing
	}
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.last) < pauseEvery {
		return
	}
	if _, err := p.w.Write(p.byte); err == nil {
		<-p.read
	}
	p.last = time.Now()
}
