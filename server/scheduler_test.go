package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

// pairsOf is n pairs of so many tokens, with their numbers for logits.
func pairsOf(name string, n, tokens int) []winnow.Encoding {
	pairs := make([]winnow.Encoding, n)
	for i := range pairs {
		pairs[i] = fakePair{document: fmt.Sprintf("%d %s", i, name)}.encoding(tokens, tokens)
	}
	return pairs
}

func checkOutputs(t *testing.T, outputs []winnow.Result, n int) {
	t.Helper()
	if len(outputs) != n {
		t.Fatalf("%d outputs, want %d", len(outputs), n)
	}
	for i, o := range outputs {
		if o.Logit != float64(i) {
			t.Fatalf("output %d has logit %v", i, o.Logit)
		}
	}
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not seen: " + what)
		}
	}
}

func TestSchedulerCutsRequests(t *testing.T) {
	for _, c := range []struct {
		pairs, tokens, limit int
		batches              int
	}{
		{1, 10, 100, 1}, {10, 10, 100, 1}, {11, 10, 100, 2}, {100, 10, 100, 10}, {7, 60, 100, 7}, {3, 500, 100, 3}, {1000, 3, 100, 31},
	} {
		m := new(fakeModel)
		s := newScheduler(m, c.limit, 1<<40, nil)
		outputs, err := s.score(t.Context(), "a", pairsOf("x", c.pairs, c.tokens))
		if err != nil {
			t.Fatal(err)
		}
		checkOutputs(t, outputs, c.pairs)
		s.close()
		if len(m.sizes) != c.batches {
			t.Errorf("%d pairs of %d tokens in %d batches, want %d", c.pairs, c.tokens, len(m.sizes), c.batches)
		}
		for _, n := range m.sizes {
			if n > c.limit && n > c.tokens {
				t.Errorf("a batch of %d tokens", n)
			}
		}
	}
	if out, err := newScheduler(new(fakeModel), 1, 1, nil).score(t.Context(), "a", nil); len(out) != 0 || err != nil {
		t.Errorf("nothing to score: %v, %v", out, err)
	}
}

// gated is a scheduler whose model does a batch when step is called.
func gated(limit int) (m *fakeModel, s *scheduler, step func(n int)) {
	m = &fakeModel{gate: make(chan struct{})}
	s = newScheduler(m, limit, 1<<40, nil)
	return m, s, func(n int) {
		for range n {
			m.gate <- struct{}{}
		}
	}
}

