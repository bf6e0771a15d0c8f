//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestModelReplaced: a server whose model's file is cut short under it answers 500 for that
// model, then 503, and goes on with the other; SIGHUP has it load what is there now.
func TestModelReplaced(t *testing.T) {
	home := t.TempDir()
	data := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	path := filepath.Join(home, "model.gguf")
	replace := func(name string) {
		if err := os.WriteFile(path+".new", data(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	replace("bert-minilm-with-pooler-F16.gguf")
	other, err := filepath.Abs(filepath.Join("..", "..", "testdata", "bert-2label"))
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, home, "llama-server", freePort(t), "--model", "it="+path, "--model", "other="+other, "--reranking", "--threads", "1")
	waitHealth(t, http.DefaultClient, p.url)
	document := "apples are red"
	ask := func(model string) (status int, score float64) {
		body := fmt.Sprintf(`{"model":%q,"query":"what is deep learning","documents":[%q]}`, model, document)
		r, err := http.Post(p.url+"/v1/rerank", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		var got reply
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode == 200 {
			score = got.Results[0].Score
		}
		return r.StatusCode, score
	}
	hangUp := func() {
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	status, before := ask("it")
	if status != 200 {
		t.Fatalf("status %d: %s", status, p.log)
	}
	// Another model under the name: SIGHUP takes it.
	replace("xlmr-mmarco-F16.gguf")
	if _, still := ask("it"); still != before {
		t.Errorf("score %v without a signal, was %v", still, before)
	}
	hangUp()
	waitFor(t, p.log, "another score", func() bool { status, score := ask("it"); return status == 200 && score != before })
	// Cut short: it is broken, the process and the other model are not.
	if err := os.Truncate(path, 64); err != nil {
		t.Fatal(err)
	}
	document = "what has no score in the cache"
	if status, _ := ask("it"); status != 500 {
		t.Errorf("a file cut short: status %d, want 500", status)
	}
	if status, _ := ask("it"); status != 503 {
		t.Errorf("afterwards: status %d, want 503", status)
	}
	if status, _ := ask("other"); status != 200 {
		t.Errorf("the other model: status %d: %s", status, p.log)
	}
	document = "apples are red"
	replace("bert-minilm-with-pooler-F16.gguf")
	hangUp()
	waitFor(t, p.log, "the first score", func() bool { status, score := ask("it"); return status == 200 && score == before })
	if !strings.Contains(p.log.String(), "truncated meanwhile") && !strings.Contains(p.log.String(), "can no longer be read") {
		t.Errorf("the log does not say what happened: %s", p.log)
	}
}

func waitFor(t *testing.T, log fmt.Stringer, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("%s did not come: %s", what, log)
}
