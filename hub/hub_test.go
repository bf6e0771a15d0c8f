package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseRef(t *testing.T) {
	for s, want := range map[string]Ref{
		"BAAI/bge-reranker-v2-m3":   {"BAAI/bge-reranker-v2-m3", ""},
		"o/n:Q8_0":                  {"o/n", "Q8_0"},
		"o/n:sub/model.gguf":        {"o/n", "sub/model.gguf"},
		"o.r-g_1/n.a-m_e2:F16.gguf": {"o.r-g_1/n.a-m_e2", "F16.gguf"},
	} {
		got, ok := ParseRef(s)
		if !ok || got != want || got.String() != s {
			t.Errorf("%s: %+v, %t", s, got, ok)
		}
	}
	for _, s := range []string{"", "o", "o/n/m", "/n", "o/", "../n", "o/..", "o/n:", "o/n:../x", "o/n:/x", `o/n:a\b`, "o/n:a/../b", "o n/m", "C:/x", "o/n:C:x", "o/a..b"} {
		if ref, ok := ParseRef(s); ok {
			t.Errorf("%q is read as %+v", s, ref)
		}
	}
}

func TestChoose(t *testing.T) {
	st := []string{"README.md", "config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "1_Pooling/config.json",
		"2_Dense/model.safetensors", "openvino/config.json", "sentencepiece.bpe.model"}
	gg := []string{"m-Q4_K_M.gguf", "m-Q8_0.gguf", "m-F16.gguf", "m-BF16.gguf", "mmproj-m-Q8_0.gguf", "big-Q6_K-00002-of-00002.gguf", "big-Q6_K-00001-of-00002.gguf", "config.json"}
	for _, c := range []struct {
		file  string
		files []string
		want  string
	}{
		{"", st, "config.json tokenizer.json model.safetensors 1_Pooling/config.json 2_Dense/model.safetensors sentencepiece.bpe.model"},
		{"", gg, "gguf m-Q8_0.gguf"},
		{"q4_k_m", gg, "gguf m-Q4_K_M.gguf"},
		{"F16", gg, "gguf m-F16.gguf"},
		{"m-BF16.gguf", gg, "gguf m-BF16.gguf"},
		{"Q6_K", gg, "gguf big-Q6_K-00001-of-00002.gguf big-Q6_K-00002-of-00002.gguf"},
		{"Q4_K", gg, "error"},
		{"config.json", gg, "error"},
		{"", []string{"config.json", "pytorch_model.bin"}, "error"},
		{"", []string{"odd.gguf"}, "gguf odd.gguf"},
	} {
		got, isGGUF, err := Ref{"o/n", c.file}.choose(c.files)
		text := strings.Join(got, " ")
		if isGGUF {
			text = "gguf " + text
		}
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%q: %s, want %s (%v)", c.file, text, c.want, err)
		}
	}
}

// A fakeHub serves one repository.
type fakeHub struct {
	mu       sync.Mutex
	files    map[string][]byte
	small    map[string]bool // has git's hash only
	wrong    string          // file that comes with other contents
	broken   string          // file that breaks off half-way, once
	token    string
	requests []string
	names    []string
}

const commit = "0123456789abcdef0123456789abcdef01234567"

func (h *fakeHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	request := r.URL.Path
	if from := r.Header.Get("Range"); from != "" {
		request += " " + from
	}
	h.requests = append(h.requests, request)
	if h.token != "" && r.Header.Get("Authorization") != "Bearer "+h.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/api/models/o/n/revision/main" {
		var siblings []map[string]any
		for name, data := range h.files {
			s := map[string]any{"rfilename": name, "size": len(data), "blobId": fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(data), data)))}
			if !h.small[name] {
				s["lfs"] = map[string]any{"sha256": fmt.Sprintf("%x", sha256.Sum256(data)), "size": len(data)}
			}
			siblings = append(siblings, s)
		}
		for _, name := range h.names {
			siblings = append(siblings, map[string]any{"rfilename": name, "size": 1, "blobId": "00"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings})
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/o/n/resolve/"+commit+"/")
	data, there := h.files[name]
	if !ok || !there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if name == h.wrong {
		data = []byte(strings.Repeat("!", len(data)))
	}
	if name == h.broken {
		h.broken = ""
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:len(data)/2])
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(data)))
}

