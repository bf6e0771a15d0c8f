package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

// dialText sends what a careless client would over a connection of its own.
func dialText(t *testing.T, url, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// TestBodyThatNeverComes: whether a request is refused before its body is read or waits for
// it, the client gets an answer and loses its connection.
func TestBodyThatNeverComes(t *testing.T) {
	s, err := New(Options{Models: []ModelSpec{new(fakeModel).spec("fake")}, APIKeys: []string{"k"}, BodyTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	for _, c := range []struct {
		name, line, header string
		status             int
	}{
		{"in time", "POST /v1/rerank", "X-Api-Key: k\r\n", 408},
		{"TEI", "POST /embed", "X-Api-Key: k\r\n", 408},
		{"no key", "POST /v1/rerank", "", 401},
		{"wrong method", "PUT /v1/rerank", "X-Api-Key: k\r\n", 405},
		{"no such path", "POST /nothing", "X-Api-Key: k\r\n", 404},
		{"an image", "POST /v1/rerank", "X-Api-Key: k\r\nContent-Type: image/png\r\n", 415},
		{"no body is wanted", "GET /health", "", 200},
		{"too large", "POST /v1/rerank", "X-Api-Key: k\r\nX-Request-Timeout: never\r\n", 400},
	} {
		conn := dialText(t, url, c.line+" HTTP/1.1\r\nHost: x\r\n"+c.header+"Content-Length: 1000\r\n\r\n{")
		in := bufio.NewReader(conn)
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != c.status || !r.Close {
			t.Errorf("%s: status %d, close %t, %v; want %d and close", c.name, r.StatusCode, r.Close, err, c.status)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection stays open: %v", c.name, err)
		}
	}
	// A client that ends its body early, but still reads, is told so.
	conn := dialText(t, url, "POST /v1/rerank HTTP/1.1\r\nHost: x\r\nX-Api-Key: k\r\nContent-Length: 1000\r\n\r\n{")
	_ = conn.(*net.TCPConn).CloseWrite()
	if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != 400 {
		t.Errorf("a body that ends early: %v, %v", r, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestShutdownIsBounded: neither a body that never comes nor a model that is busy keeps the
// server longer than Grace.
func TestShutdownIsBounded(t *testing.T) {
	m := &fakeModel{gate: make(chan struct{})}
	s, err := New(Options{Models: []ModelSpec{m.spec("fake")}, Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	dialText(t, url, "POST /v1/rerank HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	status := make(chan int)
	go func() {
		r, err := http.Post(url+"/v1/rerank", "application/json", strings.NewReader(ask1))
		if err != nil {
			status <- 0
			return
		}
		_ = r.Body.Close()
		status <- r.StatusCode
	}()
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not stop")
	}
	if got := <-status; got != 503 {
		t.Errorf("the request that was given up has status %d", got)
	}
}

// An endless completer goes on until it is stopped.
type endless struct{ fakeCompleter }

func (m *endless) CompleteTokens(ctx context.Context, prompt []int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t := winnow.CompletionToken{TokenProbability: winnow.TokenProbability{ID: 20, Bytes: "text"}}
		if err := o.Emit(strings.Repeat("text", 16<<10), t); err != nil {
			return nil, err
		}
	}
}

// TestStreamThatNobodyReads: it is given up, and with it what it holds.
func TestStreamThatNobodyReads(t *testing.T) {
	s, err := New(Options{Models: []ModelSpec{specOf("c", new(endless))}, WriteTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	body := `{"prompt":"a","stream":true}`
	dialText(t, url, fmt.Sprintf("POST /completion HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	tokens := func() (n int64) {
		s.registry.schedulers(func(_ string, s *scheduler) { _, n, _ = s.load() })
		return n
	}
	eventually(t, "the stream", func() bool { return tokens() > 0 })
	eventually(t, "the stream given up", func() bool { return tokens() == 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestProbabilitiesAreBounded: as many as a small request can ask for would be a reply of
// hundreds of megabytes.
func TestProbabilitiesAreBounded(t *testing.T) {
	s := decoderServer(t, "qwen2-mxbai2")
	prompts := strings.TrimSuffix(strings.Repeat(`"a",`, 16), ",")
	for body, want := range map[string]int{
		`{"prompt":[` + prompts + `],"n_probs":10000,"ignore_eos":true}`: 400,
		`{"prompt":"a","n_probs":10000,"n_predict":200}`:                 400,
		`{"prompt":"a","n_probs":10000,"n_predict":2}`:                   200,
	} {
		w := send(s, "POST", "/completion", body)
		checkDescribed(t, "POST", "/completion", body, w)
		if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "expected at most 1048576 in total") {
			t.Errorf("%.60s: status %d, want %d: %.200s", body, w.Code, want, w.Body)
		}
	}
}

// TestClientLimit: one client does not get all places of the queue.
func TestClientLimit(t *testing.T) {
	s := newScheduler(new(fakeModel), 100, 1000, nil)
	defer s.close()
	first, err := s.admit("a", 700)
	if err != nil {
		t.Fatal(err)
	}
	var api *apiError
	if _, err := s.admit("a", 100); !errors.As(err, &api) || api.Status != http.StatusTooManyRequests {
		t.Errorf("a client has 800 of 1000 places: %v", err)
	}
	other, err := s.admit("b", 250)
	if err != nil {
		t.Errorf("another client: %v", err)
	}
	first.release()
	if again, err := s.admit("a", 740); err != nil {
		t.Error(err)
	} else {
		again.release()
	}
	other.release()
}

// TestListsAreCounted: a list that is too long is refused when that is seen, and costs no
// more than a few times its own size.
func TestListsAreCounted(t *testing.T) {
	s := start(t, Options{}, specOf("c", new(fakeCompleter)), specOf("e", new(fakeEmbedder)))
	for _, c := range []struct{ path, before, element, after string }{
		{"/completion", `{"model":"c","prompt":["a",`, "1", `]}`},
		{"/completion", `{"model":"c","prompt":[`, "1", `]}`},
		{"/completion", `{"model":"c","prompt":[`, `""`, `]}`},
		{"/v1/embeddings", `{"model":"e","input":[`, `""`, `]}`},
		{"/v1/embeddings", `{"model":"e","input":[`, "1", `]}`},
		{"/detokenize", `{"model":"c","tokens":[`, "1", `]}`},
	} {
		const n = 4 << 20
		body := c.before + strings.Repeat(c.element+",", n) + c.element + c.after
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := send(s, "POST", c.path, body)
		runtime.ReadMemStats(&after)
		if w.Code != 400 && w.Code != 413 {
			t.Errorf("%s with %s: status %d", c.path, c.before, w.Code)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 40*uint64(len(body)) {
			t.Errorf("%s with %s: %d bytes of memory for a body of %d", c.path, c.before, taken, len(body))
		}
	}
}

// A tokeniser is a fake that says how many of its encodings run at a time, each of which
// waits for a turn.
type tokeniser struct {
	fakeModel
	running, most atomic.Int32
	turn          chan struct{}

	queries []string // of the encodings, in their order
}

func (m *tokeniser) Encode(ctx context.Context, query string, documents []string, o winnow.EncodeOptions) ([]winnow.Encoding, error) {
	n := m.running.Add(1)
	defer m.running.Add(-1)
	for {
		most := m.most.Load()
		if n <= most || m.most.CompareAndSwap(most, n) {
			break
		}
	}
	m.mu.Lock()
	m.queries = append(m.queries, query)
	m.mu.Unlock()
	select {
	case <-m.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return m.fakeModel.Encode(ctx, query, documents, o)
}

// TestTokenisingTakesTurns: texts are tokenised a piece at a time, and the short request
// that comes last is not the last that is answered.
func TestTokenisingTakesTurns(t *testing.T) {
	m := &tokeniser{turn: make(chan struct{})}
	s := start(t, Options{}, specOf("fake", m))
	large := `{"query":"q","documents":[` + strings.Repeat(`"0 `+strings.Repeat("word ", 200)+`",`, 999) + `"0"]}`
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if w := send(s, "POST", "/v1/rerank", large); w.Code != 200 {
				t.Errorf("status %d: %.200s", w.Code, w.Body)
			}
		})
	}
	queued := func(n int) func() bool {
		return func() bool {
			jobs := 0
			s.registry.schedulers(func(_ string, s *scheduler) { jobs, _, _ = s.load() })
			return jobs == n
		}
	}
	eventually(t, "four requests", queued(4))
	small := make(chan int)
	go func() { small <- send(s, "POST", "/v1/rerank", `{"query":"short","documents":["0"]}`).Code }()
	eventually(t, "five requests", queued(5))
	for code := 0; code == 0; {
		select {
		case m.turn <- struct{}{}:
		case code = <-small:
			if code != 200 {
				t.Errorf("status %d", code)
			}
		}
	}
	m.mu.Lock()
	before := slices.Index(m.queries, "short")
	m.mu.Unlock()
	if before > 4 { // requests that have had nothing take turns in their order
		t.Errorf("the short request was tokenised after %d pieces of others", before)
	}
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case m.turn <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	all.Wait()
	close(stop)
	if n := m.most.Load(); n != 1 {
		t.Errorf("%d encodings ran at a time", n)
	}
}

// TestTurns: a completion has the model to itself for a turn; what is small goes beside
// it, and what is not waits.
func TestTurns(t *testing.T) {
	m := new(fakeModel)
	s := newScheduler(m, 100, 1<<40, nil)
	end, err := s.turn(t.Context(), "a", 200, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-submit(t, s, t.Context(), "b", pairsOf("small", 3, 10)); err != nil {
		t.Error(err)
	}
	large := submit(t, s, t.Context(), "b", pairsOf("large", 30, 10))
	waitJobs(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.turn(ctx, "c", 200, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("a turn for one who has gone: %v", err)
	}
	end()
	if err := <-large; err != nil {
		t.Error(err)
	}
	end, err = s.turn(t.Context(), "a", 16, 200)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() { s.close(); close(closed) }()
	eventually(t, "closing", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.closed })
	end()
	<-closed
	if _, err := s.turn(t.Context(), "a", 16, 0); err == nil {
		t.Error("a closed scheduler gives a turn")
	}
}

// A fault is what the runtime panics with when a page cannot be read.
type fault struct{}

func (fault) Error() string { return "invalid memory address" }
func (fault) Addr() uintptr { return 1 }

// A faulty model cannot read its file: in the caller's goroutine, or in a worker, from
// which the engine gives the panic as an error.
type faulty struct {
	fakeModel
	worker bool
}

func (m *faulty) ScoreEncoded(context.Context, []winnow.Encoding) ([]winnow.Result, error) {
	if m.worker {
		return nil, fmt.Errorf("winnow: %w", workerPanic{fault{}})
	}
	panic(fault{})
}

type workerPanic struct{ error }

func (workerPanic) StackTrace() []byte { return []byte("goroutine of (*faulty)") }
func (e workerPanic) Unwrap() error    { return e.error }

// TestBrokenModel: a model whose file has gone is not asked any more; the others are. The
// log has the stack, and the client nothing of it.
func TestBrokenModel(t *testing.T) {
	for _, worker := range []bool{false, true} {
		var log bytes.Buffer
		m := &faulty{worker: worker}
		s := start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, new(fakeModel).spec("fake"), specOf("faulty", m))
		ask := func(name string) (int, string) {
			w := send(s, "POST", "/v1/rerank", `{"model":"`+name+`","query":"q","documents":["0"]}`)
			return w.Code, w.Body.String()
		}
		if status, body := ask("faulty"); status != 500 || strings.Contains(body, "goroutine") || strings.Contains(body, "address") {
			t.Errorf("status %d: %s", status, body)
		}
		if status, _ := ask("faulty"); status != 503 {
			t.Errorf("afterwards status %d", status)
		}
		if status, _ := ask("fake"); status != 200 {
			t.Errorf("another model: status %d", status)
		}
		eventually(t, "the model closed", m.closed.Load)
		if w := send(s, "GET", "/v1/models", ""); !strings.Contains(w.Body.String(), "its file can no longer be read") {
			t.Errorf("the list of models: %s", w.Body)
		}
		s.Close()
		if !strings.Contains(log.String(), "(*faulty)") {
			t.Errorf("the log has no stack: %s", &log)
		}
	}
}

// TestReload: requests go on with the model that they have, later ones get the new one, and
// one that cannot be loaded anew stays.
func TestReload(t *testing.T) {
	var loads []*fakeModel
	var failure error
	gate := make(chan struct{})
	s := start(t, Options{}, ModelSpec{Name: "m", Load: func(context.Context) (Model, error) {
		if failure != nil {
			return nil, failure
		}
		m := &fakeModel{name: fmt.Sprint(len(loads))}
		if len(loads) == 0 {
			m.gate = gate
		}
		loads = append(loads, m)
		return m, nil
	}})
	first := make(chan int)
	go func() { first <- send(s, "POST", "/v1/rerank", ask1).Code }()
	eventually(t, "a batch", func() bool { return len(loads[0].batches()) == 1 })
	s.Reload(t.Context())
	if got := send(s, "POST", "/v1/rerank", ask1).Code; got != 200 || len(loads) != 2 || len(loads[1].batches()) != 1 {
		t.Errorf("status %d after %d loads", got, len(loads))
	}
	if loads[0].closed.Load() {
		t.Error("the first model is closed while it is used")
	}
	gate <- struct{}{}
	if got := <-first; got != 200 {
		t.Errorf("the first request: status %d", got)
	}
	eventually(t, "the first model closed", loads[0].closed.Load)
	failure = errors.New("no such file")
	s.Reload(t.Context())
	if got := send(s, "POST", "/v1/rerank", ask1).Code; got != 200 || len(loads[1].batches()) != 2 {
		t.Errorf("status %d after a load that failed", got)
	}
}

func TestHosts(t *testing.T) {
	s := start(t, Options{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	for host, want := range map[string]int{"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "[::1]": 200, "LOCALHOST": 200, "app.localhost": 200,
		"": 200, "evil.com": 403, "evil.com:8080": 403, "localhost.evil.com": 403, "10.0.0.1:8080": 403, "evillocalhost": 403} {
		r := httptest.NewRequest("POST", "/v1/rerank", strings.NewReader(ask1))
		r.Host = host
		r.Header.Set("Origin", "http://"+host)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: status %d, want %d: %s", host, w.Code, want, w.Body)
		}
	}
	for _, o := range []Options{{}, {Hosts: []string{"*"}}} {
		if w := send(start(t, o), "POST", "/v1/rerank", ask1); w.Code != 200 {
			t.Errorf("hosts %q: status %d", o.Hosts, w.Code)
		}
	}
}

// TestPipeAmongFiles: the reading of a pipe would never end.
func TestPipeAmongFiles(t *testing.T) {
	dir := t.TempDir()
	if err := exec.Command("mkfifo", filepath.Join(dir, "pipe")).Run(); err != nil {
		t.Skip(err) // Windows has no named pipes among files
	}
	s := start(t, Options{Page: Files(os.DirFS(dir))})
	if w := send(s, "GET", "/pipe", ""); w.Code != 404 {
		t.Errorf("status %d", w.Code)
	}
}

// TestAbortReachesTheServer: a reply that cannot be ended must not look whole.
func TestAbortReachesTheServer(t *testing.T) {
	s := start(t, Options{Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1000))
		panic(http.ErrAbortHandler)
	})})
	web := httptest.NewServer(s)
	defer web.Close()
	r, err := http.Get(web.URL)
	if err != nil {
		return // nothing was sent at all
	}
	defer r.Body.Close()
	if _, err := io.ReadAll(r.Body); err == nil {
		t.Error("a reply that was broken off looks whole")
	}
}

// TestNoRoom: a length that a request asks for, or an instruction, that leaves no room for
// its texts is the client's mistake.
func TestNoRoom(t *testing.T) {
	open := func(name string) ModelSpec {
		return ModelSpec{Name: name, Load: func(context.Context) (Model, error) { return winnow.Open("../testdata/" + name) }}
	}
	s := start(t, Options{}, open("bert-minilm"), open("jina-v3"), open("embed-bge"), open("qwen3-reranker"))
	for _, c := range []struct{ path, body string }{
		{"/v1/rerank", `{"model":"jina-v3","query":"q","documents":["a"],"instruction":"` + strings.Repeat("go on ", 8000) + `"}`},
		{"/v1/rerank", `{"model":"bert-minilm","query":"q","documents":["a"],"truncate_prompt_tokens":2}`},
		{"/v1/rerank", `{"model":"qwen3-reranker","query":"q","documents":["a"],"truncate_prompt_tokens":20}`},
		{"/v1/embeddings", `{"model":"embed-bge","input":["a"],"truncate_prompt_tokens":1}`},
	} {
		if w := send(s, "POST", c.path, c.body); w.Code != 400 || !strings.Contains(w.Body.String(), "at most") {
			t.Errorf("%.60s: status %d: %s", c.body, w.Code, w.Body)
		}
	}
}

// TestTooMuch: a text that a hostile model's tokenizer makes far too much of is refused, on
// every route, and those who ask beside it and after it get their scores.
func TestTooMuch(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/qwen3-reranker")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tokenizer.json")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const nfc = `"normalizer":{"type":"NFC"}`
	compact := new(bytes.Buffer)
	if err := json.Compact(compact, file); err != nil || !strings.Contains(compact.String(), nfc) {
		t.Fatal(err, "no ", nfc)
	}
	explosive := `"normalizer":{"type":"Replace","pattern":{"String":"§"},"content":"` + strings.Repeat("x", 1<<18) + `"}`
	if err := os.WriteFile(path, []byte(strings.Replace(compact.String(), nfc, explosive, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(path string) ModelSpec {
		return ModelSpec{Name: filepath.Base(path), Load: func(context.Context) (Model, error) { return winnow.Open(path) }}
	}
	s := start(t, Options{}, open(dir), open("../testdata/qwen3-reranker"))
	score := func(model string) string {
		w := send(s, "POST", "/v1/rerank", `{"model":"`+model+`","query":"deep learning","documents":["a subset","apples"],"raw_scores":true}`)
		results := regexp.MustCompile(`"results":.*\]`).FindString(w.Body.String())
		if w.Code != 200 || results == "" {
			t.Errorf("%s: status %d: %s", model, w.Code, w.Body)
		}
		return results
	}
	want, name := score("qwen3-reranker"), filepath.Base(dir)
	var all sync.WaitGroup
	for _, c := range []struct{ path, body string }{
		{"/v1/rerank", `{"query":"q","documents":["a","§"]`},
		{"/v1/rerank", `{"query":"§","documents":["a"]`},
		{"/v1/rerank", `{"query":"q","documents":["a"],"instruction":"§"`},
		{"/v1/score", `{"text_1":"q","text_2":"§"`},
		{"/completion", `{"prompt":"§","n_predict":1`},
		{"/v1/completions", `{"prompt":["a","§"],"max_tokens":1`},
		{"/tokenize", `{"content":"§"`},
	} {
		all.Go(func() {
			if w := send(s, "POST", c.path, c.body+`,"model":"`+name+`"}`); w.Code != 400 || !strings.Contains(w.Body.String(), "exceeds the tokenizer's work limits") {
				t.Errorf("%s %s: status %d: %.300s", c.path, c.body, w.Code, w.Body)
			}
		})
		all.Go(func() {
			if got := score(name); got != want {
				t.Errorf("beside %s: %s, want %s", c.body, got, want)
			}
		})
	}
	all.Wait()
	if got := score(name); got != want {
		t.Errorf("afterwards: %s, want %s", got, want)
	}
}

// TestCacheOfReloaded: a model that was loaded again is another, whose scores are not those
// of the one before.
func TestCacheOfReloaded(t *testing.T) {
	loads := 0
	s := start(t, Options{CacheSize: 10}, ModelSpec{Name: "m", Load: func(context.Context) (Model, error) {
		loads++
		return winnow.Open("../testdata/" + []string{"bert-minilm", "roberta-nli"}[loads-1])
	}})
	first, again := send(s, "POST", "/v1/rerank", ask1).Body.String(), send(s, "POST", "/v1/rerank", ask1).Body.String()
	s.Reload(t.Context())
	other := send(s, "POST", "/v1/rerank", ask1).Body.String()
	score := regexp.MustCompile(`"relevance_score":[0-9.e-]+`)
	if a, b, c := score.FindString(first), score.FindString(again), score.FindString(other); a == "" || a != b || a == c {
		t.Errorf("scores %s, %s from the cache, %s of another model", a, b, c)
	}
}
