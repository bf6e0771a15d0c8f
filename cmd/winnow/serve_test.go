package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

const toyModel = "../../testdata/bert-minilm"

// toy is the path of a small model, for processes that run elsewhere.
func toy(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(toyModel)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// waitLog waits until the process has said so.
func (p *process) waitLog(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.log.String(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the log has no %q: %s", text, p.log)
		}
	}
}

// TestServeRefuses: what would serve otherwise than was meant, or hang, is a mistake in the
// call.
func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		pipe = filepath.Join(dir, "file") // where there are no pipes among files
		if err := os.WriteFile(pipe, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--api-key", ""}, "--api-key is empty"},
		{[]string{"--api-key", " , "}, "--api-key is empty"},
		{[]string{"--path", pipe}, "expected a directory"},
		{[]string{"--threads", "100000"}, "--threads is 100000"},
		{[]string{"--shutdown-timeout", "-1"}, "--shutdown-timeout is -1"},
	} {
		args := append([]string{"serve", "--port", "0", "-m", toyModel}, c.args...)
		if status, _, stderr := runWith(t, "", args...); status != statusUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
}

// TestServeHosts: listening on this machine's own addresses, the server is asked by this
// machine's own names only; listening elsewhere without a key, it warns.
func TestServeHosts(t *testing.T) {
	ask := func(address, host string) int {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+address+"/v1/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		return w.StatusCode
	}
	const warning = "anyone who can reach this machine"
	address, log, _ := startServe(t, noEnv, "-m", toyModel, "--host", "127.0.0.1")
	waitHealth(t, http.DefaultClient, "http://"+address)
	if a, b := ask(address, "localhost:1"), ask(address, "evil.com"); a != 200 || b != 403 {
		t.Errorf("localhost has status %d, another name %d", a, b)
	}
	if strings.Contains(log.String(), warning) {
		t.Errorf("a warning: %s", log)
	}
	address, _, _ = startServe(t, noEnv, "-m", toyModel, "--allowed-hosts", "127.0.0.1,search.example")
	waitHealth(t, http.DefaultClient, "http://"+address)
	if a, b := ask(address, "search.example"), ask(address, "localhost"); a != 200 || b != 403 {
		t.Errorf("an allowed name has status %d, another %d", a, b)
	}
	address, log, _ = startServe(t, noEnv, "-m", toyModel, "--host", "0.0.0.0")
	_, port, _ := net.SplitHostPort(address)
	waitHealth(t, http.DefaultClient, "http://127.0.0.1:"+port)
	if got := ask("127.0.0.1:"+port, "any.name"); got != 200 || !strings.Contains(log.String(), warning) {
		t.Errorf("on all addresses: status %d; %s", got, log)
	}
	_, log, _ = startServe(t, noEnv, "-m", toyModel, "--host", "0.0.0.0", "--api-key", "k")
	if strings.Contains(log.String(), warning) {
		t.Errorf("a warning in spite of a key: %s", log)
	}
}

// TestSignals: SIGHUP loads the models once more, and a second SIGTERM ends a server that
// still waits for a client.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals")
	}
	port := freePort(t)
	p := startProcess(t, t.TempDir(), "winnow", port, "serve", "-m", toy(t))
	waitHealth(t, http.DefaultClient, p.url)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitLog(t, "model loaded again")
	if _, _, err := p.ask(newClient(), 1, 2); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // until the request is under way, or it would not be waited for
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.ends:
		t.Fatalf("the first signal ended it at once: %v: %s", err, p.log)
	case <-time.After(300 * time.Millisecond):
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ends:
	case <-time.After(20 * time.Second):
		t.Errorf("the second signal does not end it: %s", p.log)
	}
}

// TestReaderOfTheLogGoes: a parent that closes its end of the log's pipe does not end the
// server by that.
func TestReaderOfTheLogGoes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGPIPE")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	c := exec.Command(self, "serve", "-m", toy(t), "--port", fmt.Sprint(port))
	c.Env = append(os.Environ(), asCommand+"=1")
	c.Stdout, c.Stderr = w, w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	p := &process{Cmd: c, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
	waitHealth(t, http.DefaultClient, p.url)
	_, _ = r.Close(), w.Close()
	for i := range 3 {
		if _, _, err := p.ask(newClient(), i, 1); err != nil {
			t.Fatalf("request %d after the log's reader has gone: %v", i, err)
		}
	}
}

// TestSamplingFlags: llama-server's sampling flags are the defaults of requests.
func TestSamplingFlags(t *testing.T) {
	address, _, _ := startServe(t, func(name string) string {
		return map[string]string{"LLAMA_ARG_TOP_K": "7", "LLAMA_ARG_TEMPERATURE": "0.25"}[name]
	}, "-m", "../../testdata/qwen2-mxbai2", "-n", "2", "--seed", "5", "--top-p", "0.5", "--min-p", "0.125", "--ignore-eos")
	waitHealth(t, http.DefaultClient, "http://"+address)
	r, err := http.Post("http://"+address+"/completion", "application/json", strings.NewReader(`{"prompt":"a","response_fields":["tokens_predicted","generation_settings"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var reply struct {
		Predicted int `json:"tokens_predicted"`
		Settings  struct {
			Seed        int
			Temperature float64
			TopK        int     `json:"top_k"`
			TopP        float64 `json:"top_p"`
			MinP        float64 `json:"min_p"`
			IgnoreEOS   bool    `json:"ignore_eos"`
		} `json:"generation_settings"`
	}
	if err := json.NewDecoder(r.Body).Decode(&reply); err != nil {
		t.Fatal(err)
	}
	s := reply.Settings
	if reply.Predicted != 2 || s.Seed != 5 || s.Temperature != 0.25 || s.TopK != 7 || s.TopP != 0.5 || s.MinP != 0.125 || !s.IgnoreEOS {
		t.Errorf("%+v", reply)
	}
	for _, args := range [][]string{{"--temp", "-1"}, {"--top-p", "2"}, {"--min-p", "NaN"}, {"--seed", "-2"}, {"-n", "-2"}} {
		if status, _, stderr := runWith(t, "", append([]string{"serve", "--port", "0", "-m", toyModel}, args...)...); status != statusUsage {
			t.Errorf("%q: status %d: %s", args, status, stderr)
		}
	}
}

// TestChatTemplateFlags: a template of the command line is what conversations are rendered
// with.
func TestChatTemplateFlags(t *testing.T) {
	const source = `{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}`
	file := filepath.Join(t.TempDir(), "chat.jinja")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags  []string
		status int
		want   string
	}{
		{[]string{"--chat-template", source}, 200, `{"prompt":"[user] a"}`},
		{[]string{"--chat-template-file", file}, 200, `{"prompt":"[user] a"}`},
		{[]string{"--chat-template", "chatml"}, 501, "no chat template"},
	} {
		address, _, _ := startServe(t, func(string) string { return "" }, append([]string{"-m", "../../testdata/qwen2-mxbai2"}, c.flags...)...)
		waitHealth(t, http.DefaultClient, "http://"+address)
		r, err := http.Post("http://"+address+"/apply-template", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"a"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || r.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%q: status %d: %s, %v", c.flags, r.StatusCode, body, err)
		}
	}
	if status, _, stderr := runWith(t, "", "serve", "--port", "0", "-m", toyModel, "--chat-template-file", "absent.jinja"); status != 1 || !strings.Contains(stderr, "absent.jinja") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
