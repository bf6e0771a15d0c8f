package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

// TestSoak holds the server at its capacity with 64 connections: requests of
// mixed sizes, 2 % of them broken and 2 % given up. It lasts as long as
// WINNOW_SOAK says, two seconds without.
func TestSoak(t *testing.T) {
	length := 2 * time.Second
	if s := os.Getenv("WINNOW_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	model, err := winnow.Open("../testdata/bert-minilm")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields("deep learning is a subset of machine networks simulate the human brain to solve complex problems apples are red and sweet fruits that grow on trees theory relativity was developed by")
	seed := rand.New(rand.NewPCG(1, 2))
	documents := make([]string, 200)
	for i := range documents {
		var text []string
		for range seed.IntN(100) {
			text = append(text, words[seed.IntN(len(words))])
		}
		documents[i] = strings.Join(text, " ")
	}
	const query = "what is deep learning"
	// The scores of an idle model.
	want, err := model.Score(t.Context(), query, documents)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	s, err := New(Options{CacheSize: 0, Models: []ModelSpec{{Name: "m", Load: func(context.Context) (Model, error) { return Wrap(model), nil }}}})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	end := time.Now().Add(length)
	var good, refused, gone atomic.Int64
	var all sync.WaitGroup
	for c := range 64 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(c)))
			for time.Now().Before(end) {
				n := 1 + r.IntN(4)
				if r.IntN(10) == 0 {
					n = 1 + r.IntN(len(documents))
				}
				from := r.IntN(len(documents) - n + 1)
				body, _ := json.Marshal(map[string]any{"query": query, "documents": documents[from : from+n]})
				kind := r.IntN(100)
				ctx, cancel := context.WithCancel(context.Background())
				switch {
				case kind < 2:
					body = body[:len(body)/2]
				case kind < 4:
					time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, cancel)
				}
				q, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/rerank", bytes.NewReader(body))
				w, err := client.Do(q)
				if err != nil {
					cancel()
					if kind < 2 || kind >= 4 {
						t.Errorf("request: %v", err)
						return
					}
					gone.Add(1)
					continue
				}
				data, err := io.ReadAll(w.Body)
				_ = w.Body.Close()
				cancel()
				switch {
				case kind < 2:
					if w.StatusCode != 400 {
						t.Errorf("a broken request: status %d", w.StatusCode)
					}
					refused.Add(1)
				case err != nil && kind < 4:
					gone.Add(1)
				case err != nil || w.StatusCode != 200:
					t.Errorf("status %d, %v: %s", w.StatusCode, err, data)
				default:
					var reply rerankReply
					if err := json.Unmarshal(data, &reply); err != nil || len(reply.Results) != n {
						t.Errorf("%d results of %d, %v", len(reply.Results), n, err)
						return
					}
					for _, x := range reply.Results {
						if x.Score != want[from+x.Index] {
							t.Errorf("document %d: score %v, idle %v", from+x.Index, x.Score, want[from+x.Index])
							return
						}
					}
					good.Add(1)
				}
			}
		})
	}
	// The heap after a collection, in the second and the last quarter.
	heap := func(until time.Time) uint64 {
		var sum, n uint64
		for time.Now().Before(until) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			sum += m.HeapAlloc + m.StackInuse
			n++
			time.Sleep(length / 40)
		}
		return sum / max(n, 1)
	}
	time.Sleep(length / 4)
	second := heap(end.Add(-length / 2))
	time.Sleep(length / 4)
	last := heap(end)
	all.Wait()
	t.Logf("%d answered, %d refused, %d given up; heap %d KiB, then %d KiB", good.Load(), refused.Load(), gone.Load(), second>>10, last>>10)
	if good.Load() == 0 {
		t.Error("nothing was answered")
	}
	if length >= 30*time.Second && float64(last) > 1.02*float64(second)+1<<20 {
		t.Errorf("memory grew from %d to %d bytes", second, last)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines back", func() bool { return runtime.NumGoroutine() <= before })
}

// BenchmarkRerank is what HTTP and the scheduler cost, of a model that takes no
// time.
func BenchmarkRerank(b *testing.B) {
	for _, n := range []int{4, 100} {
		b.Run(map[int]string{4: "4x50words", 100: "100x100words"}[n], func(b *testing.B) {
			s := start(b, Options{}, (&fakeModel{maxLength: 512}).spec("fake"))
			text := strings.TrimSpace(strings.Repeat("word ", map[int]int{4: 50, 100: 100}[n]))
			documents := make([]string, n)
			for i := range documents {
				documents[i] = text
			}
			body, _ := json.Marshal(map[string]any{"query": "what is it", "documents": documents})
			for b.Loop() {
				if w := send(s, "POST", "/v1/rerank", string(body)); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
