package server

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestPause has all threads compute, with a pause now and then, and asks a server
// meanwhile: it answers although no thread has nothing to do.
func TestPause(t *testing.T) {
	pause := Pause()
	if pause == nil {
		t.Skipf("there is nothing to be gained on %s", runtime.GOOS)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	s := start(t, Options{})
	url, stop, done := serve(t, s)
	var busy, pauses atomic.Int64
	var workers sync.WaitGroup
	busy.Store(1)
	for range 2 {
		workers.Go(func() {
			for busy.Load() != 0 {
				for start := time.Now(); time.Since(start) < 100*time.Microsecond; {
				}
				pause()
				pauses.Add(1)
			}
		})
	}
	for range 20 {
		r, err := http.Get(url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Body.Close(); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", r.StatusCode, err)
		}
	}
	busy.Store(0)
	workers.Wait()
	if pauses.Load() == 0 {
		t.Error("no pause")
	}
	if n := testing.AllocsPerRun(10, pause); n != 0 {
		t.Errorf("a pause allocates %v times", n)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
