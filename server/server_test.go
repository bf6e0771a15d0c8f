package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

const ask1 = `{"query":"q","documents":["0"]}`

func TestKeys(t *testing.T) {
	s := start(t, Options{APIKeys: []string{"first", "second"}, Metrics: true, Pprof: true, Page: Page()})
	for _, c := range []struct {
		method, path string
		header       []string
		status       int
	}{
		{"GET", "/health", nil, 200},
		{"GET", "/v1/health", nil, 200},
		{"GET", "/", nil, 200},
		{"GET", "/page.js", nil, 200},
		{"POST", "/v1/rerank", nil, 401},
		{"POST", "/v1/rerank", []string{"Authorization", "Bearer first"}, 200},
		{"POST", "/v1/rerank", []string{"Authorization", "bearer second"}, 200},
		{"POST", "/v1/rerank", []string{"Authorization", "second"}, 200},
		{"POST", "/v1/rerank", []string{"X-Api-Key", "first"}, 200},
		{"POST", "/v1/rerank", []string{"Authorization", "Bearer firs"}, 401},
		{"POST", "/v1/rerank", []string{"Authorization", "Bearer first2"}, 401},
		{"POST", "/v1/rerank", []string{"Authorization", "Bearer "}, 401},
		{"POST", "/v1/rerank", []string{"Authorization", "Basic Zmlyc3Q6"}, 401},
		{"GET", "/v1/models", nil, 401},
		{"GET", "/props", nil, 401},
		{"GET", "/metrics", nil, 401},
		{"GET", "/openapi.json", nil, 401},
		{"GET", "/debug/pprof/", nil, 401},
		{"GET", "/debug/pprof/", []string{"X-Api-Key", "first"}, 200},
		{"POST", "/nothing", nil, 401},
	} {
		w := send(s, c.method, c.path, ask1, c.header...)
		if c.path != "/metrics" || w.Code != 200 {
			checkDescribed(t, c.method, c.path, "", w)
		}
		if w.Code != c.status {
			t.Errorf("%s %s %q: status %d, want %d", c.method, c.path, c.header, w.Code, c.status)
		}
		if c.status == 401 {
			want := `{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}`
			if got := strings.TrimSpace(w.Body.String()); got != want || w.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s %s: %s", c.method, c.path, got)
			}
		}
	}
	// Without keys nobody is asked for one, and an empty key is none.
	if w := send(start(t, Options{APIKeys: []string{""}}), "POST", "/v1/rerank", ask1); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

func TestHeaders(t *testing.T) {
	s := start(t, Options{Page: Page()})
	w := send(s, "POST", "/v1/rerank", ask1)
	for name, want := range map[string]string{
		"X-Request-Id": "test", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cache-Control": "no-store", "Access-Control-Allow-Origin": "",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := send(s, "GET", "/", "").Header().Get("Content-Security-Policy"); got != pagePolicy {
		t.Errorf("the page's policy: %q", got)
	}
	for _, id := range []string{"", "a b", "<script>", strings.Repeat("x", 65), "ä"} {
		w := send(s, "GET", "/health", "", "X-Request-Id", id)
		if got := w.Header().Get("X-Request-Id"); len(got) != 24 {
			t.Errorf("id %q gives %q", id, got)
		}
	}
}

