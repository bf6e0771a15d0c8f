package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/internal/hubtest"
)

// TestMain is also the other process that TestPullTwoProcesses and
// TestPullAfterKill start.
func TestMain(m *testing.M) {
	if dir := os.Getenv("WINNOW_TEST_PULL"); dir != "" {
		source := Source{Dir: dir, Note: func(s string) { fmt.Fprintln(os.Stderr, s) }}
		path, err := source.Pull(context.Background(), Ref{Repo: "o/n"})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(path)
		os.Exit(0)
	}
	for _, name := range []string{"HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		os.Unsetenv(name)
	}
	os.Setenv("HF_TOKEN_PATH", os.DevNull)
	os.Exit(m.Run())
}

// A world is a hub with a model, an empty cache and a source between them.
type world struct {
	*hubtest.Hub
	t       *testing.T
	server  *httptest.Server
	source  *Source
	weights []byte
	mu      sync.Mutex
	notes   []string
}

func newWorld(t *testing.T) *world {
	weights := make([]byte, 300_000)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(weights)
	w := &world{t: t, weights: weights, Hub: &hubtest.Hub{Files: map[string]*hubtest.File{
		"config.json":           hubtest.Bytes([]byte("{}"), false),
		"tokenizer.json":        hubtest.Bytes([]byte(`{"model":{}}`), false),
		"model.safetensors":     hubtest.Bytes(weights, true),
		"README.md":             hubtest.Bytes([]byte("x"), false),
		"1_Pooling/config.json": hubtest.Bytes([]byte("[]"), false),
	}}}
	w.server = httptest.NewServer(w.Hub)
	t.Cleanup(w.server.Close)
	w.source = &Source{Dir: t.TempDir(), Endpoint: w.server.URL + "/", Silence: time.Second, pause: time.Millisecond,
		Note: func(s string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notes = append(w.notes, s)
		}}
	return w
}

var model = Ref{Repo: "o/n"}

func (w *world) noted(s string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.notes, func(n string) bool { return strings.Contains(n, s) })
}

// check says that the model is there as a whole, with nothing half-done beside it.
func (w *world) check(path string, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if want := filepath.Join(w.source.Dir, "models--o--n", "snapshots", hubtest.Commit); path != want {
		w.t.Errorf("path %s, want %s", path, want)
	}
	for name, want := range map[string]string{"config.json": "{}", "tokenizer.json": `{"model":{}}`, "model.safetensors": string(w.weights), "1_Pooling/config.json": "[]"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != want {
			w.t.Errorf("%s: %d bytes, want %d, %v", name, len(got), len(want), err)
		}
	}
	_ = filepath.WalkDir(w.source.Dir, func(p string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(p, ".incomplete") || strings.HasSuffix(p, ".tmp") {
			w.t.Errorf("%s is left", p)
		}
		return err
	})
}

