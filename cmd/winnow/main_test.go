package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// runWith runs a command with an empty environment.
func runWith(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	env := &environment{t.Context(), strings.NewReader(stdin), &out, &err, func(string) string { return "" }}
	status = runIn(env, args)
	return status, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"--help"}, 0, ""},
		{nil, 0, ""},
		{[]string{"rank", "--help"}, 0, ""},
		{[]string{"version"}, 0, ""},
		{[]string{"serve", "--version"}, 0, ""},
		{[]string{"bogus"}, 2, "winnow: unexpected argument bogus\n"},
		{[]string{"rank"}, 2, "winnow: expected \"<query>\"\n"},
		{[]string{"rank", "--nope", "q"}, 2, "winnow: unknown flag --nope\n"},
		{[]string{"rank", "--precision", "f64", "q", "d"}, 2, "winnow: --precision must be one of \"auto\",\"f32\",\"f16\",\"int8\",\"int8a16\",\"int16a8\" but got \"f64\"\n"},
		{[]string{"rank", "--top-n=-1", "q", "d"}, 2, "winnow: --top-n is -1: expected a number of at least 0\n"},
		{[]string{"rank", "--threads=-1", "q", "d"}, 2, "winnow: --threads is -1: expected a number of at least 0\n"},
		{[]string{"rank", "q"}, 2, "winnow: no documents\n"},
		{[]string{"rank", "q", "d", "--file", "x"}, 2, "winnow: documents given both as arguments and with --file\n"},
		{[]string{"rank", "q", "--file", "/does/not/exist"}, 1, "winnow: open /does/not/exist: no such file or directory\n"},
		{[]string{"rank", "-m", "/does/not/exist.gguf", "q", "d"}, 1, "winnow: model /does/not/exist.gguf: no such file or directory\n"},
		{[]string{"serve", "--modle", "x"}, 2, "winnow: unknown flag --modle; did you mean --model?\n"},
		{[]string{"serve", "--port", "70000"}, 2, "winnow: --port is 70000: expected a number from 0 to 65535\n"},
		{[]string{"serve", "--pooling", "best"}, 2, "winnow: --pooling is \"best\": expected none, mean, cls, last or rank\n"},
		{[]string{"serve", "--ssl-key-file", "x"}, 2, "winnow: --ssl-key-file and --ssl-cert-file must be given together\n"},
		{[]string{"serve", "--hf-file", "x"}, 2, "winnow: --hf-file needs --hf-repo\n"},
		{[]string{"serve", "--api-prefix", "api/"}, 2, "winnow: --api-prefix is \"api/\": expected a path such as /api\n"},
		{[]string{"pull", "what"}, 2, "winnow: \"what\": expected a model such as BAAI/bge-reranker-v2-m3 or ORG/NAME:Q8_0\n"},
	} {
		status, stdout, stderr := runWith(t, "", c.args...)
		if status != c.status || stderr != c.stderr {
			t.Errorf("%q: status %d, want %d; stderr %q, want %q", c.args, status, c.status, stderr, c.stderr)
		}
		if (stdout != "") != (status == 0) {
			t.Errorf("%q: status %d and stdout %q", c.args, status, stdout)
		}
	}
	for name, want := range map[string]bool{"llama-server": true, "/opt/llama-server": true, `llama-server.exe`: true, "LLAMA-SERVER.EXE": true, "winnow": false, "llama-server2": false} {
		if got := isLlamaServer(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestVersion(t *testing.T) {
	_, out, _ := runWith(t, "", "version")
	if !regexp.MustCompile(`^winnow \S+\ncommit   .+\ngo       go1\.\d+\S* \w+/\w+\ncpu      .*\d+ cores, \d+ threads\nfeatures .+\nkernels  \w+ \(of portable.*\)\n$`).MatchString(out) {
		t.Errorf("version:\n%s", out)
	}
	if _, out, _ := runWith(t, "", "version", "--rungs"); !strings.HasPrefix(out, "portable\n") {
		t.Errorf("rungs:\n%s", out)
	}
}

func TestBar(t *testing.T) {
	for x, want := range map[float64]string{0: "", 1: strings.Repeat("█", 20), 0.5: strings.Repeat("█", 10), 0.00625: "▏", 0.04375: "▉", -1: "", 2: strings.Repeat("█", 20)} {
		got := bar(x)
		if strings.TrimRight(got, " ") != want || len([]rune(got)) != 20 {
			t.Errorf("%v: %q", x, got)
		}
	}
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{{"short", 10, "short"}, {"exactly ten", 11, "exactly ten"}, {"more than ten", 10, "more than…"}, {"深度学习是机器学习", 11, "深度学习是…"}, {"ab", 1, "ab"}} {
		if got := clip(c.text, c.width); got != c.want {
			t.Errorf("%s in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

var example = []string{"What is deep learning?",
	"Deep learning is a subset of machine learning based on artificial neural networks.",
	"Apples are red and sweet fruits that grow on trees.",
	"The theory of relativity was developed by Albert Einstein.",
	"Neural networks simulate the human brain to solve complex problems."}

func realModel(t *testing.T) string {
	return filepath.Join(testenv.Models(t), "ms-marco-MiniLM-L12-v2")
}

// exampleLogits are the reference's for the example.
func exampleLogits(t *testing.T) []float64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(realModel(t), "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all any
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	var logits []float64
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if l, ok := v["logits"].([]any); ok && logits == nil {
				for _, x := range l {
					logits = append(logits, x.(float64))
				}
			}
			for _, key := range []string{"queries", "cases"} {
				walk(v[key])
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(all)
	if len(logits) < 4 {
		t.Fatal("no logits in reference.json")
	}
	return logits[:4]
}

type reply struct {
	Model   string
	Results []struct {
		Index    int
		Score    float64 `json:"relevance_score"`
		Document struct{ Text string }
	}
	Usage struct {
		Total int `json:"total_tokens"`
	}
	Meta struct{ Activation string }
}

func TestRank(t *testing.T) {
	model := realModel(t)
	want := exampleLogits(t)
	args := append([]string{"rank", "-m", model, "--precision", "f32"}, example...)

	status, out, stderr := runWith(t, "", args...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "1  ████████████████████  0.99997  Deep learning is") || strings.Contains(out, "\x1b") {
		t.Errorf("table:\n%s", out)
	}

	for _, raw := range []bool{false, true} {
		args := append(args[:len(args):len(args)], "--json")
		if raw {
			args = append(args, "--raw-scores")
		}
		_, out, _ := runWith(t, "", args...)
		var r reply
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if r.Model != "ms-marco-MiniLM-L12-v2" || r.Usage.Total == 0 || len(r.Results) != 4 || r.Meta.Activation != map[bool]string{false: "sigmoid", true: "none"}[raw] {
			t.Errorf("reply %+v", r)
		}
		for _, x := range r.Results {
			expect := want[x.Index]
			if !raw {
				expect = 1 / (1 + math.Exp(-expect))
			}
			if math.Abs(x.Score-expect) > 1e-4*(1+math.Abs(expect)) || x.Document.Text != example[1+x.Index] {
				t.Errorf("document %d: score %v, want %v", x.Index, x.Score, expect)
			}
		}
	}

	status, out, _ = runWith(t, strings.Join(example[1:], "\n"), "rank", "-m", model, "--tsv", "-n", "2", example[0])
	if status != 0 || !regexp.MustCompile(`^0\t0\.9999\d*\tDeep learning is .*\n3\t\d\S*\tNeural networks .*\n$`).MatchString(out) {
		t.Errorf("tsv: status %d\n%s", status, out)
	}
}

func TestTokenizeAndInspect(t *testing.T) {
	model := realModel(t)
	if _, out, _ := runWith(t, "", "tokenize", "-m", model, "Hello world", "second"); out !=
		"id    type  piece\n101   0     [CLS]\n7592  0     hello\n2088  0     world\n102   0     [SEP]\n2117  1     second\n102   1     [SEP]\n" {
		t.Errorf("tokens:\n%s", out)
	}
	if _, out, _ := runWith(t, "", "tokenize", "-m", model, "--json", "--bare", "Hello"); out != "{\"tokens\":[{\"id\":7592,\"type\":0,\"piece\":\"hello\"}]}\n" {
		t.Errorf("tokens: %s", out)
	}
	status, out, _ := runWith(t, "", "inspect", model, "--tensors")
	for _, want := range []string{"architecture  BertForSequenceClassification", "12, hidden size 384, 12 heads", "WordPiece, 30522 tokens", "max length    512 tokens", "classifier.weight"} {
		if !strings.Contains(out, want) {
			t.Errorf("status %d: no %q in\n%s", status, want, out)
		}
	}
	var info struct {
		Layers    int `json:"layers"`
		MaxLength int `json:"max_length"`
	}
	_, out, _ = runWith(t, "", "inspect", "-m", model, "--json", "--max-length", "128")
	if err := json.Unmarshal([]byte(out), &info); err != nil || info.Layers != 12 || info.MaxLength != 128 {
		t.Errorf("%+v, %v", info, err)
	}
	if status, _, _ := runWith(t, "", "inspect", "-m", model, model); status != statusUsage {
		t.Errorf("two models: status %d", status)
	}
}

// A watched buffer tells of a line in what is written.
type watched struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// startServe runs serve until the test ends and gives the address that it
// listens on.
func startServe(t *testing.T, getenv func(string) string, args ...string) (address string, log *watched, stop func() int) {
	t.Helper()
	log = new(watched)
	ctx, cancel := context.WithCancel(context.Background())
	env := &environment{ctx, strings.NewReader(""), io.Discard, log, getenv}
	done := make(chan int, 1)
	go func() { done <- runIn(env, append([]string{"serve", "--port", "0"}, args...)) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { stop() })
	pattern := regexp.MustCompile(`msg=listening url=https?://(\S+)`)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if m := pattern.FindStringSubmatch(log.String()); m != nil {
			return m[1], log, stop
		}
	}
	t.Fatalf("serve does not listen: %s", log)
	return "", nil, nil
}

func noEnv(string) string { return "" }

func waitHealth(t *testing.T, c *http.Client, url string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if r, err := c.Get(url + "/health"); err == nil {
			_ = r.Body.Close()
			if r.StatusCode == 200 {
				return
			}
		}
	}
	t.Fatal("no health")
}

// TestServe4D is what the 4D component and AI Kit do.
func TestServe4D(t *testing.T) {
	want := exampleLogits(t)
	address, log, stop := startServe(t, noEnv, "--model", realModel(t), "--pooling", "rank", "--reranking", "--n-gpu-layers", "-1", "--precision", "f32", "-ngl", "99")
	url := "http://" + address
	waitHealth(t, http.DefaultClient, url)
	body, _ := json.Marshal(map[string]any{"model": "default", "query": example[0], "documents": example[1:], "top_n": 3, "return_documents": true})
	r, err := http.Post(url+"/v1/rerank", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var got reply
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.StatusCode != 200 {
		t.Fatalf("status %d, %v", r.StatusCode, err)
	}
	if len(got.Results) != 3 || got.Results[0].Index != 0 || got.Results[1].Index != 3 {
		t.Errorf("%+v", got)
	}
	for _, x := range got.Results {
		if expect := 1 / (1 + math.Exp(-want[x.Index])); math.Abs(x.Score-expect) > 1e-4 || x.Document.Text != example[1+x.Index] {
			t.Errorf("%+v, want %v", x, expect)
		}
	}
	if n := strings.Count(log.String(), `level=WARN msg="flag has no effect" flag=--gpu-layers`); n != 1 {
		t.Errorf("--gpu-layers is spoken of %d times:\n%s", n, log)
	}
	if status := stop(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// TestTruncation: a document that is too long is cut alone; one side or the
// other; or refused. Each cut document scores as its text cut by hand does.
func TestTruncation(t *testing.T) {
	address, _, _ := startServe(t, noEnv, "-m", realModel(t), "--max-length", "32")
	url := "http://" + address
	waitHealth(t, http.DefaultClient, url)
	ask := func(path string, request map[string]any) (int, string) {
		body, _ := json.Marshal(request)
		r, err := http.Post(url+path, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(b)
	}
	var words []string
	for i := range 60 {
		words = append(words, fmt.Sprintf("%c", 'a'+i%26))
	}
	long := strings.Join(words, " ")
	cut := func(n int) string { return strings.Join(words[:n], " ") }
	score := func(documents ...string) []float64 {
		t.Helper()
		status, body := ask("/v1/score", map[string]any{"text_1": "what is it", "text_2": documents})
		var r struct{ Data []struct{ Score float64 } }
		if err := json.Unmarshal([]byte(body), &r); err != nil || status != 200 {
			t.Fatalf("status %d: %s", status, body)
		}
		var list []float64
		for _, d := range r.Data {
			list = append(list, d.Score)
		}
		return list
	}
	// 32 tokens less 3 of the query and 3 special ones.
	alone := score(cut(26), cut(10), strings.Join(words[34:], " "))
	together := score("short", long, cut(10))
	if together[1] != alone[0] || together[2] != alone[1] {
		t.Errorf("cut: %v, by hand %v", together, alone)
	}
	if status, body := ask("/v1/rerank", map[string]any{"query": "what is it", "documents": []string{"x", long}, "truncate": false}); status != 400 || !strings.Contains(body, "documents[1] has 66 tokens with the query; at most 32 are accepted") {
		t.Errorf("status %d: %s", status, body)
	}
	var r reply
	_, body := ask("/v1/rerank", map[string]any{"query": "what is it", "documents": []string{long}, "max_tokens_per_doc": 10})
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Results[0].Score != alone[1] || r.Usage.Total != 16 || !strings.Contains(body, `"truncated":1`) {
		t.Errorf("10 tokens: %s, by hand %v", body, alone[1])
	}
	var tei []struct{ Score float64 }
	_, body = ask("/rerank", map[string]any{"query": "what is it", "texts": []string{long}, "truncation_direction": "left"})
	if err := json.Unmarshal([]byte(body), &tei); err != nil || tei[0].Score != alone[2] {
		t.Errorf("from the left: %s, by hand %v", body, alone[2])
	}
}

func TestServeTLSAndKeys(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	certFile, keyFile := file("cert.pem", cert), file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))
	keys := file("keys", []byte("# who may\nfrom-file\n\n"))
	model := realModel(t)
	logFile := filepath.Join(dir, "log")
	address, _, stop := startServe(t, func(name string) string {
		return map[string]string{"LLAMA_ARG_SSL_CERT_FILE": certFile, "LLAMA_API_KEY": "from-env,other"}[name]
	}, "-m", "small="+model, "-m", model, "-a", "zeta,alpha", "--tags", "t", "--ssl-key-file", keyFile, "--api-key-file", keys, "--metrics", "--slots", "-np", "3", "--host", "127.0.0.1")
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	defer c.CloseIdleConnections()
	url := "https://" + address
	waitHealth(t, c, url)
	get := func(path, key string) (int, string) {
		r, _ := http.NewRequest("GET", url+path, nil)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		b, _ := io.ReadAll(w.Body)
		return w.StatusCode, string(b)
	}
	for key, want := range map[string]int{"": 401, "from-env": 200, "other": 200, "from-file": 200, "# who may": 401} {
		if status, _ := get("/v1/models", key); status != want {
			t.Errorf("key %q: status %d, want %d", key, status, want)
		}
	}
	_, body := get("/v1/models", "other")
	for _, want := range []string{`"id":"alpha","aliases":["alpha","small","zeta"],"tags":["t"]`, `"id":"ms-marco-MiniLM-L12-v2","aliases":[]`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if status, body := get("/slots", "other"); status != 200 || strings.Count(body, `"id"`) != 3 {
		t.Errorf("slots: status %d, %s", status, body)
	}
	if status, _ := get("/metrics", "other"); status != 200 {
		t.Errorf("metrics: status %d", status)
	}
	if status := stop(); status != 0 {
		t.Errorf("status %d", status)
	}

	// What cannot be served is said, on the log that is asked for.
	empty := file("empty", []byte("# none\n"))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--port", "0", "--api-key-file", empty, "-m", model}, "no keys"},
		{[]string{"serve", "--port", "0", "-m", filepath.Join(dir, "none.gguf")}, "no such file"},
		{[]string{"serve", "--port", "0", "--models-dir", dir}, "no models"},
		{[]string{"serve", "--port", "0", "--log-file", logFile, "-m", filepath.Join(dir, "none.gguf")}, "no such file"},
		{[]string{"serve", "--port", "0", "-m", model, "--ssl-key-file", empty, "--ssl-cert-file", empty}, "PEM"},
	} {
		if status, _, stderr := runWith(t, "", c.args...); status != statusFailed || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
	if data, err := os.ReadFile(logFile); err != nil || !strings.Contains(string(data), "model failed to load") {
		t.Errorf("log file: %s, %v", data, err)
	}
}