func TestPull(t *testing.T) {
	weights := []byte(strings.Repeat("weights ", 1000))
	h := &fakeHub{token: "secret", small: map[string]bool{"config.json": true},
		files: map[string][]byte{"config.json": []byte("{}"), "model.safetensors": weights, "README.md": []byte("x"), "1_Pooling/config.json": []byte("[]")}}
	s := httptest.NewServer(h)
	defer s.Close()
	dir := t.TempDir()
	told := map[string][2]int64{}
	source := Source{Dir: dir, Endpoint: s.URL + "/", Token: "secret", Progress: func(f string, done, total int64) { told[f] = [2]int64{done, total} }}
	ref := Ref{"o/n", ""}
	ctx := context.Background()

	if _, err := (&Source{Dir: dir, Offline: true}).Get(ctx, ref); !errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), "--offline") {
		t.Errorf("offline: %v", err)
	}
	if _, err := (&Source{Dir: dir, Endpoint: s.URL}).Get(ctx, ref); err == nil || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("without a token: %v", err)
	}

	h.broken = "model.safetensors"
	if _, err := source.Get(ctx, ref); err == nil || !strings.Contains(err.Error(), "after 4000 of 8000 bytes") {
		t.Fatalf("a download that breaks off: %v", err)
	}
	if _, err := Find(dir, ref); !errors.Is(err, ErrNotCached) {
		t.Errorf("half a model is found: %v", err)
	}
	path, err := source.Get(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	if last := h.requests[len(h.requests)-1]; !slices.ContainsFunc(h.requests, func(r string) bool { return strings.HasSuffix(r, "model.safetensors bytes=4000-") }) {
		t.Errorf("the download is not taken up: %s of %q", last, h.requests)
	}
	if want := filepath.Join(dir, "models--o--n", "snapshots", commit); path != want {
		t.Errorf("path %s, want %s", path, want)
	}
	for name, want := range map[string]string{"config.json": "{}", "model.safetensors": string(weights), "1_Pooling/config.json": "[]"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := os.Stat(filepath.Join(path, "README.md")); err == nil {
		t.Error("README.md is downloaded")
	}
	if told["model.safetensors"] != [2]int64{8000, 8000} {
		t.Errorf("progress %v", told)
	}
	n := len(h.requests)
	if again, err := source.Get(ctx, ref); err != nil || again != path || len(h.requests) != n {
		t.Errorf("from the cache: %s, %v, %d requests", again, err, len(h.requests)-n)
	}
	if again, err := (&Source{Dir: dir, Offline: true}).Get(ctx, ref); err != nil || again != path {
		t.Errorf("offline, from the cache: %s, %v", again, err)
	}
	if list, err := List(dir); err != nil || len(list) != 1 || list[0].Ref != ref || list[0].Bytes != 8004 {
		t.Errorf("list %+v, %v", list, err)
	}

	h.files["m-Q8_0.gguf"], h.files["m-F16.gguf"] = []byte("q8"), []byte("f16")
	if path, err := source.Get(ctx, Ref{"o/n", "f16"}); err != nil || filepath.Base(path) != "m-F16.gguf" {
		t.Errorf("%s, %v", path, err)
	}
	if list, err := List(dir); err != nil || len(list) != 2 || list[1].Ref.String() != "o/n:m-F16.gguf" {
		t.Errorf("list %+v, %v", list, err)
	}
	h.wrong = "m-Q8_0.gguf"
	if _, err := source.Get(ctx, Ref{"o/n", "Q8_0"}); err == nil || !strings.Contains(err.Error(), "hash to") {
		t.Errorf("other contents: %v", err)
	}
	h.wrong = ""
	if _, err := source.Get(ctx, Ref{"o/n", "Q8_0"}); err != nil {
		t.Errorf("after other contents: %v", err)
	}
	if _, err := source.Get(ctx, Ref{"o/n", "Q2_K"}); err == nil || !strings.Contains(err.Error(), "no GGUF file Q2_K") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := source.Get(ctx, Ref{"o/other", ""}); err == nil || !strings.Contains(err.Error(), "no such model") {
		t.Errorf("a repository that is not there: %v", err)
	}
	for _, name := range []string{"../../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", `..\evil.gguf`} {
		h.names = []string{name}
		if _, err := source.Pull(ctx, Ref{"o/n", ""}); err == nil || !strings.Contains(err.Error(), "within the repository") {
			t.Errorf("a file %s: %v", name, err)
		}
	}
	// Nothing half-done is left.
	_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if strings.HasSuffix(p, ".incomplete") || strings.HasSuffix(p, ".tmp") {
			t.Errorf("%s is left", p)
		}
		return err
	})
}

func TestCacheDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"},
		{map[string]string{"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, filepath.Join("/b", "hub")},
		{map[string]string{"XDG_CACHE_HOME": "/c"}, filepath.Join("/c", "huggingface", "hub")},
	} {
		if got, err := CacheDir(func(n string) string { return c.env[n] }); err != nil || got != c.want {
			t.Errorf("%v: %s, %v", c.env, got, err)
		}
	}
	root := filepath.Join(t.TempDir(), "models--o--n")
	if err := os.MkdirAll(filepath.Join(root, "refs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "refs", "main"), []byte("../../.."), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(filepath.Dir(root), Ref{"o/n", ""}); err == nil || errors.Is(err, ErrNotCached) {
		t.Errorf("a commit that leads outside: %v", err)
	}
	if list, err := List(filepath.Join(root, "none")); err != nil || list != nil {
		t.Errorf("no cache: %v, %v", list, err)
	}
}