// blob is where the cache has a file's contents.
func (w *world) blob(name string) string {
	target, err := filepath.EvalSymlinks(filepath.Join(w.source.Dir, "models--o--n", "snapshots", hubtest.Commit, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return target
}

// asked counts the requests for a file's contents.
func (w *world) asked(name string) (n int) {
	for _, r := range w.Requests() {
		if strings.HasPrefix(r, "/o/n/resolve/"+hubtest.Commit+"/"+name) {
			n++
		}
	}
	return n
}

func TestPull(t *testing.T) {
	w := newWorld(t)
	w.Token = "secret"
	ctx := context.Background()
	if _, err := (&Source{Dir: w.source.Dir, Offline: true}).Get(ctx, model); !errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), "--offline") {
		t.Errorf("offline: %v", err)
	}
	if _, err := w.source.Get(ctx, model); err == nil || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}
	w.source.Token = "secret"
	told := map[string][]int64{}
	w.source.Progress = func(f string, done, total int64) { told[f] = append(told[f], done, total) }
	path, err := w.source.Get(ctx, model)
	w.check(path, err)
	if _, err := os.Stat(filepath.Join(path, "README.md")); err == nil {
		t.Error("README.md is downloaded")
	}
	if p := told["model.safetensors"]; len(p) < 4 || p[0] != 0 || p[1] != 300_000 || !slices.IsSorted(evens(p)) || p[len(p)-2] != 300_000 {
		t.Errorf("progress %v", p)
	}
	if len(told) != 4 {
		t.Errorf("progress of %d files", len(told))
	}
	n := len(w.Requests())
	if again, err := w.source.Get(ctx, model); err != nil || again != path || len(w.Requests()) != n {
		t.Errorf("from the cache: %s, %v, %d requests", again, err, len(w.Requests())-n)
	}
	if again, err := w.source.Pull(ctx, model); err != nil || again != path || len(w.Requests()) != n+1 {
		t.Errorf("pulled again: %s, %v, %d requests, want 1", again, err, len(w.Requests())-n)
	}
	if again, err := (&Source{Dir: w.source.Dir, Offline: true}).Pull(ctx, model); err != nil || again != path {
		t.Errorf("pulled offline, from the cache: %s, %v", again, err)
	}
	if list, err := List(w.source.Dir); err != nil || len(list) != 1 || list[0].Ref != model || list[0].Bytes != 300_016 || list[0].Commit != hubtest.Commit {
		t.Errorf("list %+v, %v", list, err)
	}

	w.Set(func() {
		w.Files["m-Q8_0.gguf"], w.Files["m-F16.gguf"] = hubtest.Bytes([]byte("q8"), true), hubtest.Bytes([]byte("f16"), true)
	})
	if path, err := w.source.Get(ctx, Ref{Repo: "o/n", File: "f16"}); err != nil || filepath.Base(path) != "m-F16.gguf" {
		t.Errorf("%s, %v", path, err)
	}
	if list, err := List(w.source.Dir); err != nil || len(list) != 2 || list[1].Ref.String() != "o/n:m-F16.gguf" {
		t.Errorf("list %+v, %v", list, err)
	}
	for ref, want := range map[Ref]string{
		{Repo: "o/n", File: "Q2_K"}:                "no GGUF file Q2_K: it has m-F16.gguf, m-Q8_0.gguf",
		{Repo: "o/other"}:                          "no such model",
		{Repo: "o/n", Revision: "v9"}:              "no revision v9",
		{Repo: "o/n", Revision: "../../etc/passw"}: "expected a branch, a tag or a commit",
	} {
		if _, err := w.source.Get(ctx, ref); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for _, name := range []string{"../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", `..\evil.gguf`, "\x1b]0;evil\a.gguf", "a\u202ebin.gguf"} {
		w.Set(func() { w.Extra = []string{name} })
		if _, err := w.source.Pull(ctx, model); err == nil || !strings.Contains(err.Error(), "within the repository") || strings.ContainsAny(err.Error(), "\x1b\u202e") {
			t.Errorf("a file %q: %v", name, err)
		}
	}
}

func evens(list []int64) (half []int64) {
	for i := 0; i < len(list); i += 2 {
		half = append(half, list[i])
	}
	return half
}

// abort breaks a connection off.
func abort() { panic(http.ErrAbortHandler) }

// send answers with some bytes of a file, as if they were what was asked for.
func send(r *hubtest.Request, data []byte) {
	h := r.W.Header()
	h.Set("Content-Length", strconv.Itoa(len(data)-int(r.From)))
	if r.From > 0 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.From, len(data)-1, len(data)))
		r.W.WriteHeader(http.StatusPartialContent)
	}
	_, _ = r.W.Write(data[r.From:])
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

func status(code int, header ...string) func(*hubtest.Request) {
	return func(r *hubtest.Request) {
		for i := 0; i < len(header); i += 2 {
			r.W.Header().Set(header[i], header[i+1])
		}
		r.W.WriteHeader(code)
		_, _ = r.W.Write([]byte("<html>sorry</html>"))
	}
}

