package main

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPullAndList: a model is downloaded once, listed, and ranks by its name with
// no hub at hand.
func TestPullAndList(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	dir := filepath.Join("..", "..", "testdata", "bert-minilm")
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "reference.json" {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/models/o/n/revision/main" {
			var siblings []map[string]any
			for name, data := range files {
				siblings = append(siblings, map[string]any{"rfilename": name, "size": len(data),
					"blobId": fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data)))})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
			return
		}
		data, ok := files[strings.TrimPrefix(r.URL.Path, "/o/n/resolve/"+commit+"/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	}))
	cache := t.TempDir()
	t.Setenv("HF_ENDPOINT", hub.URL)
	t.Setenv("HF_HUB_CACHE", cache)
	path := filepath.Join(cache, "models--o--n", "snapshots", commit)
	if status, out, stderr := runWith(t, "", "pull", "o/n"); status != 0 || out != path+"\n" {
		t.Fatalf("pull: status %d, %q, want %q; %s", status, out, path, stderr)
	}
	if status, _, stderr := runWith(t, "", "pull", "o/none"); status != statusFailed || !strings.Contains(stderr, "o/none") {
		t.Errorf("pull of what is not there: status %d, %s", status, stderr)
	}
	hub.Close()
	status, out, stderr := runWith(t, "", "list", "--cache-dir", cache)
	if status != 0 || !regexp.MustCompile(`(?m)^o/n +\d.* `+regexp.QuoteMeta(path)+`$`).MatchString(out) || !strings.HasPrefix(out, "model ") {
		t.Errorf("list: status %d, %s\n%s", status, stderr, out)
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", "o/n", "--offline", "q", "d"); status != 0 {
		t.Errorf("rank: status %d, %s", status, stderr)
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", "o/other", "--offline", "q", "d"); status != statusFailed || !strings.Contains(stderr, "--offline") {
		t.Errorf("rank with what was never downloaded: status %d, %s", status, stderr)
	}
}

// TestRankJSON: the reply of /v1/rerank, to the letter but for the id and the scores.
func TestRankJSON(t *testing.T) {
	for _, c := range []struct{ flag, activation string }{{"--json", "sigmoid"}, {"--raw-scores", "none"}} {
		status, out, stderr := runWith(t, "", "rank", "-m", filepath.Join("..", "..", "testdata", "bert-minilm"), "--json", c.flag, "deep learning", "<apples> & pears", "<apples> & pears")
		if status != 0 || stderr != "" {
			t.Fatalf("status %d: %s", status, stderr)
		}
		for pattern, with := range map[string]string{`"id":"rerank-[0-9a-f]{24}"`: `"id":"I"`, `"relevance_score":-?\d[^,]*`: `"relevance_score":S`, `_tokens":\d+`: `_tokens":N`} {
			out = regexp.MustCompile(pattern).ReplaceAllString(out, with)
		}
		const document = `"relevance_score":S,"document":{"text":"<apples> & pears"}}`
		want := `{"id":"I","model":"bert-minilm","object":"list","usage":{"prompt_tokens":N,"total_tokens":N},"results":[{"index":0,` + document + `,{"index":1,` + document + `],` +
			`"meta":{"activation":"` + c.activation + `","model":"bert-minilm","truncated":0,"api_version":{"version":"1"},"billed_units":{"search_units":1}}}` + "\n"
		if out != want {
			t.Errorf("%s\n got %s\nwant %s", c.flag, out, want)
		}
	}
}
