//go:build !nomodel

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/models"
)

// builtIn serves the built-in model, so that the benchmarks below measure what
// `winnow serve` does.
func builtIn(b *testing.B, o Options) (s *Server, m *winnow.Model, url string) {
	b.Helper()
	m, err := winnow.OpenBytes(models.Name, models.Default(), winnow.WithPause(Pause()))
	if err != nil {
		b.Fatal(err)
	}
	o.Models = []ModelSpec{{Name: "m", Load: func(context.Context) (Model, error) { return m, nil }}}
	if s, err = New(o); err != nil {
		b.Fatal(err)
	}
	url, stop, done := serve(b, s)
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return s, m, url
}

// englishDocuments are n documents of so many words of one token each, no two
// alike.
func englishDocuments(n, words int) []string {
	list := strings.Fields("deep learning is a part of machine networks that are like the human brain and solve hard problems red sweet fruit grow on trees theory of time by many people in the old world")
	documents := make([]string, n)
	for i := range documents {
		text := make([]string, words)
		for j := range text {
			text[j] = list[(i*7+j*(i%11+1)+j*j)%len(list)]
		}
		documents[i] = strings.Join(text, " ")
	}
	return documents
}

const benchQuery = "what is deep learning"

// median sorts the durations and gives the one in the middle.
func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// rerankBody is the request for documents of benchQuery.
func rerankBody(b *testing.B, documents []string) []byte {
	b.Helper()
	body, err := json.Marshal(map[string]any{"query": benchQuery, "documents": documents})
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// rerankOver asks the server and reads all of the reply.
func rerankOver(client *http.Client, url string, body []byte) error {
	r, err := client.Post(url+"/v1/rerank", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	reply, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", r.StatusCode, reply)
	}
	return err
}

// BenchmarkHTTP is what HTTP costs: the same request as a call of the Go API and
// over a loopback connection, taken in turn with one that asks for nothing. cost-µs and
// cost-% are the differences of the medians of the first two; of that, empty-µs is what
// any exchange of this machine costs, whatever answers.
func BenchmarkHTTP(b *testing.B) {
	for _, c := range []struct {
		name             string
		documents, words int
	}{{"4x20words", 4, 20}, {"100x121words", 100, 121}} { // with the query and the special tokens 128
		b.Run(c.name, func(b *testing.B) {
			_, m, url := builtIn(b, Options{})
			documents := englishDocuments(c.documents, c.words)
			body := rerankBody(b, documents)
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			var direct, over, empty []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := m.Rerank(b.Context(), benchQuery, documents); err != nil {
					b.Fatal(err)
				}
				direct = append(direct, time.Since(start))
				start = time.Now()
				if err := rerankOver(client, url, body); err != nil {
					b.Fatal(err)
				}
				over = append(over, time.Since(start))
				if _, err := m.Rerank(b.Context(), benchQuery, documents[:4]); err != nil { // as cold as the others find it
					b.Fatal(err)
				}
				start = time.Now()
				r, err := client.Get(url + "/livez")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
				empty = append(empty, time.Since(start))
			}
			d, o := median(direct), median(over)
			b.ReportMetric(0, "ns/op") // of both together, which means nothing
			b.ReportMetric(float64(d.Nanoseconds())/1e3, "go-µs")
			b.ReportMetric(float64(o.Nanoseconds())/1e3, "http-µs")
			b.ReportMetric(float64((o-d).Nanoseconds())/1e3, "cost-µs")
			b.ReportMetric(float64(median(empty).Nanoseconds())/1e3, "empty-µs")
			b.ReportMetric(100*float64(o-d)/float64(d), "cost-%")
		})
	}
}

// BenchmarkBeside is the latency of a request of 4 documents when the server is
// idle and while it ranks 10,000: idle-ms, beside-ms and its 99th percentile,
// and the ratio of the medians. freed-ms is how long after a client of 10,000
// documents has hung up its work is gone.
func BenchmarkBeside(b *testing.B) {
	s, _, url := builtIn(b, Options{})
	small := rerankBody(b, englishDocuments(4, 20))
	large := rerankBody(b, englishDocuments(10000, 100))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	ask := func() time.Duration {
		start := time.Now()
		if err := rerankOver(client, url, small); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	var idle, beside, freed []time.Duration
	for b.Loop() {
		for range 50 {
			idle = append(idle, ask())
		}
		ctx, hangUp := context.WithCancel(b.Context())
		gone := make(chan error, 1)
		go func() {
			r, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/rerank", bytes.NewReader(large))
			_, err := client.Do(r)
			gone <- err
		}()
		time.Sleep(10 * time.Millisecond) // so that it is being read and tokenized at first
		for range 50 {
			beside = append(beside, ask())
			time.Sleep(10 * time.Millisecond)
		}
		select {
		case err := <-gone:
			b.Fatalf("the long request ended: %v", err)
		default:
		}
		start := time.Now()
		hangUp()
		<-gone
		for {
			jobs, tokens, batches := -1, int64(-1), -1
			s.registry.schedulers(func(_ string, s *scheduler) { jobs, tokens, batches = s.load() })
			if jobs == 0 && tokens == 0 && batches == 0 {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
		freed = append(freed, time.Since(start))
	}
	i, w, f := median(idle), median(beside), median(freed)
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ms(i), "idle-ms")
	b.ReportMetric(ms(w), "beside-ms")
	b.ReportMetric(ms(beside[len(beside)*99/100]), "beside-p99-ms")
	b.ReportMetric(float64(w)/float64(i), "ratio")
	b.ReportMetric(ms(f), "freed-ms")
	b.ReportMetric(ms(freed[len(freed)-1]), "freed-max-ms")
}
