package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/models"
)

// asCommand makes the test binary the command itself, so that tests can start it,
// and end it, as a process of its own.
const asCommand = "WINNOW_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A process is the command, started with a home, a cache and a temporary folder
// that are empty.
type process struct {
	*exec.Cmd
	log  *watched
	ends chan error
	url  string
}

// startProcess starts the command on a port; name is what it is called by.
func startProcess(t *testing.T, home, name string, port int, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Args = append([]string{name}, args...)
	c.Args = append(c.Args, "--port", fmt.Sprint(port))
	c.Dir = home
	c.Env = append(os.Environ(), asCommand+"=1")
	for _, v := range []string{"HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "HF_HOME", "TMPDIR", "TMP", "TEMP"} {
		c.Env = append(c.Env, v+"="+home)
	}
	p := &process{Cmd: c, log: new(watched), ends: make(chan error, 1), url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	c.Stdout, c.Stderr = p.log, p.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	go func() { p.ends <- c.Wait() }()
	return p
}

// kill ends the process as a parent does that has no time.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ends; err == nil {
		t.Errorf("a process that was killed ends well: %s", p.log)
	}
}

// ask ranks n documents of many words. answered says that a reply came, whole or not.
func (p *process) ask(client *http.Client, seed, n int) (scores []float64, answered bool, err error) {
	documents := make([]string, n)
	for i := range documents {
		documents[i] = fmt.Sprintf("%d %d ", seed, i) + strings.Repeat("deep learning of the brain and red apples ", 8)
	}
	body, err := json.Marshal(map[string]any{"query": "what is deep learning", "documents": documents})
	if err != nil {
		return nil, false, err
	}
	r, err := client.Post(p.url+"/v1/rerank", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = r.Body.Close() }()
	var got reply
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.StatusCode != 200 || len(got.Results) != n {
		return nil, true, fmt.Errorf("status %d, %d results of %d, %w", r.StatusCode, len(got.Results), n, err)
	}
	scores = make([]float64, n)
	for _, x := range got.Results {
		scores[x.Index] = x.Score
	}
	return scores, true, nil
}

// waitRunning waits until so many requests are being answered.
func (p *process) waitRunning(t *testing.T, n int) {
	t.Helper()
	want := fmt.Sprintf("winnow_requests_running %d\n", n+1) // with the one that asks
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r, err := http.Get(p.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err == nil && strings.Contains(string(page), want) {
			return
		}
	}
	t.Fatalf("there were never %d requests under way", n)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// checkEmpty: nothing was left in the folder.
func checkEmpty(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(name string, _ fs.DirEntry, err error) error {
		if name != home && err == nil {
			t.Errorf("%s was left", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// newClient is a client whose requests each have a connection of their own.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// TestTerminate: a server that is asked to end under load answers all that it has
// accepted, ends with status 0 and frees its port.
func TestTerminate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM: a process there is killed, which TestKill tests")
	}
	if models.Default() == nil {
		t.Skip("no model is built in, and the toys in testdata are too fast to be under load")
	}
	home, port := t.TempDir(), freePort(t)
	p := startProcess(t, home, "winnow", port, "serve", "--metrics", "--cache-size", "0")
	waitHealth(t, http.DefaultClient, p.url)
	const accepted = 16
	var all sync.WaitGroup
	for i := range accepted {
		all.Go(func() {
			if _, _, err := p.ask(newClient(), i, 12); err != nil {
				t.Errorf("a request that had been accepted: %v", err)
			}
		})
	}
	p.waitRunning(t, accepted)
	// More come meanwhile: each is answered wholly or not taken at all.
	var more, late atomic.Int64
	quit := make(chan struct{})
	for i := range 4 {
		all.Go(func() {
			for seed := accepted + i; ; seed += 4 {
				select {
				case <-quit:
					return
				default:
				}
				_, answered, err := p.ask(newClient(), seed, 1)
				switch {
				case err == nil:
					more.Add(1)
				case answered:
					t.Errorf("a request beside the signal: %v", err)
				default:
					late.Add(1)
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for end := time.Now().Add(20 * time.Second); more.Load() < 4; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d short requests are answered beside the others: %s", more.Load(), p.log)
		}
	}
	start := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ends; err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
	took := time.Since(start)
	close(quit)
	all.Wait()
	t.Logf("%d and %d requests were answered, %d not taken; ended after %v", accepted, more.Load(), late.Load(), took.Round(time.Millisecond))
	if n := strings.Count(p.log.String(), "path=/v1/rerank status=200"); int64(n) != accepted+more.Load() {
		t.Errorf("the log has %d answers, clients had %d", n, accepted+more.Load())
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Errorf("the port is not free: %v", err)
	} else {
		_ = l.Close()
	}
	checkEmpty(t, home)

	// While it is loading as well.
	p = startProcess(t, home, "winnow", port, "serve")
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.log.String(), "msg=listening"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("serve does not listen: %s", p.log)
		}
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-p.ends; err != nil {
		t.Errorf("while loading: %v: %s", err, p.log)
	}
	checkEmpty(t, home)
}

// TestKill: a server by the name of llama-server that is killed, at whatever moment,
// leaves nothing behind, and another serves on its port at once.
func TestKill(t *testing.T) {
	home, port := t.TempDir(), freePort(t)
	// What the 4D component gives, but for --log-disable, so that a failure can be read.
	args := []string{"--pooling", "rank", "--reranking", "--n-gpu-layers", "-1", "--metrics", "--cache-size", "0"}
	if models.Default() == nil {
		model, err := filepath.Abs("../../testdata/bert-minilm")
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "--model", model)
	}
	moments := []time.Duration{0, 10 * time.Millisecond, 50 * time.Millisecond}
	if os.Getenv("WINNOW_SOAK") != "" {
		for range 50 {
			moments = append(moments, rand.N(2*time.Second))
		}
	}
	var back []time.Duration // from the start behind a kill until it serves
	for _, after := range moments {
		p := startProcess(t, home, "llama-server", port, args...)
		time.Sleep(after)
		p.kill(t)
		checkEmpty(t, home)
		if len(moments) > 50 {
			start := time.Now()
			p = startProcess(t, home, "llama-server", port, args...)
			waitHealth(t, http.DefaultClient, p.url)
			back = append(back, time.Since(start))
			p.kill(t)
		}
	}
	if len(back) > 0 {
		slices.Sort(back)
		t.Logf("killed at %d moments: served again after %v, at most %v", len(back), back[len(back)/2].Round(time.Millisecond), back[len(back)-1].Round(time.Millisecond))
	}
	p := startProcess(t, home, "llama-server", port, args...)
	waitHealth(t, http.DefaultClient, p.url)
	before, _, err := p.ask(newClient(), 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var cut atomic.Int64
	for i := range 16 {
		all.Go(func() {
			if _, _, err := p.ask(newClient(), i, 100); err != nil {
				cut.Add(1)
			}
		})
	}
	if models.Default() != nil {
		p.waitRunning(t, 16)
	}
	p.kill(t)
	all.Wait()
	checkEmpty(t, home)

	start := time.Now()
	p = startProcess(t, home, "llama-server", port, args...)
	waitHealth(t, http.DefaultClient, p.url)
	after, _, err := p.ask(newClient(), 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("killed with %d requests under way; the next served %v after its start", cut.Load(), time.Since(start).Round(time.Millisecond))
	for i := range after {
		if after[i] != before[i] {
			t.Errorf("document %d: score %v, before %v", i, after[i], before[i])
		}
	}
	p.kill(t)
	checkEmpty(t, home)
}