// half sends what comes before the middle of the rest of a file.
func half(r *hubtest.Request) { portion(r, 2) }

// portion sends the first n-th of the rest of a file, as if all of it came.
func portion(r *hubtest.Request, n int) {
	data := r.Open()
	rest := data[r.From:]
	r.W.Header().Set("Content-Length", strconv.Itoa(len(rest)))
	if r.From > 0 {
		r.W.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", r.From, len(data)-1, len(data)))
		r.W.WriteHeader(http.StatusPartialContent)
	}
	_, _ = r.W.Write(rest[:len(rest)/n])
	flush(r.W)
}

// flipped is the file with one bit wrong behind from.
func flipped(data []byte, from int64) []byte {
	data = slices.Clone(data)
	data[int(from)+(len(data)-int(from))/3] ^= 1
	return data
}

func hijack(r *hubtest.Request, answer string) {
	conn, _, err := http.NewResponseController(r.W).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = conn.Write([]byte(answer))
	conn.Close()
}

// faults are what a hub, or what is between, can do wrong with a file.
var faults = []struct {
	name  string
	fault func(*hubtest.Request)
}{
	{"broken off at once", func(*hubtest.Request) { abort() }},
	{"broken off half-way", func(r *hubtest.Request) { half(r); abort() }},
	{"silent", func(r *hubtest.Request) { <-r.R.Context().Done() }},
	{"silent half-way", func(r *hubtest.Request) { half(r); <-r.R.Context().Done() }},
	{"500", status(500)}, {"502", status(502)}, {"504", status(504)},
	{"503 with Retry-After 0", status(503, "Retry-After", "0")},
	{"503 with a date", status(503, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")},
	{"429", status(429)}, {"408", status(408)}, {"425", status(425)},
	{"416", status(416)},
	{"204", status(204)},
	{"a page", status(200, "Content-Type", "text/html")},
	{"other contents", func(r *hubtest.Request) { send(r, bytes.Repeat([]byte("!"), len(r.Open()))) }},
	{"a bit wrong", func(r *hubtest.Request) { send(r, flipped(r.Open(), r.From)) }},
	{"a bit wrong and broken off", func(r *hubtest.Request) {
		data := flipped(r.Open(), r.From)
		r.W.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = r.W.Write(data[:len(data)-1])
		flush(r.W)
		abort()
	}},
	{"too short", func(r *hubtest.Request) { data := r.Open(); send(r, data[:max(len(data)-1, int(r.From))]) }},
	{"too long", func(r *hubtest.Request) { send(r, append(r.Open(), 0)) }},
	{"too short without a length", func(r *hubtest.Request) { flush(r.W); _, _ = r.W.Write(r.Open()[:1]) }},
	{"too long without a length", func(r *hubtest.Request) { flush(r.W); _, _ = r.W.Write(append(r.Open(), "more"...)) }},
	{"empty", func(r *hubtest.Request) { flush(r.W) }},
	{"compressed", status(200, "Content-Encoding", "gzip")},
	{"another range", func(r *hubtest.Request) {
		r.W.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", r.File.Size-1, r.File.Size))
		r.W.WriteHeader(http.StatusPartialContent)
	}},
	{"no range", func(r *hubtest.Request) { r.W.WriteHeader(http.StatusPartialContent) }},
	{"the range passed over", func(r *hubtest.Request) { r.From = 0; send(r, r.Open()) }},
	{"no answer", func(r *hubtest.Request) { hijack(r, "") }},
	{"no HTTP", func(r *hubtest.Request) { hijack(r, "SSH-2.0-OpenSSH\r\n") }},
	{"broken chunks", func(r *hubtest.Request) {
		hijack(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\nzz\r\n")
	}},
}

// TestPullSurvives: each fault, at the first request for a file and when a half of it
// is there, is got over within one call.
func TestPullSurvives(t *testing.T) {
	if len(faults) < 30 {
		t.Fatalf("%d faults", len(faults))
	}
	for _, f := range faults {
		for _, name := range []string{"model.safetensors", "config.json"} {
			t.Run(f.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				for _, resumed := range []bool{false, true} {
					w := newWorld(t)
					var requests atomic.Int32
					w.Fault = func(r *hubtest.Request) bool {
						if r.Name != name {
							return false
						}
						n := requests.Add(1)
						switch {
						case resumed && n == 1:
							half(r)
							abort()
						case !resumed && n == 1 || resumed && n == 2:
							f.fault(r)
							return true
						}
						return false
					}
					w.check(w.source.Get(context.Background(), model))
					if requests.Load() == 0 {
						t.Error("nothing was asked for")
					}
				}
			})
		}
	}
}

// TestPullSurvivesMany: thirty faults one after the other, on all files and the list.
func TestPullSurvivesMany(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			random := rand.New(rand.NewPCG(seed, 0))
			var mu sync.Mutex
			injected, inARow, wrong := 0, map[string]int{}, 0
			w.Fault = func(r *hubtest.Request) bool {
				mu.Lock()
				f := faults[random.IntN(len(faults))]
				if r.File == nil {
					f = faults[random.IntN(5)]
					f.fault = status(500)
				}
				for f.name == "the range passed over" { // that would give the whole file
					f = faults[random.IntN(len(faults))]
				}
				isWrong := strings.Contains(f.name, "wrong") || strings.Contains(f.name, "other contents")
				if injected == 30 || inARow[r.Name] == maxFailures-2 || isWrong && wrong == 2 {
					inARow[r.Name] = 0
					more := injected < 30
					mu.Unlock()
					if r.Name == "model.safetensors" && more {
						// Headway, but not to the end, so that there are requests enough.
						portion(r, 8)
						abort()
					}
					return false
				}
				if isWrong {
					wrong++
				}
				injected++
				inARow[r.Name]++
				mu.Unlock()
				f.fault(r)
				return true
			}
			var path string
			var err error
			for range 20 { // whoever gives up after as many failures goes on from there
				if path, err = w.source.Get(context.Background(), model); err == nil {
					break
				}
			}
			w.check(path, err)
			if injected != 30 {
				t.Errorf("%d faults were injected, want 30", injected)
			}
		})
	}
}

