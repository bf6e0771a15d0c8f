package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// writePairs writes n pairs of random words, some queries of which repeat.
func writePairs(t *testing.T, name string, n int) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	words := strings.Fields("deep learning neural networks red apples fruit tree relativity einstein brain language river house paper")
	text := func(n int) string {
		var list []string
		for range n {
			list = append(list, words[rng.IntN(len(words))])
		}
		return strings.Join(list, " ")
	}
	var b bytes.Buffer
	query := ""
	for i := range n {
		if i%20 == 0 {
			query = text(5)
		}
		fmt.Fprintf(&b, "{\"id\":\"p%d\",\"query\":%q,\"document\":%q}\n", i, query, text(1+rng.IntN(40)))
	}
	data := b.Bytes()
	switch filepath.Ext(name) {
	case ".gz":
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(data)
		_ = w.Close()
		data = z.Bytes()
	case ".zst":
		w, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		data = w.EncodeAll(data, nil)
	}
	return writeFile(t, name, string(data))
}

// readText reads a file, decompressed.
func readText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(data)
	switch filepath.Ext(name) {
	case ".gz":
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

type scoredLine struct {
	ID    string
	Score float64
}

// TestBulk: the scores are rank's, bit for bit, in the order of the input, whatever
// the files are compressed by; shards are all pairs, each once.
func TestBulk(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	const n = 150
	in := writePairs(t, file("in.jsonl"), n)
	run := func(args ...string) {
		t.Helper()
		if status, _, stderr := runWith(t, "", append([]string{"bulk", "-m", smallModel}, args...)...); status != 0 {
			t.Fatalf("%q: status %d: %s", args, status, stderr)
		}
	}
	run("-i", in, "-o", file("out.jsonl"))
	text := readText(t, file("out.jsonl"))
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var pairs []struct{ ID, Query, Document string }
	for line := range strings.Lines(readText(t, in)) {
		pairs = append(pairs, struct{ ID, Query, Document string }{})
		if err := json.Unmarshal([]byte(line), &pairs[len(pairs)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) != n {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		var s scoredLine
		if err := json.Unmarshal([]byte(line), &s); err != nil || s.ID != pairs[i].ID {
			t.Fatalf("line %d: %s, %v", i+1, line, err)
		}
		if i%29 == 0 {
			_, out, _ := runWith(t, "", "rank", "-m", smallModel, "--tsv", pairs[i].Query, pairs[i].Document)
			if want := strings.Split(out, "\t")[1]; fmt.Sprint(s.Score) != want {
				t.Errorf("pair %d: %v, want %s", i, s.Score, want)
			}
		}
	}
	run("-i", writePairs(t, file("in.jsonl.gz"), n), "-o", file("out.jsonl.zst"), "-t", "1")
	run("-i", writePairs(t, file("in.jsonl.zst"), n), "-o", file("out.jsonl.gz"), "--batch-tokens", "64")
	for _, name := range []string{"out.jsonl.zst", "out.jsonl.gz"} {
		if got := readText(t, file(name)); got != text {
			t.Errorf("%s differs", name)
		}
	}
	merged := make([]string, n)
	for shard := range 4 {
		name := file(fmt.Sprint("shard", shard))
		run("-i", in, "-o", name, "--shard", fmt.Sprintf("%d/4", shard+1))
		for i, line := range strings.Split(strings.TrimSuffix(readText(t, name), "\n"), "\n") {
			merged[4*i+shard] = line
		}
	}
	if strings.Join(merged, "\n")+"\n" != text {
		t.Error("the shards are not the whole")
	}

	// Again: nothing to do. Another model: refused.
	status, _, stderr := runWith(t, "", "bulk", "-m", smallModel, "-i", in, "-o", file("out.jsonl"))
	if status != 0 || !strings.Contains(stderr, "already holds 150 pairs") || readText(t, file("out.jsonl")) != text {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, _, stderr := runWith(t, "", "bulk", "-m", smallModel, "--raw-scores", "-i", in, "-o", file("out.jsonl")); status != 1 || !strings.Contains(stderr, "another model, precision, option") {
		t.Errorf("status %d: %s", status, stderr)
	}

	// Pipes.
	status, out, stderr := runWith(t, readText(t, in), "bulk", "-m", smallModel, "-i", "-", "--format", "jsonl", "-o", "-")
	if status != 0 || out != text {
		t.Errorf("status %d: %s", status, stderr)
	}
	broken := writeFile(t, file("broken.jsonl"), strings.Join(strings.SplitAfter(readText(t, in), "\n")[:9], "")+"{\"id\":1}\n")
	if status, out, stderr := runWith(t, "", "bulk", "-m", smallModel, "-i", broken, "-o", "-"); status != 1 || out != strings.Join(lines[:9], "\n")+"\n" ||
		!strings.Contains(stderr, broken+`:10: no "query" among the fields "id"`) {
		t.Errorf("status %d: %s%s", status, out, stderr)
	}
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-i", in}, 2, "missing flags: --output"},
		{[]string{"-i", in, "-o", in}, 2, "--input and --output are the same file"},
		{[]string{"-i", in, "-o", file("o.csv")}, 2, "expected .jsonl, .jsonl.gz or .jsonl.zst"},
		{[]string{"-i", in, "-o", file("o"), "--shard", "0/4"}, 2, `--shard is "0/4"`},
		{[]string{"-i", in, "-o", file("o"), "--shard", "5/4"}, 2, `--shard is "5/4"`},
		{[]string{"-i", in, "-o", file("o"), "--corpus", in}, 2, "--corpus and --queries must be given together"},
		{[]string{"-i", writeFile(t, file("p.txt"), "a\n"), "-o", file("o")}, 1, `p.txt looks like lines of text: expected JSON or CSV with "id", "query" and "document"`},
		{[]string{"-i", file("none"), "-o", file("o")}, 1, "none: no such file"},
	} {
		if status, _, stderr := runWith(t, "", append([]string{"bulk", "-m", smallModel}, c.args...)...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
}

// TestBulkRun: a TREC run with its corpus and queries is pairs too.
func TestBulkRun(t *testing.T) {
	dir := evalData(t)
	corpus, queries, run, out := filepath.Join(dir, "corpus.jsonl"), filepath.Join(dir, "queries.jsonl"), filepath.Join(dir, "run.trec"), filepath.Join(dir, "out")
	args := []string{"bulk", "-m", smallModel, "-i", run, "--corpus", corpus, "--queries", queries, "-o", out}
	if status, _, stderr := runWith(t, "", args...); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(readText(t, out), "\n"), "\n")
	if len(lines) != 7*15 || !strings.HasPrefix(lines[16], `{"id":"q1 d3","score":`) {
		t.Fatalf("%d lines: %s", len(lines), lines[16])
	}
	writeFile(t, run, "q1 Q0 d99 1 1 x\n")
	if status, _, stderr := runWith(t, "", append(args, "--overwrite")...); status != 1 || !strings.Contains(stderr, run+":1: "+corpus+` has no id "d99"`) {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// TestBulkKilled: killed at random moments and started again until it is done, a
// run's output is that of an unbroken run, byte for byte.
func TestBulkKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	in := writePairs(t, filepath.Join(dir, "in.jsonl"), 1000)
	rng := rand.New(rand.NewPCG(3, 4))
	for i, name := range []string{"out.jsonl", "out.jsonl.gz", "out.jsonl.zst"} {
		args := func(out string) []string { return []string{"bulk", "-m", smallModel, "-i", in, "-o", out} }
		whole := filepath.Join(dir, "whole-"+name)
		begin := time.Now()
		if status, _, stderr := runWith(t, "", args(whole)...); status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		span := time.Since(begin)
		want, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		for killed := 0; killed < (kills+i)/3; {
			broken := filepath.Join(dir, fmt.Sprint(killed, "-", name))
			for {
				self, err := os.Executable()
				if err != nil {
					t.Fatal(err)
				}
				absolute, err := filepath.Abs(smallModel)
				if err != nil {
					t.Fatal(err)
				}
				a := args(broken)
				a[2] = absolute
				c := exec.Command(self, a...)
				c.Env = append(os.Environ(), asCommand+"=1")
				var stderr bytes.Buffer
				c.Stderr = &stderr
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				timer := time.AfterFunc(time.Duration(rng.Float64()*float64(span)), func() { _ = c.Process.Kill() })
				err = c.Wait()
				if timer.Stop(); err == nil {
					break
				}
				if c.ProcessState.Exited() {
					t.Fatalf("%v: %s", err, stderr.String())
				}
				killed++
			}
			got, err := os.ReadFile(broken)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s after %d kills: %d bytes that differ from the %d of an unbroken run", name, killed, len(got), len(want))
			}
		}
	}
}