func TestCORS(t *testing.T) {
	preflight := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "Authorization"}
	for _, c := range []struct {
		name    string
		cors    CORS
		method  string
		origin  string
		status  int
		allowed string
	}{
		{"off", CORS{}, "OPTIONS", "http://evil.com", 405, ""},
		{"off, a page posts", CORS{}, "POST", "http://evil.com", 403, ""},
		{"off, the server's own page posts", CORS{}, "POST", "http://example.com", 200, ""},
		{"all", CORS{Origins: []string{"*"}}, "OPTIONS", "http://evil.com", 200, "http://evil.com"},
		{"all, post", CORS{Origins: []string{"*"}}, "POST", "http://evil.com", 200, "http://evil.com"},
		{"a list", CORS{Origins: []string{"https://a.org", "https://b.org"}}, "OPTIONS", "https://b.org", 200, "https://b.org"},
		{"not in the list", CORS{Origins: []string{"https://a.org"}}, "OPTIONS", "https://b.org", 200, ""},
		{"not in the list, post", CORS{Origins: []string{"https://a.org"}}, "POST", "https://b.org", 403, ""},
		{"localhost", CORS{Origins: []string{"localhost"}}, "OPTIONS", "http://[::1]:3000", 200, "http://[::1]:3000"},
		{"localhost by name", CORS{Origins: []string{"localhost"}}, "OPTIONS", "http://localhost:8080", 200, "http://localhost:8080"},
		{"a name like localhost", CORS{Origins: []string{"localhost"}}, "OPTIONS", "http://localhost.evil.com", 200, ""},
		{"another such name", CORS{Origins: []string{"localhost"}}, "OPTIONS", "http://notlocalhost", 200, ""},
	} {
		s := start(t, Options{CORS: c.cors, APIKeys: []string{"k"}})
		w := send(s, c.method, "/v1/rerank", ask1, append([]string{"Origin", c.origin, "X-Api-Key", "k"}, preflight...)...)
		checkDescribed(t, c.method, "/v1/rerank", ask1, w)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != c.status || got != c.allowed {
			t.Errorf("%s: status %d, origin %q; want %d, %q", c.name, w.Code, got, c.status, c.allowed)
		}
		if want := apiError4("403", "cross-origin requests from "+c.origin+" are not allowed (--cors-origins)", "invalid_request_error"); w.Code == 403 && strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s: %s, want %s", c.name, w.Body, want)
		}
	}
	s := start(t, Options{CORS: CORS{Origins: []string{"*"}, Methods: "GET, POST, DELETE, OPTIONS", Credentials: true}, APIKeys: []string{"k"}})
	// A preflight shows no key.
	h := send(s, "OPTIONS", "/completions", "", append([]string{"Origin", "web.mydomain.fr"}, preflight...)...).Header()
	for name, want := range map[string]string{"Access-Control-Allow-Origin": "web.mydomain.fr", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS", "Access-Control-Allow-Headers": "Authorization", "Vary": "Origin"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPrefix(t *testing.T) {
	s := start(t, Options{Prefix: "/api", Page: Page()})
	for path, want := range map[string]int{"/api/v1/health": 200, "/v1/health": 404, "/apiv1/health": 404, "/api": 301, "/api/": 200, "/api/page.css": 200, "/api/x": 404} {
		if w := send(s, "GET", path, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
}

func TestPageAndFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"index.html": "hello", "a.txt": "a"} {
		if err := os.WriteFile(filepath.Join(dir, "www", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("../secret", filepath.Join(dir, "www", "link")); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(filepath.Join(dir, "www"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := start(t, Options{Page: Files(root.FS())})
	for path, want := range map[string]int{"/": 200, "/a.txt": 200, "/link": 404, "/b.txt": 404, "/%2e%2e/secret": 404, "/..%2fsecret": 404, "/x/": 404} {
		w := send(s, "GET", path, "")
		if w.Code != want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: status %d, want %d: %s", path, w.Code, want, w.Body)
		}
	}
	folder := Files(fstest.MapFS{"sub/a": {Data: []byte("x")}})
	w := httptest.NewRecorder()
	folder.ServeHTTP(w, httptest.NewRequest("GET", "/sub", nil))
	if w.Code != 404 {
		t.Errorf("a folder: status %d", w.Code)
	}
	if w := send(start(t, Options{}), "GET", "/", ""); w.Code != 404 {
		t.Errorf("without a page: status %d", w.Code)
	}
}

func TestLoading(t *testing.T) {
	begin := make(chan struct{})
	s, err := New(Options{Page: Page(), Models: []ModelSpec{{Name: "slow", Load: func(context.Context) (Model, error) {
		<-begin
		return new(fakeModel), nil
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	started := make(chan error)
	go func() { started <- s.Start(t.Context()) }()
	for _, c := range [][2]string{{"GET", "/health"}, {"POST", "/v1/rerank"}, {"GET", "/v1/models"}, {"GET", "/props"}, {"POST", "/tokenize"}} {
		w := send(s, c[0], c[1], ask1)
		checkDescribed(t, c[0], c[1], ask1, w)
		want := `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != 503 || got != want || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, Retry-After %q: %s", c[1], w.Code, w.Header().Get("Retry-After"), got)
		}
	}
	if w := send(s, "GET", "/", ""); w.Code != 200 {
		t.Errorf("the page while loading: status %d", w.Code)
	}
	close(begin)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if w := send(s, "GET", "/health", ""); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

func TestModels(t *testing.T) {
	models := map[string]*fakeModel{}
	var mu sync.Mutex
	loads := map[string]int{}
	spec := func(name string) ModelSpec {
		return ModelSpec{Name: name, Aliases: []string{name + "-alias"}, Load: func(context.Context) (Model, error) {
			mu.Lock()
			defer mu.Unlock()
			loads[name]++
			models[name] = &fakeModel{name: name}
			return models[name], nil
		}}
	}
	broken := ModelSpec{Name: "broken", Load: func(context.Context) (Model, error) {
		mu.Lock()
		defer mu.Unlock()
		loads["broken"]++
		return nil, errors.New("tensor x is missing")
	}}
	s := start(t, Options{ModelsMax: 2}, spec("a"), broken, spec("b"), spec("c"))
	use := func(name string) {
		t.Helper()
		w := send(s, "POST", "/v1/rerank", `{"model":"`+name+`","query":"q","documents":["0"]}`)
		if w.Code != 200 {
			t.Fatalf("model %s: status %d: %s", name, w.Code, w.Body)
		}
	}
	for _, name := range []string{"a", "b", "a-alias", "c", "a", "default", "b", "c", "c"} {
		use(name)
	}
	mu.Lock()
	got := fmt.Sprint(loads)
	mu.Unlock()
	// a and b; c in b's place; b in c's; c in a's.
	if want := "map[a:1 b:2 broken:1 c:2]"; got != want {
		t.Errorf("loads %s, want %s", got, want)
	}
	mu.Lock()
	if !models["a"].closed.Load() || models["b"].closed.Load() || models["c"].closed.Load() {
		t.Error("the model used least recently is to be closed")
	}
	mu.Unlock()
	w := send(s, "POST", "/v1/rerank", `{"model":"broken","query":"q","documents":["0"]}`)
	if want := `{"error":{"code":503,"message":"model \"broken\" could not be loaded: tensor x is missing","type":"unavailable_error"}}`; strings.TrimSpace(w.Body.String()) != want || w.Code != 503 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	var list modelList
	w = send(s, "GET", "/v1/models", "")
	checkDescribed(t, "GET", "/v1/models", "", w)
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, m := range list.Data {
		states = append(states, m.ID+" "+m.Status.Value+m.Status.Error)
	}
	if got, want := strings.Join(states, ", "), "a unloaded, broken failedtensor x is missing, b loaded, c loaded"; got != want {
		t.Errorf("states %s, want %s", got, want)
	}

	// Many at once, of all models, with room for two.
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			name := []string{"a", "b", "c"}[i%3]
			w := send(s, "POST", "/v1/rerank", `{"model":"`+name+`","query":"q","documents":["0"]}`)
			if w.Code != 200 {
				t.Errorf("model %s: status %d: %s", name, w.Code, w.Body)
			}
		})
	}
	all.Wait()

	for _, specs := range [][]ModelSpec{nil, {spec("a"), spec("a")}, {{Name: ""}}, {spec("a"), {Name: "a-alias"}}} {
		if _, err := New(Options{Models: specs}); err == nil {
			t.Errorf("%d models of wrong names are taken", len(specs))
		}
	}
	only, err := New(Options{Models: []ModelSpec{broken}})
	if err != nil {
		t.Fatal(err)
	}
	if err := only.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "tensor x is missing") {
		t.Errorf("error %v", err)
	}
	if w := send(only, "GET", "/health", ""); w.Code != 503 || !strings.Contains(w.Body.String(), "tensor x is missing") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	only.Close()
}

func TestBusyAndTimeLimit(t *testing.T) {
	m := &fakeModel{gate: make(chan struct{}), maxLength: 64}
	s := start(t, Options{QueueTokens: 200, Timeout: 10 * time.Second}, m.spec("fake"))
	long := `{"query":"q","documents":[` + strings.Repeat(`"0 a b c d",`, 99) + `"0"]}`
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/v1/rerank", strings.NewReader(long)))
		gone <- w.Code
	}()
	eventually(t, "a batch", func() bool { return len(m.batches()) > 0 })
	w := send(s, "POST", "/v1/rerank", ask1)
	if want := `{"error":{"code":429,"message":"too many tokens are queued (--queue-tokens); try again later","type":"unavailable_error"}}`; w.Code != 429 || strings.TrimSpace(w.Body.String()) != want || w.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
	w = send(s, "POST", "/rerank", `{"query":"q","texts":["0"]}`)
	if want := `{"error":"too many tokens are queued (--queue-tokens); try again later","error_type":"Overloaded"}`; w.Code != 429 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	started := len(m.batches())
	hangUp()
	if status := <-gone; status != statusClientGone {
		t.Errorf("status %d", status)
	}
	eventually(t, "no work left", func() bool {
		jobs, tokens, batches := -1, int64(-1), -1
		s.registry.schedulers(func(_ string, s *scheduler) { jobs, tokens, batches = s.load() })
		return jobs == 0 && tokens == 0 && batches == 0
	})
	if n := len(m.batches()); n != started {
		t.Errorf("%d batches were started after the client had gone", n-started)
	}
	w = send(s, "POST", "/v1/rerank", ask1, "X-Request-Timeout", "0.02")
	if want := `{"error":{"code":503,"message":"the request exceeded its time limit","type":"unavailable_error"}}`; w.Code != 503 || strings.TrimSpace(w.Body.String()) != want || w.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	go func() { m.gate <- struct{}{} }()
	if w := send(s, "POST", "/v1/rerank", ask1); w.Code != 200 {
		t.Errorf("afterwards: status %d: %s", w.Code, w.Body)
	}
}

func TestModelFailure(t *testing.T) {
	s := start(t, Options{}, (&fakeModel{fail: "nan"}).spec("fake"), (&fakeModel{tasks: []string{"embed"}}).spec("embedder"))
	w := send(s, "POST", "/v1/rerank", `{"query":"q","documents":["nan"]}`)
	if want := `{"error":{"code":500,"message":"a number is not finite","type":"server_error"}}`; w.Code != 500 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	w = send(s, "POST", "/rerank", `{"query":"q","texts":["nan"]}`)
	if want := `{"error":"a number is not finite","error_type":"Backend"}`; w.Code != 500 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	w = send(s, "POST", "/v1/rerank", `{"model":"embedder","query":"q","documents":["a"]}`)
	if want := apiError4("501", `model "embedder" cannot rerank`, "not_supported_error"); w.Code != 501 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestPanic(t *testing.T) {
	s := start(t, Options{Page: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") })})
	w := send(s, "GET", "/", "")
	if want := apiError4("500", "internal error; see the server log", "server_error"); w.Code != 500 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestCache(t *testing.T) {
	m := new(fakeModel)
	s := start(t, Options{CacheSize: 3, Metrics: true}, m.spec("fake"))
	ask := func(body string) string {
		t.Helper()
		w := send(s, "POST", "/v1/rerank", body)
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	computed := func() (n int) {
		for _, b := range m.batches() {
			n += len(b)
		}
		return n
	}
	first := ask(`{"query":"q","documents":["1 a","2 b","3 c"]}`)
	if again := ask(`{"query":"q","documents":["1 a","2 b","3 c"]}`); again != first || computed() != 3 {
		t.Errorf("%d pairs computed\n got %s\nwant %s", computed(), again, first)
	}
	ask(`{"query":"q","documents":["2 b","4 d"]}`) // "1 a" goes
	if computed() != 4 {
		t.Errorf("%d pairs computed, want 4", computed())
	}
	ask(`{"query":"q","documents":["3 c","2 b","4 d","1 a"]}`)
	if computed() != 5 {
		t.Errorf("%d pairs computed, want 5", computed())
	}
	for _, other := range []string{`{"query":"p","documents":["1 a"]}`, `{"query":"q","documents":["1 a"],"max_tokens_per_doc":1}`,
		`{"query":"q","documents":["1 a"],"instruction":"i"}`, `{"query":"q1","documents":[" a"]}`} {
		before := computed()
		ask(other)
		if computed() != before+1 {
			t.Errorf("%s is taken from the cache", other)
		}
	}
	page := send(s, "GET", "/metrics", "").Body.String()
	for _, line := range []string{"winnow_cache_hits_total 7", "winnow_cache_misses_total 9", "winnow_cache_entries 3"} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("metrics without %q", line)
		}
	}
}

// TestSameScore: whichever route asks, with whatever else, cached or not, a pair
// has one score.
func TestSameScore(t *testing.T) {
	s := start(t, Options{CacheSize: 10})
	want := 1 / (1 + math.Exp(-0.7))
	number := regexpNumber(t)
	for range 2 {
		for _, c := range [][2]string{
			{"/v1/rerank", `{"query":"q","documents":["0.7"]}`}, {"/rerank", `{"query":"q","texts":["0.7"]}`}, {"/v1/rerank", `{"query":"q","input":["0.7"]}`},
			{"/v1/rerank", `{"query":"q","documents":["0.7"],"top_k":1}`}, {"/v2/rerank", `{"query":"q","documents":["0.7"]}`},
			{"/v1/score", `{"text_1":"q","text_2":"0.7"}`}, {"/v1/rerankings", `{"query":"q","texts":["0.7"]}`},
		} {
			if got := number(send(s, "POST", c[0], c[1]).Body.String()); got != want {
				t.Errorf("%s %s: %v, want %v", c[0], c[1], got, want)
			}
		}
	}
}

func regexpNumber(t *testing.T) func(string) float64 {
	return func(body string) float64 {
		t.Helper()
		_, rest, ok := strings.Cut(strings.NewReplacer("relevance_score", "score").Replace(body), `"score":`)
		if !ok {
			// vLLM calls the object "score" too.
			t.Fatalf("no score in %s", body)
		}
		var x float64
		if _, err := fmt.Sscanf(rest, "%g", &x); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return x
	}
}

func TestManyDocuments(t *testing.T) {
	m := &fakeModel{maxLength: 512}
	s := start(t, Options{}, m.spec("fake"))
	var documents []string
	for i := range 10000 {
		documents = append(documents, fmt.Sprint((i*7919)%10000))
	}
	body, _ := json.Marshal(map[string]any{"query": "q", "documents": documents, "raw_scores": true})
	w := send(s, "POST", "/v1/rerank", string(body))
	var reply jinaReply
	if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || len(reply.Results) != 10000 {
		t.Fatalf("status %d, %d results, %v", w.Code, len(reply.Results), err)
	}
	for i, r := range reply.Results {
		if r.Score != float64(9999-i) || fmt.Sprint(r.Score) != documents[r.Index] {
			t.Fatalf("place %d: %+v", i, r)
		}
	}
	if reply.Usage.TotalTokens != 50000 {
		t.Errorf("%d tokens", reply.Usage.TotalTokens)
	}
	documents = append(documents, "x")
	body, _ = json.Marshal(map[string]any{"query": "q", "documents": documents})
	if w := send(s, "POST", "/v1/rerank", string(body)); w.Code != 413 {
		t.Errorf("10001 documents: status %d", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t, Options{Metrics: true, Version: "1.2", Commit: "abc", Kernels: "avx2"})
	send(s, "POST", "/v1/rerank", `{"query":"q","documents":["0","1"]}`)
	send(s, "POST", "/v1/rerank", `{}`)
	send(s, "GET", "/nothing", "")
	w := send(s, "GET", "/metrics", "")
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("Content-Type %q", w.Header().Get("Content-Type"))
	}
	page := w.Body.String()
	for _, line := range []string{
		`winnow_requests_total{route="/v1/rerank",status="200"} 1`,
		`winnow_requests_total{route="/v1/rerank",status="400"} 1`,
		`winnow_requests_total{route="other",status="404"} 1`,
		`winnow_errors_total{type="invalid_request_error"} 1`,
		`winnow_documents_total{model="fake"} 2`,
		`winnow_tokens_total{model="fake"} 10`,
		`winnow_computed_tokens_total{model="fake"} 10`,
		`winnow_batch_tokens_count{model="fake"} 1`,
		`winnow_batch_fill_sum{model="fake"} 0.01953125`,
		`winnow_queue_tokens{model="fake"} 0`,
		`winnow_model_loaded{model="fake"} 1`,
		`winnow_model_memory_bytes{model="fake"} 50000`,
		`winnow_requests_running 1`,
		`winnow_build_info{commit="abc",go="` + runtime.Version() + `",kernels="avx2",version="1.2"} 1`,
		`llamacpp:prompt_tokens_total 10`,
		`llamacpp:requests_processing 0`,
		`llamacpp:requests_deferred 0`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("metrics without %s", line)
		}
	}
	for _, name := range []string{"go_goroutines ", "winnow_request_seconds_bucket{"} {
		if !strings.Contains(page, name) {
			t.Errorf("metrics without %s", name)
		}
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	s := start(t, Options{Log: slog.New(slog.NewJSONHandler(&out, nil))})
	send(s, "POST", "/v1/rerank", `{"query":"private","documents":["secret"]}`)
	send(s, "POST", "/v1/rerank", `{"query":"private"}`)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var first, second map[string]any
	if err := errors.Join(json.Unmarshal([]byte(lines[1]), &first), json.Unmarshal([]byte(lines[2]), &second)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"id": "test", "method": "POST", "path": "/v1/rerank", "status": 200.0, "model": "fake", "documents": 1.0, "tokens": 5.0} {
		if first[name] != want {
			t.Errorf("%s: %v, want %v", name, first[name], want)
		}
	}
	if second["status"] != 400.0 || !strings.Contains(second["error"].(string), `"documents" is missing`) {
		t.Errorf("log line %s", lines[2])
	}
	if strings.Contains(out.String(), "private") || strings.Contains(out.String(), "secret") {
		t.Error("texts are in the log")
	}
}

func TestTrace(t *testing.T) {
	requests := make(chan otlpRequest, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var q otlpRequest
		if r.URL.Path != "/v1/traces" || r.Header.Get("Authorization") != "Bearer t" {
			t.Errorf("%s, %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		requests <- q
	}))
	defer collector.Close()
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL + "/", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer t,x=y", "OTEL_SERVICE_NAME": "search"}
	trace, err := TraceFromEnv(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Trace: trace, Models: []ModelSpec{new(fakeModel).spec("fake")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const id, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	w := send(s, "POST", "/v1/rerank", ask1, "Traceparent", "00-"+id+"-"+parent+"-01")
	if got := w.Header().Get("Traceparent"); !strings.HasPrefix(got, "00-"+id+"-") || strings.Contains(got, parent) || !strings.HasSuffix(got, "-01") {
		t.Errorf("traceparent %q", got)
	}
	// One that is not sampled is handed on but not sent.
	if got := send(s, "POST", "/v1/rerank", ask1, "Traceparent", "00-"+id+"-"+parent+"-00").Header().Get("Traceparent"); !strings.HasSuffix(got, "-00") {
		t.Errorf("traceparent %q", got)
	}
	s.Close()
	q := <-requests
	resource := q.ResourceSpans[0]
	if a := resource.Resource.Attributes[0]; a.Key != "service.name" || *a.Value.String != "search" {
		t.Errorf("resource %+v", a)
	}
	spans := resource.ScopeSpans[0].Spans
	var names []string
	for _, sp := range spans {
		names = append(names, sp.Name)
		if sp.TraceID != id || len(sp.SpanID) != 16 || sp.Start > sp.End {
			t.Errorf("span %+v", sp)
		}
	}
	if want := []string{"tokenize", "score", "POST /v1/rerank"}; !slices.Equal(names, want) {
		t.Fatalf("spans %q, want %q", names, want)
	}
	if spans[2].ParentID != parent || spans[0].ParentID != spans[2].SpanID || spans[2].Kind != 2 {
		t.Errorf("parents %q, %q", spans[2].ParentID, spans[0].ParentID)
	}
	for _, bad := range []string{"", "00-" + id + "-" + parent, "ff-" + id + "-" + parent + "-01", "00-" + strings.Repeat("0", 32) + "-" + parent + "-01",
		"00-" + id + "-" + strings.Repeat("0", 16) + "-01", "00-" + strings.ToUpper(id) + "-" + parent + "-01", "00-" + id + "-" + parent + "-01-x", "zz-" + id + "-" + parent + "-01"} {
		if new(span).adopt(bad) {
			t.Errorf("%q is adopted", bad)
		}
	}
	if !new(span).adopt("01-" + id + "-" + parent + "-01-more") {
		t.Error("a later version is not adopted")
	}
	for _, off := range []map[string]string{{}, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}} {
		if o, err := TraceFromEnv(func(name string) string { return off[name] }); err != nil || o.URL != "" {
			t.Errorf("%v: %+v, %v", off, o, err)
		}
	}
	if _, err := TraceFromEnv(func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[name]
	}); err == nil {
		t.Error("grpc is taken")
	}
}

func TestOpenAPI(t *testing.T) {
	s := start(t, Options{})
	var d struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(send(s, "GET", "/openapi.json", "").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" {
		t.Errorf("version %q", d.OpenAPI)
	}
	n := 0
	for _, r := range s.table() {
		r.path = strings.ReplaceAll(r.path, "...}", "}")
		for method, h := range map[string]handler{"get": r.get, "post": r.post} {
			if _, described := d.Paths[r.path][method]; described != (h != nil) {
				t.Errorf("%s %s: described %t, served %t", method, r.path, described, h != nil)
			}
			if h != nil {
				n++
			}
		}
	}
	described := 0
	for _, methods := range d.Paths {
		described += len(methods)
	}
	if n != described {
		t.Errorf("%d operations are described, %d served", described, n)
	}
	// Every reference leads somewhere.
	var all map[string]any
	_ = json.Unmarshal(openAPIDocument, &all)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				at := any(all)
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					at = at.(map[string]any)[part]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(all)
}

// serve runs a server on a free port.
func serve(t testing.TB, s *Server) (url string, stop context.CancelFunc, done chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() { done <- s.Serve(ctx, nil, l) }()
	url = "http://" + l.Addr().String()
	eventually(t, "health", func() bool {
		r, err := http.Get(url + "/health")
		if err != nil {
			return false
		}
		_ = r.Body.Close()
		return r.StatusCode == 200
	})
	return url, cancel, done
}

// TestShutdown: what has been accepted is answered, then the server ends, and
// nothing is left of it.
func TestShutdown(t *testing.T) {
	before := runtime.NumGoroutine()
	m := &fakeModel{gate: make(chan struct{})}
	s, err := New(Options{Models: []ModelSpec{m.spec("fake")}})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	var ok, other atomic.Int32
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			r, err := http.Post(url+"/v1/rerank", "application/json", strings.NewReader(`{"query":"q","documents":[`+strings.Repeat(`"0 a b c",`, 30)+`"0"]}`))
			if err != nil {
				other.Add(1)
				return
			}
			defer r.Body.Close()
			_, _ = io.Copy(io.Discard, r.Body)
			if r.StatusCode == 200 {
				ok.Add(1)
			} else {
				other.Add(1)
			}
		})
	}
	eventually(t, "all at work", func() bool {
		tokens := int64(0)
		s.registry.schedulers(func(_ string, s *scheduler) { _, tokens, _ = s.load() })
		return tokens == 32*(30*8+5)
	})
	stop()
	eventually(t, "stopping", s.stopping.Load)
	pump(t, m)
	if err := <-done; err != nil {
		t.Error(err)
	}
	all.Wait()
	if ok.Load() != 32 || other.Load() != 0 {
		t.Errorf("%d answered, %d not", ok.Load(), other.Load())
	}
	if !m.closed.Load() {
		t.Error("the model is not closed")
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "goroutines back", func() bool { return runtime.NumGoroutine() <= before+2 }) // one of them is pump's
}

// TestHangUp: of a client that closes its connection no batch is started any more,
// and the one under way is given up. How long that takes, BenchmarkBeside measures.
func TestHangUp(t *testing.T) {
	m := &fakeModel{gate: make(chan struct{})}
	s, err := New(Options{Models: []ModelSpec{m.spec("fake")}})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	ctx, hangUp := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "POST", url+"/v1/rerank", strings.NewReader(`{"query":"q","documents":[`+strings.Repeat(`"0 a b c d e",`, 999)+`"0"]}`))
	gone := make(chan error)
	go func() {
		_, err := http.DefaultClient.Do(r)
		gone <- err
	}()
	eventually(t, "a batch", func() bool { return len(m.batches()) == 1 })
	hangUp()
	<-gone
	eventually(t, "the batch given up", func() bool {
		batches, tokens := -1, int64(-1)
		s.registry.schedulers(func(_ string, s *scheduler) { _, tokens, batches = s.load() })
		return batches == 0 && tokens == 0
	})
	if n := len(m.batches()); n != 1 {
		t.Errorf("%d batches were started, want the one that was under way", n)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeFailsWithoutModel(t *testing.T) {
	s, err := New(Options{Models: []ModelSpec{{Name: "broken", Load: func(context.Context) (Model, error) { return nil, errors.New("no weights") }}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context(), nil, l); err == nil || !strings.Contains(err.Error(), "no weights") {
		t.Errorf("error %v", err)
	}
}

func FuzzRerank(f *testing.F) {
	for _, body := range []string{ask1, `{"query":{"text":"q"},"documents":[{"text":"a"}],"rank_fields":["text"]}`, `{"query":"q","texts":["a"]}`,
		`{"query":"q","input":["a"],"top_k":1}`, `{"query":"q","documents":["a"],"top_k":null}`, `{`, `[]`, `null`, `{"documents":[[]]}`, `{"query":"\ud800","documents":["\u0000"]}`} {
		f.Add(body)
	}
	s := start(f, Options{MaxDocuments: 50, MaxBody: 1 << 16})
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/rerank", "/v2/rerank", "/v1/rerankings", "/score", "/tokenize", "/detokenize"} {
			w := send(s, "POST", path, body)
			if w.Code != 200 && w.Code != 400 && w.Code != 413 {
				t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: not JSON: %s", path, w.Body)
			}
		}
	})
}