// TestPullList: faults of the list of files.
func TestPullList(t *testing.T) {
	for name, fault := range map[string]func(*hubtest.Request){
		"broken off": func(*hubtest.Request) { abort() },
		"silent":     func(r *hubtest.Request) { <-r.R.Context().Done() },
		"half":       func(r *hubtest.Request) { _, _ = r.W.Write([]byte(`{"sha": "01`)) },
		"a page":     status(200),
		"overloaded": status(503),
		"impatient":  status(429),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var requests atomic.Int32
			w.Fault = func(r *hubtest.Request) bool {
				if r.File != nil || requests.Add(1) > 2 {
					return false
				}
				fault(r)
				return true
			}
			w.check(w.source.Get(context.Background(), model))
		})
	}
}

// TestPullGivesUp: what does not pass ends the download, with its cause and what to do.
func TestPullGivesUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    func(*hubtest.Request)
		want     string
		requests int
	}{
		{"overloaded", status(500), "the hub says 500", maxFailures},
		{"forbidden", status(403), "the hub says 403", 1},
		{"gone", status(410), "the hub says 410", 1},
		{"silent", func(r *hubtest.Request) { <-r.R.Context().Done() }, "the hub sent nothing for", 0}, // a slow machine's own silence counts too
		{"wrong", func(r *hubtest.Request) { send(r, flipped(r.Open(), r.From)) }, "its hash is", maxWrong},
		{"a loop", func(r *hubtest.Request) { http.Redirect(r.W, r.R, r.R.URL.Path, http.StatusFound) }, "redirects", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if w.source.Silence = time.Minute; c.name == "silent" {
				w.source.Silence = 50 * time.Millisecond
			}
			w.Fault = func(r *hubtest.Request) bool {
				if r.Name == "model.safetensors" {
					c.fault(r)
				}
				return r.Name == "model.safetensors"
			}
			if _, err := w.source.Get(context.Background(), model); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "o/n: model.safetensors: ") {
				t.Errorf("%v, want %s", err, c.want)
			}
			if n := w.asked("model.safetensors"); c.requests > 0 && n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			if _, err := Find(w.source.Dir, model); !errors.Is(err, ErrNotCached) {
				t.Errorf("half a model is found: %v", err)
			}
		})
	}
}