// pump lets all batches through until the test ends.
func pump(t *testing.T, m *fakeModel) {
	stop := make(chan struct{})
	ended := make(chan struct{})
	t.Cleanup(func() { close(stop); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case m.gate <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
}

// submit scores in the background.
func submit(t *testing.T, s *scheduler, ctx context.Context, client string, pairs []winnow.Encoding) chan error {
	done := make(chan error, 1)
	go func() {
		outputs, err := s.score(ctx, client, pairs)
		if err == nil {
			for i, o := range outputs {
				if o.Logit != float64(i) {
					err = fmt.Errorf("output %d has logit %v", i, o.Logit)
				}
			}
		}
		done <- err
	}()
	return done
}

func waitJobs(t *testing.T, s *scheduler, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d jobs", n), func() bool { jobs, _, _ := s.load(); return jobs == n })
}

func TestSchedulerShortOvertakesLong(t *testing.T) {
	for _, client := range []string{"a", "b"} {
		m, s, step := gated(100)
		long := submit(t, s, t.Context(), "a", pairsOf("long", 1000, 10))
		eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
		step(10)
		eventually(t, "eleven batches", func() bool { return len(m.batches()) == 11 })
		// Larger than may go beside the others at once.
		short := submit(t, s, t.Context(), client, pairsOf("short", 12, 10))
		waitJobs(t, s, 2)
		for n := 12; n <= 14; n++ {
			step(1)
			eventually(t, "one more batch", func() bool { return len(m.batches()) == n })
		}
		select {
		case err := <-short:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("client %s: the short request is not done after 3 batches", client)
		}
		pump(t, m)
		if err := <-long; err != nil {
			t.Fatal(err)
		}
		s.close()
	}
}

func TestSchedulerExpress(t *testing.T) {
	m, s, step := gated(100)
	long := submit(t, s, t.Context(), "a", pairsOf("long", 100, 10))
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	short := submit(t, s, t.Context(), "a", pairsOf("short", 4, 10))
	// It goes beside the one that is with the model, without waiting for it.
	eventually(t, "a second batch", func() bool { return len(m.batches()) == 2 })
	if got := m.batches()[1]; !slices.Equal(got, []string{"0 short", "1 short", "2 short", "3 short"}) {
		t.Errorf("second batch: %v", got)
	}
	step(11)
	if err := <-short; err != nil {
		t.Error(err)
	}
	if err := <-long; err != nil {
		t.Error(err)
	}
	s.close()
}

// What ends a request is not kept waiting for a batch to be filled with others' work.
func TestSchedulerSendsSoon(t *testing.T) {
	m, s, step := gated(400)
	all := []chan error{submit(t, s, t.Context(), "z", pairsOf("z", 80, 10))} // for two full batches
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	for i := range 20 {
		all = append(all, submit(t, s, t.Context(), fmt.Sprint(i), pairsOf(fmt.Sprintf("short%d", i), 3, 10)))
	}
	waitJobs(t, s, 20) // one goes beside the first batch
	step(4)
	eventually(t, "five batches", func() bool { return len(m.batches()) >= 5 })
	for i, b := range m.batches()[1:5] {
		ends := slices.ContainsFunc(b, func(d string) bool { return strings.HasPrefix(d, "2 short") })
		if n := 10 * len(b); ends && n > 100 {
			t.Errorf("batch %d, in which a request ends, has %d tokens", i+2, n)
		}
	}
	pump(t, m)
	for _, done := range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s.close()
}

func TestSchedulerSharesBatchesAndIsFair(t *testing.T) {
	m, s, step := gated(200)
	blocker := submit(t, s, t.Context(), "z", pairsOf("z", 20, 10)) // a full batch
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	// A client with three requests gets no more than one with a single request.
	var all []chan error
	for i := range 3 {
		all = append(all, submit(t, s, t.Context(), "many", pairsOf(fmt.Sprintf("many%d", i), 200, 10)))
		waitJobs(t, s, i+1)
	}
	all = append(all, submit(t, s, t.Context(), "one", pairsOf("one", 200, 10)), blocker)
	waitJobs(t, s, 4)
	step(18)
	eventually(t, "18 batches", func() bool { return len(m.batches()) >= 19 })
	count := map[string]int{}
	mixed := 0
	for _, b := range m.batches()[1:19] {
		in := map[string]bool{}
		for _, d := range b {
			name := strings.Fields(d)[1]
			count[name]++
			in[name] = true
		}
		if len(in) > 1 {
			mixed++
		}
	}
	many := count["many0"] + count["many1"] + count["many2"]
	if one := count["one"]; one < 140 || many < 140 || one > 220 || many > 220 {
		t.Errorf("360 pairs were shared as %v", count)
	}
	for name, n := range count {
		if strings.HasPrefix(name, "many") && (n < 40 || n > 80) {
			t.Errorf("the requests of one client had %v", count)
		}
	}
	if mixed < 15 {
		t.Errorf("only %d of 18 batches hold several requests", mixed)
	}
	pump(t, m)
	for _, done := range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s.close()
}

func TestSchedulerLongIsNotStarved(t *testing.T) {
	m := &fakeModel{perToken: time.Microsecond}
	s := newScheduler(m, 100, 1<<40, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var short sync.WaitGroup
	for range 8 {
		short.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.score(ctx, "a", pairsOf("short", 10, 10))
			}
		})
	}
	done := submit(t, s, t.Context(), "a", pairsOf("long", 200, 10))
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a long request never ends beside short ones")
	}
	cancel()
	short.Wait()
	s.close()
}

// TestSchedulerDropsWork: of a request that is given up no batch is started any
// more, and the one under way is given up with it.
func TestSchedulerDropsWork(t *testing.T) {
	m, s, step := gated(100)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := submit(t, s, ctx, "a", pairsOf("gone", 1000, 10))
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	hangUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	// The model is let through nothing: only what is given up ends. How long that
	// takes, BenchmarkBeside measures.
	eventually(t, "the batches given up", func() bool { jobs, _, batches := s.load(); return jobs == 0 && batches == 0 })
	if n := len(m.batches()); n != 1 {
		t.Errorf("%d batches of 100 were started, want the one that was under way", n)
	}
	// A batch that others are in goes on.
	ctx, hangUp = context.WithCancel(t.Context())
	blocker := submit(t, s, t.Context(), "a", pairsOf("blocker", 20, 10))
	eventually(t, "a batch", func() bool { return len(m.batches()) == 2 })
	gone = submit(t, s, ctx, "b", pairsOf("gone", 20, 10))
	waitJobs(t, s, 2)
	stays := submit(t, s, t.Context(), "c", pairsOf("stays", 20, 10))
	waitJobs(t, s, 3)
	step(1)
	eventually(t, "a shared batch", func() bool { return len(m.batches()) == 3 })
	hangUp()
	<-gone
	pump(t, m)
	if err := <-stays; err != nil {
		t.Error(err)
	}
	if err := <-blocker; err != nil {
		t.Error(err)
	}
	s.close()
}

