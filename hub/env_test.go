package hub

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestCacheDir(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"},
		{map[string]string{"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, filepath.Join("/b", "hub")},
		{map[string]string{"XDG_CACHE_HOME": "/c"}, filepath.Join("/c", "huggingface", "hub")},
		{map[string]string{"HF_HOME": "$DATA/hf", "DATA": "/d"}, filepath.Join("/d", "hf", "hub")},
		{map[string]string{"HF_HUB_CACHE": "~/models"}, home + "/models"},
		{nil, filepath.Join(home, ".cache", "huggingface", "hub")},
	} {
		if got, err := CacheDir(environment(c.env)); err != nil || got != c.want {
			t.Errorf("%v: %s, %v, want %s", c.env, got, err, c.want)
		}
	}
}

func TestTokenFromEnv(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(path, []byte("of-home\n"), 0o600), os.WriteFile(other, []byte(" of-path\r\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HF_TOKEN": "a", "HUGGING_FACE_HUB_TOKEN": "b", "HF_HOME": dir}, "a"},
		{map[string]string{"HF_TOKEN": " a\n", "HF_HOME": dir}, "a"},
		{map[string]string{"HUGGING_FACE_HUB_TOKEN": "b", "HF_HOME": dir}, "b"},
		{map[string]string{"HF_HOME": dir}, "of-home"},
		{map[string]string{"HF_HOME": dir, "HF_TOKEN_PATH": other}, "of-path"},
		{map[string]string{"HF_HOME": dir, "HF_TOKEN_PATH": dir}, ""},
		{map[string]string{"HF_HOME": filepath.Join(dir, "none")}, ""},
		{map[string]string{"HF_TOKEN": "a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, ""},
	} {
		if got := TokenFromEnv(environment(c.env)); got != c.want {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
}

func TestOffline(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE"},
		{map[string]string{"HF_HUB_OFFLINE": "true"}, "HF_HUB_OFFLINE"},
		{map[string]string{"TRANSFORMERS_OFFLINE": "yes"}, "TRANSFORMERS_OFFLINE"},
		{map[string]string{"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"}, ""},
		{map[string]string{"HF_HUB_OFFLINE": "0"}, ""},
		{nil, ""},
	} {
		if got := OfflineFromEnv(environment(c.env)); got != c.want {
			t.Errorf("%v: %q, want %q", c.env, got, c.want)
		}
	}
	w := newWorld(t)
	t.Setenv("HF_HUB_OFFLINE", "1")
	if _, err := w.source.Get(context.Background(), model); !errors.Is(err, ErrNotCached) || !strings.Contains(err.Error(), "HF_HUB_OFFLINE forbids") || len(w.Requests()) != 0 {
		t.Errorf("%v, requests %q", err, w.Requests())
	}
}

func TestEndpoint(t *testing.T) {
	for address, want := range map[string]string{
		"https://huggingface.co":     "https://huggingface.co",
		"https://mirror.example/hf/": "https://mirror.example/hf",
		"http://127.0.0.1:8000":      "http://127.0.0.1:8000",
	} {
		if u, err := parseEndpoint("HF_ENDPOINT", address); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", address, u, err)
		}
	}
	for _, address := range []string{"hf-mirror.com", "hf-mirror.com:8080/x", "//hf-mirror.com", "localhost:8000"} {
		_, err := parseEndpoint("HF_ENDPOINT", address)
		if want := "such as https://" + strings.TrimPrefix(address, "//"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "HF_ENDPOINT") {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	for _, address := range []string{"file:///etc", "ftp://x", "https://", "http://[::1"} {
		if _, err := parseEndpoint("HF_ENDPOINT", address); err == nil {
			t.Errorf("%s is taken", address)
		}
	}
	t.Setenv("HF_ENDPOINT", "hf-mirror.com")
	if _, err := (&Source{Dir: t.TempDir()}).Pull(context.Background(), model); err == nil || !strings.Contains(err.Error(), "https://hf-mirror.com") {
		t.Errorf("%v", err)
	}
	// A mirror below a path.
	w := newWorld(t)
	w.source.Endpoint = w.server.URL + "/hf/"
	w.server.Config.Handler = http.StripPrefix("/hf", w.Hub)
	w.check(w.source.Get(context.Background(), model))
}