// TestPullUnreachable: who has no network hears so at once.
func TestPullUnreachable(t *testing.T) {
	w := newWorld(t)
	w.server.Close()
	if _, err := w.source.Get(context.Background(), model); err == nil || !strings.Contains(err.Error(), "cannot be reached (HF_ENDPOINT") || len(w.notes) != 0 {
		t.Errorf("%v, %q", err, w.notes)
	}
}

// TestPullResumes: what an earlier download left is taken up, whatever it is.
func TestPullResumes(t *testing.T) {
	for _, c := range []struct {
		name    string
		partial func(weights []byte) []byte
		want    string // end of the first request for the file
	}{
		{"a half", func(w []byte) []byte { return w[:150_000] }, "model.safetensors bytes=150000-"},
		{"all", func(w []byte) []byte { return w }, ""},
		{"all and more", func(w []byte) []byte { return append(slices.Clone(w), 1, 2) }, "model.safetensors"},
		{"all, but wrong", func(w []byte) []byte { return flipped(w, 0) }, "model.safetensors"},
		{"a half, but wrong", func(w []byte) []byte { return flipped(w, 0)[:150_000] }, "model.safetensors bytes=150000-"},
		{"nothing", func([]byte) []byte { return nil }, "model.safetensors"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			path, err := w.source.Get(context.Background(), model)
			w.check(path, err)
			blob := w.blob("model.safetensors")
			if err := errors.Join(os.Remove(blob), os.WriteFile(blob+".incomplete", c.partial(w.weights), 0o600)); err != nil {
				t.Fatal(err)
			}
			if _, err := Find(w.source.Dir, model); !errors.Is(err, ErrNotCached) {
				t.Errorf("a model whose weights are gone is found: %v", err)
			}
			n := len(w.Requests())
			w.check(w.source.Get(context.Background(), model))
			var first string
			for _, r := range w.Requests()[n:] {
				if _, name, ok := strings.Cut(r, hubtest.Commit+"/"); ok && first == "" {
					first = name
				}
			}
			if first != c.want {
				t.Errorf("first request %q, want %q", first, c.want)
			}
		})
	}
}

// TestPullChecksCache: contents of the right size that are wrong are noticed, and
// downloaded anew.
func TestPullChecksCache(t *testing.T) {
	w := newWorld(t)
	path, err := w.source.Get(context.Background(), model)
	w.check(path, err)
	for _, name := range []string{"model.safetensors", "config.json"} {
		blob := w.blob(name)
		data, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(blob, flipped(data, 0), 0o600); err != nil {
			t.Fatal(err)
		}
		n := w.asked(name)
		w.check(w.source.Pull(context.Background(), model))
		if w.asked(name) != n+1 || !w.noted(name+": the cached file differs") {
			t.Errorf("%s: %d requests, notes %q", name, w.asked(name)-n, w.notes)
		}
	}
	// The blob alone is there, as another revision would have left it.
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	n := w.asked("")
	w.check(w.source.Pull(context.Background(), model))
	if w.asked("") != n {
		t.Errorf("%d requests for what is there", w.asked("")-n)
	}
}