func TestSchedulerDeadline(t *testing.T) {
	_, s, _ := gated(100)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.score(ctx, "a", pairsOf("x", 10, 10)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	s.close()
}

func TestSchedulerQueueBound(t *testing.T) {
	s := newScheduler(new(fakeModel), 100, 1000, nil)
	big, err := s.admit("a", 5000) // alone it may be larger than the limit
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.admit("a", 1)
	var api *apiError
	if !errors.As(err, &api) || api.Status != http.StatusTooManyRequests || api.RetryAfter < time.Second {
		t.Errorf("error %#v", err)
	}
	big.correct(900)
	small, err := s.admit("b", 100)
	if err != nil {
		t.Error(err)
	}
	if _, err := s.admit("a", 1); err == nil {
		t.Error("1001 tokens of 1000 were admitted")
	}
	big.release()
	big.release()
	small.release()
	if _, tokens, _ := s.load(); tokens != 0 {
		t.Errorf("%d tokens are left", tokens)
	}
	s.close()
	if _, err := s.admit("a", 1); err == nil {
		t.Error("a closed scheduler admits")
	}
	if _, err := s.score(t.Context(), "a", pairsOf("x", 1, 1)); err == nil {
		t.Error("a closed scheduler scores")
	}
}

// TestSchedulerFailureIsItsOwn: a request whose pair the model cannot score does
// not take down those that share its batch.
func TestSchedulerFailureIsItsOwn(t *testing.T) {
	m, s, _ := gated(100)
	m.fail = "bad"
	blocker := submit(t, s, t.Context(), "z", pairsOf("z", 10, 10))
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	fails := submit(t, s, t.Context(), "a", pairsOf("bad", 11, 10))
	waitJobs(t, s, 1)
	works := submit(t, s, t.Context(), "b", pairsOf("good", 11, 10))
	waitJobs(t, s, 2)
	pump(t, m)
	if err := <-fails; !errors.Is(err, errFake) {
		t.Errorf("error %v", err)
	}
	for _, done := range []chan error{works, blocker} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	s.close()
}

type panicking struct{ fakeModel }

func (*panicking) ScoreEncoded(context.Context, []winnow.Encoding) ([]winnow.Result, error) {
	panic("oh")
}

func TestSchedulerPanic(t *testing.T) {
	s := newScheduler(&panicking{}, 100, 1000, nil)
	if _, err := s.score(t.Context(), "a", pairsOf("x", 1, 1)); err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("error %v", err)
	}
	s.close()
}

// TestSchedulerMany: whatever comes together, everybody gets the right scores,
// and nothing is left afterwards.
func TestSchedulerMany(t *testing.T) {
	before := runtime.NumGoroutine()
	m := new(fakeModel)
	s := newScheduler(m, 256, 1<<40, func(int, int, time.Duration) {})
	var all sync.WaitGroup
	for i := range 600 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%7 == 0 {
				time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
			}
			n := i%50 + 1
			outputs, err := s.score(ctx, fmt.Sprint(i%500), pairsOf("x", n, i%300+1))
			if err != nil {
				if i%7 != 0 {
					t.Error(err)
				}
				return
			}
			checkOutputs(t, outputs, n)
		})
	}
	all.Wait()
	if _, err := s.score(t.Context(), "the last", pairsOf("x", 1, 1)); err != nil {
		t.Error(err)
	}
	s.close()
	if jobs, _, batches := s.load(); jobs != 0 || batches != 0 {
		t.Errorf("%d jobs, %d batches left", jobs, batches)
	}
	if len(s.clients) > keptClients {
		t.Errorf("%d clients are kept", len(s.clients))
	}
	eventually(t, "goroutines back", func() bool { return runtime.NumGoroutine() <= before+2 })
}
