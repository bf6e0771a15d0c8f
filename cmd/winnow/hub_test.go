package main

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/hub"
	"github.com/winnow-rerank/winnow/internal/hubtest"
	"github.com/winnow-rerank/winnow/models"
)

var smallModel = filepath.Join("..", "..", "testdata", "bert-minilm")

// useHub serves the small model as o/n, with an empty cache.
func useHub(t *testing.T) (h *hubtest.Hub, cache string) {
	t.Helper()
	files, err := hubtest.Files(smallModel)
	if err != nil {
		t.Fatal(err)
	}
	h = &hubtest.Hub{Files: files}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	cache = t.TempDir()
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_HUB_CACHE", cache)
	t.Setenv("HF_HUB_OFFLINE", "")
	t.Setenv("TRANSFORMERS_OFFLINE", "")
	return h, cache
}

// TestPullListRemove: a model is downloaded once, listed, ranks by its name with no
// hub at hand, and is gone after rm.
func TestPullListRemove(t *testing.T) {
	h, cache := useHub(t)
	const old = "89abcdef0123456789abcdef0123456789abcdef"
	h.Revisions, h.Names = map[string]map[string]*hubtest.File{old: h.Files}, map[string]string{"v1": old}
	path := filepath.Join(cache, "models--o--n", "snapshots", hubtest.Commit)
	if status, out, stderr := runWith(t, "", "pull", "o/n"); status != 0 || out != path+"\n" || !strings.Contains(stderr, "model.safetensors: ") {
		t.Fatalf("pull: status %d, %q, want %q; %s", status, out, path, stderr)
	}
	for _, args := range [][]string{{"o/n@v1"}, {"o/n", "--revision", "v1"}, {"o/n@v1", "--revision=v1"}, {"https://huggingface.co/o/n@v1"}} {
		if status, out, stderr := runWith(t, "", append([]string{"pull"}, args...)...); status != 0 || out != filepath.Join(filepath.Dir(path), old)+"\n" {
			t.Errorf("pull %q: status %d, %q; %s", args, status, out, stderr)
		}
	}
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"o/none", 1, "o/none: the hub has no such model"},
		{"o/n@v2", 1, "no revision v2"},
		{"o/n@v1 --revision=v2", 2, "two revisions given: v1 and v2"},
		{"o/n --revision=../x", 2, "--revision is"},
		{"bge", 2, "expected a model such as BAAI/bge-reranker-v2-m3"},
		{"multilingal", 2, "did you mean multilingual?"},
		{"o/n --silence=0s", 2, "--silence"},
		{"english", 0, "is built in"},
		{models.Name, 0, "is built in"},
	} {
		if status, _, stderr := runWith(t, "", append([]string{"pull"}, strings.Fields(c.args)...)...); status != c.status || !strings.Contains(stderr, c.says) {
			t.Errorf("pull %s: status %d, %s; want %s", c.args, status, stderr, c.says)
		}
	}

	status, out, stderr := runWith(t, "", "list")
	for _, line := range []string{`^model +size +location$`, `^` + models.Name + ` .* built in$`, `^o/n +\d.* ` + regexp.QuoteMeta(path) + `$`, `^o/n@v1 `} {
		if status != 0 || !regexp.MustCompile(`(?m)`+line).MatchString(out) {
			t.Errorf("list has no line %s: status %d, %s\n%s", line, status, stderr, out)
		}
	}
	_, out, _ = runWith(t, "", "list", "--json", "--cache-dir", cache, filepath.Dir(smallModel))
	var list []listed
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	sources := map[string]int{}
	for _, m := range list {
		sources[m.Source]++
		if m.Bytes == 0 || m.Source == "hub" && m.Commit == "" || m.Source == "local" && !filepath.IsAbs(m.Path) {
			t.Errorf("%+v", m)
		}
	}
	if sources["built-in"] != 1 || sources["hub"] != 2 || sources["local"] < 5 {
		t.Errorf("%v", sources)
	}

	t.Setenv("HF_HUB_OFFLINE", "1")
	n := len(h.Requests())
	for _, args := range [][]string{{"-m", "o/n"}, {"-m", "o/n", "--revision", "v1"}, {"-m", "o/n@" + old}} {
		if status, _, stderr := runWith(t, "", append(append([]string{"rank"}, args...), "q", "d")...); status != 0 {
			t.Errorf("rank %q: status %d, %s", args, status, stderr)
		}
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", "o/other", "q", "d"); status != statusFailed || !strings.Contains(stderr, "HF_HUB_OFFLINE forbids") {
		t.Errorf("rank with what was never downloaded: status %d, %s", status, stderr)
	}
	t.Setenv("HF_HUB_OFFLINE", "0")
	if status, _, stderr := runWith(t, "", "rank", "-m", "o/other", "--offline", "q", "d"); status != statusFailed || !strings.Contains(stderr, "--offline forbids") {
		t.Errorf("rank with what was never downloaded: status %d, %s", status, stderr)
	}
	if len(h.Requests()) != n {
		t.Errorf("offline, the hub was asked: %q", h.Requests()[n:])
	}

	for _, c := range []struct {
		model  string
		status int
		says   string
	}{
		{"o/n@v1", 0, "o/n@v1: removed"},
		{"o/n@v1", 1, "not in the hub's cache"},
		{"o/n", 0, "o/n: removed"},
		{"o/n", 1, "not in the hub's cache"},
		{models.Name, 2, "built into the program"},
		{"./none", 1, "no such file"},
		{smallModel, 2, "use --yes to delete it"},
	} {
		if status, out, stderr := runWith(t, "", "rm", c.model); status != c.status || !strings.Contains(out+stderr, c.says) {
			t.Errorf("rm %s: status %d, %s%s; want %s", c.model, status, out, stderr, c.says)
		}
	}
	if left, err := os.ReadDir(filepath.Join(cache, "models--o--n")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, %v", left, err)
	}
}