func TestPullRevision(t *testing.T) {
	const old = "89abcdef0123456789abcdef0123456789abcdef"
	w := newWorld(t)
	w.Revisions = map[string]map[string]*hubtest.File{old: {
		"config.json": hubtest.Bytes([]byte(`{"old":1}`), false), "tokenizer.json": w.Files["tokenizer.json"], "model.safetensors": w.Files["model.safetensors"]}}
	w.Names = map[string]string{"v1.0": old, "refs/pr/3": old}
	ctx := context.Background()
	w.check(w.source.Get(ctx, model))
	snapshot := filepath.Join(w.source.Dir, "models--o--n", "snapshots", old)
	for _, revision := range []string{"v1.0", "refs/pr/3", old} {
		path, err := w.source.Get(ctx, Ref{Repo: "o/n", Revision: revision})
		if err != nil || path != snapshot {
			t.Fatalf("%s: %s, %v", revision, path, err)
		}
		if revision == old {
			continue
		}
		if commit, err := os.ReadFile(filepath.Join(w.source.Dir, "models--o--n", "refs", revision)); err != nil || string(commit) != old {
			t.Errorf("refs/%s: %s, %v", revision, commit, err)
		}
	}
	if n := w.asked("model.safetensors"); n != 1 {
		t.Errorf("the weights that both revisions share are downloaded %d times", n)
	}
	if got, err := os.ReadFile(filepath.Join(snapshot, "config.json")); err != nil || string(got) != `{"old":1}` {
		t.Errorf("%s, %v", got, err)
	}
	list, err := List(w.source.Dir)
	if err != nil || len(list) != 2 || list[0].Ref != model || list[1].Ref.String() != "o/n@refs/pr/3" || list[1].Commit != old {
		t.Errorf("%+v, %v", list, err)
	}

	// What goes with a revision, and what stays because the other one needs it.
	if n, err := Remove(w.source.Dir, Ref{Repo: "o/n", Revision: "v1.0"}); err != nil || n < 9 || n > 1000 {
		t.Errorf("removed %d bytes, %v", n, err)
	}
	w.check(w.source.Get(ctx, model))
	if list, err := List(w.source.Dir); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := Find(w.source.Dir, Ref{Repo: "o/n", Revision: "v1.0"}); !errors.Is(err, ErrNotCached) {
		t.Errorf("%v", err)
	}
}

