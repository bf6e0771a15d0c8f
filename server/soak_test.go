package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
	"github.com/winnow-rerank/winnow/models"
)

// A soakModel is a model with the scores that it gives when it is idle.
type soakModel struct {
	name  string
	model *winnow.Model
	want  []float64
}

const soakQuery = "what is deep learning"

func openSoakModel(t *testing.T, name string, documents []string, pause func()) *soakModel {
	t.Helper()
	var m *winnow.Model
	var err error
	if name == models.Name {
		m, err = winnow.OpenBytes(name, models.Default(), winnow.WithPause(pause))
	} else {
		m, err = winnow.Open("../testdata/"+name, winnow.WithPause(pause))
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.Score(t.Context(), soakQuery, documents)
	if err != nil {
		t.Fatal(err)
	}
	return &soakModel{name, m, want}
}

// soakDocuments are n documents of 0 to 99 words.
func soakDocuments(n int) []string {
	words := strings.Fields("deep learning is a subset of machine networks simulate the human brain to solve complex problems apples are red and sweet fruits that grow on trees theory relativity was developed by")
	r := rand.New(rand.NewPCG(1, 2))
	documents := make([]string, n)
	for i := range documents {
		text := make([]string, r.IntN(100))
		for j := range text {
			text[j] = words[r.IntN(len(words))]
		}
		documents[i] = strings.Join(text, " ")
	}
	return documents
}

// The limits of the server under TestSoak, which some of soakBad break.
const (
	soakMaxBody      = 256 << 10
	soakMaxDocuments = 1000
)

// soakBad are broken requests, each with the status that it is to get.
var soakBad = []struct {
	name, method, path, kind, body string
	status                         int
}{
	{"truncated JSON", "POST", "/v1/rerank", "", `{"query":"q","documents":["a","b`, 400},
	{"query missing", "POST", "/v1/rerank", "", `{"documents":["a"]}`, 400},
	{"query a number", "POST", "/v1/rerank", "", `{"query":7,"documents":["a"]}`, 400},
	{"documents an object", "POST", "/v1/rerank", "", `{"query":"q","documents":{"a":1}}`, 400},
	{"a document a number", "POST", "/v1/rerank", "", `{"query":"q","documents":["a",2]}`, 400},
	{"top_n negative", "POST", "/v1/rerank", "", `{"query":"q","documents":["a"],"top_n":-1}`, 400},
	{"not UTF-8", "POST", "/v1/rerank", "", "{\"query\":\"\xff\",\"documents\":[\"a\"]}", 400},
	{"too long and not to be cut", "POST", "/v1/rerank", "", `{"query":"q","documents":["` + strings.Repeat("a ", 5000) + `"],"truncate":false}`, 400},
	{"model unknown", "POST", "/v1/rerank", "", `{"model":"nobody","query":"q","documents":["a"]}`, 404},
	{"path unknown", "POST", "/v9/rerank", "", `{"query":"q","documents":["a"]}`, 404},
	{"wrong method", "PUT", "/v1/rerank", "", `{"query":"q","documents":["a"]}`, 405},
	{"body too long", "POST", "/v1/rerank", "", `{"query":"q","documents":["` + strings.Repeat("a", soakMaxBody) + `"]}`, 413},
	{"too many documents", "POST", "/v1/rerank", "", `{"query":"q","documents":[` + strings.Repeat(`"",`, soakMaxDocuments) + `""]}`, 413},
	{"an image", "POST", "/v1/rerank", "image/png", `{"query":"q","documents":["a"]}`, 415},
	{"what no reranker does", "POST", "/completion", "", `{"prompt":"a"}`, 501},
}

// soakMemory is what a process holds, in bytes, as the mean of so many samples: the
// heap (with stacks), and the resident set. Each is taken after garbage has been
// collected and what is free given back to the system, because how much of either
// there is says nothing of what is held.
type soakMemory struct {
	heap, resident           float64
	heapError, residentError float64 // of the means, one standard deviation
	samples                  int
}

// sampleMemory takes samples until then, with pauses between. It holds alone meanwhile,
// because to collect and give back all at once keeps everybody waiting.
func sampleMemory(t *testing.T, until time.Time, pause time.Duration, alone sync.Locker) (m soakMemory) {
	var heaps, residents []float64
	for ; time.Now().Before(until); time.Sleep(pause) {
		var stats runtime.MemStats
		alone.Lock()
		debug.FreeOSMemory() // collects first
		alone.Unlock()
		runtime.ReadMemStats(&stats)
		heaps = append(heaps, float64(stats.HeapAlloc+stats.StackInuse))
		residents = append(residents, float64(residentSet(t)))
	}
	m.samples = len(heaps)
	m.heap, m.heapError = meanOf(heaps)
	m.resident, m.residentError = meanOf(residents)
	return m
}

// meanOf is the mean of a list, and its standard error.
func meanOf(list []float64) (mean, deviation float64) {
	n := float64(len(list))
	for _, x := range list {
		mean += x / n
	}
	for _, x := range list {
		deviation += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(deviation / max(1, n-1) / max(1, n))
}

// residentSet is how much of the process is in memory, its files' pages included, in bytes,
// or 0 where the system has no /proc.
func residentSet(t *testing.T) int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		t.Errorf("/proc/self/statm: %v: %s", err, data)
	}
	return resident * os.Getpagesize()
}