// TestRemoveLocal: of a folder the model goes, and what is not of it stays.
func TestRemoveLocal(t *testing.T) {
	for _, stays := range []bool{true, false} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := os.CopyFS(dir, os.DirFS(smallModel)); err != nil {
			t.Fatal(err)
		}
		if !stays {
			if err := os.Remove(filepath.Join(dir, "reference.json")); err != nil {
				t.Fatal(err)
			}
		}
		if status, out, stderr := runWith(t, "", "rm", "--yes", dir); status != 0 || !strings.Contains(out, "removed") || strings.Contains(out, "entries left in it: 1") != stays {
			t.Errorf("status %d: %s%s", status, out, stderr)
		}
		entries, err := os.ReadDir(dir)
		if stays && (len(entries) != 1 || entries[0].Name() != "reference.json") || !stays && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v, %v", entries, err)
		}
	}
}

// TestModelNames: how a model is named, and what a wrong name is told.
func TestModelNames(t *testing.T) {
	h, _ := useHub(t)
	t.Chdir(t.TempDir())
	if err := errors.Join(os.MkdirAll(filepath.Join("models", "right"), 0o700), os.WriteFile("model-Q8_0.gguf", []byte("version https://git-lfs.github.com/spec/v1\n"), 0o600),
		os.MkdirAll("empty", 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ model, says string }{
		{"models/rihgt", "did you mean models/right?"},
		{"models/rihgt", "winnow pull models/rihgt"},
		{"modles/right", "did you mean models/right?"},
		{"model-Q8_O.gguf", "did you mean model-Q8_0.gguf?"},
		{"some/model.gguf", "ORG/NAME:FILE"},
		{"model-Q8_0.gguf", "git lfs pull"},
		{"empty", "an empty folder"},
		{"nothing", "hub models are named ORG/NAME"},
		{"multilingaul", "did you mean multilingual?"},
		{"./o/n", "no such file"},
		{"../o/n", "no such file"},
		{`o\n`, "no such file"},
	} {
		status, _, stderr := runWith(t, "", "inspect", c.model)
		if status != statusFailed || !strings.Contains(filepath.ToSlash(stderr), c.says) {
			t.Errorf("%s: status %d, %s; want %s", c.model, status, stderr, c.says)
		}
	}
	if r := h.Requests(); len(r) != 0 {
		t.Errorf("the hub was asked for %q", r)
	}
	// A folder of the same name is no hindrance for what can be no path.
	if err := os.Mkdir("o", 0o700); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := runWith(t, "", "inspect", "o/n"); status != statusFailed || !strings.Contains(stderr, "winnow pull o/n") || len(h.Requests()) != 0 {
		t.Errorf("status %d, %s, requests %q", status, stderr, h.Requests())
	}
	if status, _, stderr := runWith(t, "", "inspect", "hf.co/o/n"); status != 0 {
		t.Errorf("status %d, %s", status, stderr)
	}
	if status, _, stderr := runWith(t, "", "inspect", "o/n"); status != 0 {
		t.Errorf("when it is in the cache: status %d, %s", status, stderr)
	}
	for _, name := range []string{models.Name, "MS-MARCO-MINILM-L12-V2", "english", ""} {
		status, out, stderr := runWith(t, "", "inspect", "--json", name)
		if name == "" {
			status, out, stderr = runWith(t, "", "inspect", "--json")
		}
		if status != 0 || !strings.Contains(out, models.Name) {
			t.Errorf("%s: status %d, %s", name, status, stderr)
		}
	}
	if status, _, stderr := runWith(t, "", "rank", "-m", "english", "--revision", "v1", "q", "d"); status != statusUsage || !strings.Contains(stderr, "is not a hub model") {
		t.Errorf("a version of the built-in model: status %d, %s", status, stderr)
	}
	if status, _, stderr := runWith(t, "", "convert", "english", "out.gguf", "--type", "q8_0"); status != statusUsage || !strings.Contains(stderr, "built in") {
		t.Errorf("convert: status %d, %s", status, stderr)
	}
	t.Setenv("HF_ENDPOINT", "hf-mirror.com")
	if status, _, stderr := runWith(t, "", "rank", "-m", "x/y", "q", "d"); status != statusFailed || !strings.Contains(stderr, "such as https://hf-mirror.com") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// TestModels: every suggestion can be had by its name, and one is built in.
func TestModels(t *testing.T) {
	_, out, _ := runWith(t, "", "models", "--json")
	var list []struct {
		Name, Model, Command string
		Memory               int64 `json:"memory_bytes"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	_, table, _ := runWith(t, "", "models")
	builtIn := 0
	for _, m := range list {
		if _, ok := hub.ParseRef(m.Model); !ok && !isBuiltIn(m.Model) {
			t.Errorf("%s is no name", m.Model)
		}
		if isBuiltIn(m.Name) {
			builtIn++
		} else if m.Command != "winnow pull "+m.Name {
			t.Errorf("%+v", m)
		}
		if m.Memory == 0 || !regexp.MustCompile(`(?m)^`+m.Name+` .*`+regexp.QuoteMeta(m.Command)+`$`).MatchString(table) {
			t.Errorf("%+v is not in the table\n%s", m, table)
		}
	}
	if builtIn != 1 || len(list) < 5 {
		t.Errorf("%d suggestions, %d of them built in", len(list), builtIn)
	}
}

// TestForeignScript: a query that the built-in model cannot read is warned of.
func TestForeignScript(t *testing.T) {
	for text, want := range map[string]string{
		"What is deep learning?": "", "": "", "1234 %": "", "Où est la bibliothèque ?": "", "β-amyloid and α-synuclein": "", "Zürich 2024": "",
		"Что такое глубокое обучение?": "Cyrillic", "深度学习是什么": "Han", "什么是 deep learning": "", "ディープラーニングとは": "Katakana", "딥러닝이란?": "Hangul", "ما هو التعلم العميق": "Arabic", "τι είναι": "Greek",
	} {
		if got := foreignScript(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for model, want := range map[string]int{"": 1, models.Name: 1, smallModel: 0} {
		args := []string{"rank", "Что такое?", "a", "b"}
		if model != "" {
			args = append(args, "-m", model)
		}
		if status, _, stderr := runWith(t, "", args...); status != 0 || strings.Count(stderr, "Cyrillic") != want || strings.Count(stderr, "-m multilingual") != want {
			t.Errorf("%s: status %d, %s", model, status, stderr)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"plain, ünïcode 漢字 🎉\ttab\nline": "plain, ünïcode 漢字 🎉\ttab\nline", "\x1b[31mred": `\u001b[31mred`, "a\u202eb": `a\u202eb`, "a\u0085b\x7f": `a\u0085b\u007f`,
		"a\u00a0b": "a\u00a0b", "\r": `\u000d`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestDownloads: what is shown of several files at once.
func TestDownloads(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	d := &downloads{w: &out, files: map[string]*fileProgress{}, now: func() time.Time { return now }, every: firstLine}
	d.update("a", 0, 1<<20)
	d.update("b", 0, 3<<20)
	d.update("c", 0, 0)
	d.update("a", 1<<19, 1<<20)
	now = now.Add(4 * time.Second)
	d.update("b", 1<<20, 3<<20)
	now = now.Add(2 * time.Second)
	d.update("b", 2<<20, 3<<20)
	d.update("a", 1<<20, 1<<20)
	d.update("a", 1<<20, 1<<20)
	d.update("c", 0, 0)
	d.update("b", 3<<20, 3<<20)
	want := "winnow: 2.5 MiB of 4.0 MiB, 341.3 KiB/s, 4s left\na: 1.0 MiB\nc: 0.0 KiB\nb: 3.0 MiB\n"
	if out.String() != want {
		t.Errorf("%s, want %s", out.String(), want)
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