// What stands where a blob's name is to be is replaced, and nothing is left beside it.
func TestLink(t *testing.T) {
	dir := t.TempDir()
	blob := filepath.Join(dir, "blobs", "new")
	for path, content := range map[string]string{blob: "new", filepath.Join(dir, "blobs", "old"): "old"} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(blob, filepath.Join(dir, "probe")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for name, before := range map[string]func(path string) error{
		"nothing":      func(string) error { return nil },
		"the same":     func(path string) error { return os.Symlink(filepath.Join("..", "blobs", "new"), path) },
		"another link": func(path string) error { return os.Symlink(filepath.Join("..", "blobs", "old"), path) },
		"a broken one": func(path string) error { return os.Symlink("nowhere", path) },
		"a file":       func(path string) error { return os.WriteFile(path, []byte("old"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "snapshot-"+strings.ReplaceAll(name, " ", "-"), "model")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := before(path); err != nil {
				t.Fatal(err)
			}
			if err := link(blob, path); err != nil {
				t.Fatal(err)
			}
			if target, err := os.Readlink(path); err != nil || target != filepath.Join("..", "blobs", "new") {
				t.Errorf("a link to %q, %v", target, err)
			}
			if content, err := os.ReadFile(path); err != nil || string(content) != "new" {
				t.Errorf("found %q, %v", content, err)
			}
			if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
				t.Errorf("%d names beside it, %v", len(list)-1, err)
			}
		})
	}
	// A folder stays, and so does the blob.
	path := filepath.Join(dir, "folder", "model")
	if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := link(blob, path); err == nil {
		t.Error("a folder was replaced")
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("%d names beside the folder, %v", len(list)-1, err)
	}
	if _, err := os.Stat(blob); err != nil {
		t.Error(err)
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.Files["m-Q8_0.gguf"], w.Files["m-F16.gguf"] = hubtest.Bytes([]byte("q8"), true), hubtest.Bytes([]byte("f16"), true)
	for _, file := range []string{"", "Q8_0", "F16"} {
		if _, err := w.source.Get(ctx, Ref{Repo: "o/n", File: file}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Remove(w.source.Dir, Ref{Repo: "o/n", File: "F16"}); err != nil || n != 3 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if list, err := List(w.source.Dir); err != nil || len(list) != 2 || list[1].Ref.File != "m-Q8_0.gguf" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := Remove(w.source.Dir, Ref{Repo: "o/n", File: "F16"}); !errors.Is(err, ErrNotCached) {
		t.Errorf("%v", err)
	}
	if n, err := Remove(w.source.Dir, model); err != nil || n < 300_018 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(w.source.Dir, "models--o--n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := Remove(w.source.Dir, model); !errors.Is(err, ErrNotCached) {
		t.Errorf("%v", err)
	}
	// The last file of a repository takes its folder along.
	if _, err := w.source.Get(ctx, Ref{Repo: "o/n", File: "Q8_0"}); err != nil {
		t.Fatal(err)
	}
	if n, err := Remove(w.source.Dir, Ref{Repo: "o/n", File: "Q8_0"}); err != nil || n < 2 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if _, err := os.Stat(filepath.Join(w.source.Dir, "models--o--n")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestPullBareMirror: a mirror that lists names only is asked for each file's size.
func TestPullBareMirror(t *testing.T) {
	w := newWorld(t)
	w.Bare = true
	w.check(w.source.Get(context.Background(), model))
	if !w.noted("reports no hashes: only the size of ") {
		t.Errorf("notes %q", w.notes)
	}
	// The linked tag of large files is a hash.
	blob := w.blob("model.safetensors")
	if err := os.WriteFile(blob, flipped(w.weights, 0), 0o600); err != nil {
		t.Fatal(err)
	}
	w.check(w.source.Pull(context.Background(), model))

	w = newWorld(t)
	w.Bare = true
	w.Fault = func(r *hubtest.Request) bool {
		if r.Name != "tokenizer.json" || r.R.Method == http.MethodHead {
			return false
		}
		_, _ = r.W.Write([]byte("{"))
		return true
	}
	if _, err := w.source.Get(context.Background(), model); err == nil || !strings.Contains(err.Error(), "tokenizer.json: ") || !strings.Contains(err.Error(), "expected 12") {
		t.Errorf("a file of another size: %v", err)
	}
}

// TestTokenStays: the token goes to the hub, and to no other port.
func TestTokenStays(t *testing.T) {
	w := newWorld(t)
	w.Token, w.source.Token = "secret", "secret"
	away := &hubtest.Hub{Files: w.Files}
	leaked := ""
	away.Fault = func(r *hubtest.Request) bool {
		leaked += r.R.Header.Get("Authorization")
		return false
	}
	other := httptest.NewServer(away)
	defer other.Close()
	w.Away = other.URL
	w.check(w.source.Get(context.Background(), model))
	if leaked != "" {
		t.Errorf("another port got %q", leaked)
	}
	if len(away.Requests()) != 1 {
		t.Errorf("requests %q", away.Requests())
	}
	// And back again: whoever is sent away and returns does not bear it either.
	other.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, w.server.URL+"/echo", http.StatusFound)
	})
	got := make(chan string, 1)
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/echo" {
			select {
			case got <- r.Header.Get("Authorization"):
			default:
			}
			rw.WriteHeader(http.StatusGone)
			return
		}
		w.Hub.ServeHTTP(rw, r)
	})
	w.source.Dir = t.TempDir()
	if _, err := w.source.Get(context.Background(), model); err == nil || !strings.Contains(err.Error(), "410") {
		t.Errorf("%v", err)
	}
	if token := <-got; token != "" {
		t.Errorf("it came back with %q", token)
	}
}