// TestSoak holds the server at its capacity with 64 connections: requests of
// mixed sizes for two models, 2 % of them broken, 2 % given up, and 6 % of what
// hostile clients do, partly to two more models. It lasts as long as WINNOW_SOAK
// says, with the built-in model, and two seconds with a toy without. No error is
// given but the intended ones, scores are those of an idle model to the bit,
// memory does not grow and no goroutine is left. A canary asks beside them all the
// time; the log has how long it waits.
func TestSoak(t *testing.T) {
	// Some of the hostile clients wait for slow, and a machine that does much else must not
	// be taken for one of them.
	length, names, patience, slow := 2*time.Second, []string{"bert-minilm", "bert-2label"}, 5*time.Millisecond, 3*time.Second
	if s := os.Getenv("WINNOW_SOAK"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
		if models.Default() == nil {
			t.Skip("no model is built in")
		}
		names[0], patience, slow = models.Name, 250*time.Millisecond, 10*time.Second
	}
	documents := soakDocuments(200)
	pause := Pause() // as serve has it
	before := runtime.NumGoroutine()
	var asked []*soakModel
	var specs []ModelSpec
	for _, name := range names {
		m := openSoakModel(t, name, documents, pause)
		asked = append(asked, m)
		specs = append(specs, ModelSpec{Name: name, Load: func(context.Context) (Model, error) { return m.model, nil }})
	}
	for _, name := range []string{"qwen3-reranker", "jina-v3"} {
		specs = append(specs, ModelSpec{Name: name, Load: func(context.Context) (Model, error) { return winnow.Open("../testdata/"+name, winnow.WithPause(pause)) }})
	}
	s, err := New(Options{Models: specs, MaxBody: soakMaxBody, MaxDocuments: soakMaxDocuments, BodyTimeout: slow, WriteTimeout: slow})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	// The canary is another client to the server: its address is another, where there is one.
	alone := client
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	if conn, err := other.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		conn.Close()
		alone = &http.Client{Transport: &http.Transport{DialContext: other.DialContext}}
	}
	end := time.Now().Add(length)
	var good, gone, scores, refused, abused atomic.Int64
	send := func(ctx context.Context, client *http.Client, method, path, kind string, body []byte) (status int, reply []byte, err error) {
		q, err := http.NewRequestWithContext(ctx, method, url+path, bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		q.Header.Set("Content-Type", kind)
		w, err := client.Do(q)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = w.Body.Close() }()
		reply, err = io.ReadAll(w.Body)
		return w.StatusCode, reply, err
	}
	bad := func() error {
		c := soakBad[int(refused.Add(1)-1)%len(soakBad)]
		status, reply, err := send(context.Background(), client, c.method, c.path, c.kind, []byte(c.body))
		if err != nil || status != c.status || !strings.Contains(string(reply), fmt.Sprintf(`"code":%d`, c.status)) {
			return fmt.Errorf("%s: status %d, want %d; %v: %s", c.name, status, c.status, err, reply)
		}
		return nil
	}
	ask := func(client *http.Client, r *rand.Rand, most int, hangUp bool) error {
		n := 1 + r.IntN(most)
		m, from := asked[0], r.IntN(len(documents)-n+1)
		if r.IntN(8) == 0 {
			m = asked[1]
		}
		body, err := json.Marshal(map[string]any{"model": m.name, "query": soakQuery, "documents": documents[from : from+n]})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if hangUp {
			defer time.AfterFunc(time.Duration(r.Int64N(int64(patience))), cancel).Stop()
		}
		status, reply, err := send(ctx, client, "POST", "/v1/rerank", "application/json", body)
		if hangUp && errors.Is(err, context.Canceled) {
			gone.Add(1)
			return nil
		}
		var got jinaReply
		if err != nil || status != 200 {
			return fmt.Errorf("status %d, %v: %s", status, err, reply)
		}
		if err := json.Unmarshal(reply, &got); err != nil || len(got.Results) != n {
			return fmt.Errorf("%d results of %d, %v", len(got.Results), n, err)
		}
		for _, x := range got.Results {
			if x.Index < 0 || x.Index >= n || x.Score != m.want[from+x.Index] {
				return fmt.Errorf("model %s, document %d of those from %d: score %v, not that of the idle model", m.name, x.Index, from, x.Score)
			}
		}
		good.Add(1)
		scores.Add(int64(n))
		return nil
	}
	hostile := func() error {
		a := soakAbuse[int(abused.Add(1)-1)%len(soakAbuse)]
		status, err := a.do(strings.TrimPrefix(url, "http://"))
		if err != nil || !slices.Contains(a.statuses, status) && status != 429 {
			return fmt.Errorf("%s: status %d, want one of %v; %v", a.name, status, a.statuses, err)
		}
		return nil
	}
	var sampling sync.Mutex
	watch := canary{&sampling, func() error { return ask(alone, rand.New(rand.NewPCG(5, 6)), 1, false) }}
	idle := watch.times(t, 200, func() bool { return true })
	var all sync.WaitGroup
	for c := range 64 {
		// Each connection keeps to a size. If all took what comes, after some
		// minutes most would wait with a long request, and memory be that of these.
		most := 4
		switch {
		case c < 4:
			most = len(documents)
		case c < 16:
			most = 32
		}
		all.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(c)))
			for time.Now().Before(end) {
				var err error
				switch kind := r.IntN(100); {
				case kind < 2:
					err = bad()
				case kind < 8:
					err = hostile()
				default:
					err = ask(client, r, most, kind < 10)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	busy := make(chan []time.Duration, 1)
	go func() { busy <- watch.times(t, math.MaxInt, func() bool { return time.Now().Before(end) }) }()
	var quarters [4]soakMemory
	for i := range quarters {
		quarters[i] = sampleMemory(t, end.Add(-length*time.Duration(3-i)/4), length/100, &sampling)
	}
	all.Wait()
	t.Logf("%d requests with %d scores answered, %d refused, %d given up, %d hostile", good.Load(), scores.Load(), refused.Load(), gone.Load(), abused.Load())
	waits := <-busy
	t.Logf("the canary waited %v (median) and %v (99 %%) with the server idle, %v and %v with it at capacity", percentile(idle, 50), percentile(idle, 99), percentile(waits, 50), percentile(waits, 99))
	for i, m := range quarters {
		t.Logf("quarter %d: heap %.2f ± %.2f MiB, resident %.2f ± %.2f MiB (means of %d samples)", i+1, m.heap/(1<<20), m.heapError/(1<<20), m.resident/(1<<20), m.residentError/(1<<20), m.samples)
	}
	// What grows is largest at the end. By how much quarters differ otherwise, their samples
	// tell: where others use the machine too, those are few and far apart.
	most, last := quarters[0], quarters[3]
	for _, m := range quarters[1:3] {
		if m.heap > most.heap {
			most.heap, most.heapError = m.heap, m.heapError
		}
		if m.resident > most.resident {
			most.resident, most.residentError = m.resident, m.residentError
		}
	}
	if good.Load() == 0 {
		t.Error("nothing was answered")
	}
	if length >= 30*time.Second { // there is too little to take the mean of before
		if last.heap > 1.02*most.heap+3*math.Hypot(most.heapError, last.heapError) {
			t.Errorf("the heap grew to %.4f of what it was", last.heap/most.heap)
		}
		if last.resident > 1.02*most.resident+3*math.Hypot(most.residentError, last.residentError) {
			t.Errorf("the resident set grew to %.4f of what it was", last.resident/most.resident)
		}
	}
	client.CloseIdleConnections()
	alone.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines back", func() bool { return runtime.NumGoroutine() <= before })
}

// A canary is a client that asks little, again and again, while it holds turn.
type canary struct {
	turn sync.Locker
	ask  func() error
}

// times is how long each of at most so many requests took, in order of length.
func (c *canary) times(t *testing.T, most int, on func() bool) (list []time.Duration) {
	for i := 0; i < most && on(); i++ {
		c.turn.Lock()
		start := time.Now()
		err := c.ask()
		list = append(list, time.Since(start))
		c.turn.Unlock()
		if err != nil {
			t.Errorf("the canary: %v", err)
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(list)
	return list
}

// percentile is one of an ordered list.
func percentile(list []time.Duration, percent int) time.Duration {
	if len(list) == 0 {
		return 0
	}
	return list[min(len(list)-1, len(list)*percent/100)].Round(10 * time.Microsecond)
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
