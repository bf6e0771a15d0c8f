//go:build unix

package server

import (
	"os"
	"sync"
	"time"
)

// pauseEvery is how much later than at once a request may be read.
const pauseEvery = time.Millisecond

// Pause is what the workers of a model that is served are to call now and then, so
// that the server is not kept waiting while all threads compute: see
// winnow.WithPause. It may be called from several goroutines. It is nil where that
// is not needed or does nothing.
//
// Go looks for what has come over the network when a thread has nothing else to do,
// and otherwise every 10 ms. More threads would find it at once, but then every
// handing over of work wakes one of them, which takes longer than many an operation.
// So a worker waits, about once a millisecond, for a goroutine that only the network
// poller wakes: what else has come is found with it, and is done first.
func Pause() func() {
	p, err := newPauser()
	if err != nil {
		return nil // no more files: requests are read later
	}
	return p.pause
}

type pauser struct {
	r, w *os.File // a pipe
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
	p := &pauser{r: r, w: w, read: make(chan struct{}), byte: make([]byte, 1)}
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
		return // another worker does it
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
