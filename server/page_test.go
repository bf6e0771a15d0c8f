package server

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestPage: the page's files are served as what they are, name each other, and nothing that
// lies elsewhere.
func TestPage(t *testing.T) {
	s := start(t, Options{Page: Page()})
	kinds := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	names := make(map[string]bool)
	list, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		names[f.Name()] = true
	}
	reference := regexp.MustCompile(`(?:src|href)="([^"]*)"|from "\./([^"]*)"`)
	used := map[string]bool{"index.html": true}
	for name := range names {
		w := send(s, "GET", "/"+name, "")
		text := w.Body.String()
		if name == "index.html" {
			w = send(s, "GET", "/", "")
			text = w.Body.String()
		}
		if kind := w.Header().Get("Content-Type"); w.Code != 200 || kind != kinds[path.Ext(name)] {
			t.Errorf("%s: status %d, %s", name, w.Code, kind)
		}
		if policy := w.Header().Get("Content-Security-Policy"); policy != pagePolicy {
			t.Errorf("%s: policy %q", name, policy)
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			if to := m[1] + m[2]; !names[to] {
				t.Errorf("%s names %q, which is not there", name, to)
			} else if name != to {
				used[to] = true
			}
		}
		if rest := strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""); strings.Contains(rest, "://") {
			t.Errorf("%s names an address", name)
		}
	}
	if len(used) != len(names) {
		t.Errorf("of the files %v the page uses %v", names, used)
	}
}