func TestRedirect(t *testing.T) {
	at := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, c := range []struct {
		hub, to string
		token   bool
		refused bool
	}{
		{"https://hub.co", "https://hub.co/x", true, false},
		{"https://hub.co", "https://HUB.co:443/x", true, false},
		{"https://hub.co", "https://hub.co:8443/x", false, false},
		{"https://hub.co", "https://cdn.hub.co/x", false, false},
		{"https://hub.co", "http://hub.co/x", false, true},
		{"http://hub.co", "https://hub.co/x", false, false},
		{"http://127.0.0.1:80", "http://127.0.0.1/x", true, false},
		{"http://127.0.0.1:8000", "http://127.0.0.1:8001/x", false, false},
		{"https://hub.co", "ftp://hub.co/x", false, true},
	} {
		client := client{endpoint: at(c.hub)}
		r := &http.Request{Method: http.MethodGet, URL: at(c.to), Header: http.Header{"Authorization": {"Bearer t"}}}
		err := client.redirect(r, []*http.Request{{URL: at(c.hub)}})
		if (err != nil) != c.refused || err == nil && (r.Header.Get("Authorization") != "") != c.token {
			t.Errorf("%s → %s: %v, token %q", c.hub, c.to, err, r.Header.Get("Authorization"))
		}
	}
}

// child is another process that pulls from the hub.
func (w *world) child() *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "WINNOW_TEST_PULL="+w.source.Dir, "HF_ENDPOINT="+w.server.URL)
	return c
}

// TestPullTwoProcesses: of processes that pull the same at once, one downloads and
// the others wait for it.
func TestPullTwoProcesses(t *testing.T) {
	w := newWorld(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.Set(func() { // since nothing else orders this before what another process asks
		w.Fault = func(r *hubtest.Request) bool {
			if r.Name != "model.safetensors" {
				return false
			}
			once.Do(func() { close(begun) })
			<-goOn
			return false
		}
	})
	var children []*exec.Cmd
	outputs := make([]bytes.Buffer, 3)
	for i := range outputs {
		c := w.child()
		c.Stdout, c.Stderr = &outputs[i], &outputs[i]
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, c)
	}
	<-begun
	close(goOn)
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, outputs[i].String())
		}
	}
	w.check(Find(w.source.Dir, model))
	if n := w.asked("model.safetensors"); n != 1 {
		t.Errorf("the weights were asked for %d times", n)
	}
}

// TestPullAfterKill: what a process had when it was killed is not downloaded again.
func TestPullAfterKill(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{})
	var once sync.Once
	w.Set(func() { // since nothing else orders this before what another process asks
		w.Fault = func(r *hubtest.Request) bool {
			if r.Name != "model.safetensors" || r.From > 0 {
				return false
			}
			half(r)
			once.Do(func() { close(begun) })
			<-r.R.Context().Done()
			return true
		}
	})
	c := w.child()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	blobs := filepath.Join(w.source.Dir, "models--o--n", "blobs")
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if files, _ := filepath.Glob(filepath.Join(blobs, "*.incomplete")); len(files) == 1 {
			if info, err := os.Stat(files[0]); err == nil && info.Size() == 150_000 {
				break
			}
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	w.check(w.source.Get(context.Background(), model))
	if r := w.Requests(); !slices.ContainsFunc(r, func(s string) bool { return strings.HasSuffix(s, "model.safetensors bytes=150000-") }) {
		t.Errorf("requests %q", r)
	}
}

// TestPullCancelled: a user who stops waits for nothing.
func TestPullCancelled(t *testing.T) {
	w := newWorld(t)
	w.source.Silence = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	w.Fault = func(r *hubtest.Request) bool {
		if r.Name == "model.safetensors" {
			half(r)
			cancel()
			<-r.R.Context().Done()
		}
		return r.Name == "model.safetensors"
	}
	if _, err := w.source.Get(ctx, model); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
