package bulk

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// scoreFor is a score that depends on the pair alone.
func scoreFor(p Pair) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.Query + "\x00" + p.Document))
	return float64(h.Sum64()>>11) / (1 << 53)
}

// testJob scores n pairs. It breaks off by an error after so many calls of Next.
func testJob(n int, breakAt int) Job[[]Pair] {
	i := 0
	return Job[[]Pair]{
		Next: func() (Pair, error) {
			if i == breakAt {
				return Pair{}, errStop
			}
			if i == n {
				return Pair{}, io.EOF
			}
			i++
			return Pair{ID: fmt.Appendf(nil, "%d", i), Query: fmt.Sprint("q", i/10), Document: strings.Repeat("d", i%50) + fmt.Sprint(i), Line: i}, nil
		},
		Encode: func(_ context.Context, pairs []Pair) ([]Pair, error) { return pairs, nil },
		Score: func(ctx context.Context, pairs []Pair) ([]float64, error) {
			scores := make([]float64, len(pairs))
			for i, p := range pairs {
				scores[i] = scoreFor(p)
			}
			return scores, ctx.Err()
		},
		Begin:    func(int64) {},
		Progress: func(int64) {},
	}
}

var errStop = errors.New("stop")

func decompressed(t *testing.T, name string, data []byte) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(data)
	switch compressionOf(name) {
	case gzipped:
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case zstandard:
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

// TestResume: from wherever the output was cut, and by whatever error a run ended,
// going on gives the bytes of an unbroken run.
func TestResume(t *testing.T) {
	const n = 2*frameLines + 5000
	ctx := t.Context()
	cuts := 40
	if testing.Short() {
		cuts = 6
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, ext := range []string{".jsonl", ".jsonl.gz", ".jsonl.zst"} {
		dir := t.TempDir()
		whole := filepath.Join(dir, "whole"+ext)
		report, err := Run(ctx, whole, nil, testJob(n, -1))
		if err != nil || report.Done != n || report.There != 0 {
			t.Fatalf("%s: %+v, %v", ext, report, err)
		}
		want, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		text := decompressed(t, whole, want)
		if lines := strings.Count(text, "\n"); lines != n {
			t.Fatalf("%s: %d lines", ext, lines)
		}
		again := func(name string) Report {
			t.Helper()
			report, err := Run(ctx, name, nil, testJob(n, -1))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes that differ from the %d of an unbroken run", name, len(got), len(want))
			}
			return report
		}
		// What is complete stays as it is.
		if r := again(whole); r.There != n || r.Done != 0 {
			t.Errorf("%s: %+v", ext, r)
		}
		for i := range cuts {
			// Early, late and random ends, of the file and of the input.
			size := rng.IntN(len(want) + 1)
			if i < 20 {
				size = []int{0, 1, 2, 3, 5, 10, 17, 18, 19, 30, len(want) - 1, len(want) - 4, len(want) - 8, len(want) - 9, len(want) - 12, 300, 301, 302, 400, 500}[i]
			}
			cut := filepath.Join(dir, fmt.Sprint("cut", i, ext))
			if err := os.WriteFile(cut, want[:size], 0o644); err != nil {
				t.Fatal(err)
			}
			if r := again(cut); r.There+r.Done != n || ext == ".jsonl" && size > 100 && r.There == 0 {
				t.Errorf("%s cut at %d: %+v", ext, size, r)
			}
			stopped := filepath.Join(dir, fmt.Sprint("stopped", i, ext))
			at := rng.IntN(n)
			if r, err := Run(ctx, stopped, nil, testJob(n, at)); !errors.Is(err, errStop) || r.Done != int64(at) {
				t.Fatalf("stopped at %d: %+v, %v", at, r, err)
			}
			if r := again(stopped); r.There != int64(at) {
				t.Errorf("%s stopped at %d: %+v", ext, at, r)
			}
			_, _ = os.Remove(cut), os.Remove(stopped)
		}
		// An input that has grown.
		short := filepath.Join(dir, "short"+ext)
		if _, err := Run(ctx, short, nil, testJob(frameLines+10, -1)); err != nil {
			t.Fatal(err)
		}
		again(short)
	}
}

// TestShards: the shards are all pairs, each once.
func TestShards(t *testing.T) {
	dir := t.TempDir()
	var all []string
	for i := range 3 {
		job := testJob(1000, -1)
		job.Shard, job.Shards = i, 3
		name := filepath.Join(dir, fmt.Sprint(i))
		report, err := Run(t.Context(), name, nil, job)
		if err != nil || report.Done < 333 || report.Done > 334 {
			t.Fatalf("%+v, %v", report, err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSpace(string(data)), "\n")...)
	}
	var one bytes.Buffer
	if _, err := Run(t.Context(), "-", &one, testJob(1000, -1)); err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(one.String()), "\n")
	if len(all) != len(want) {
		t.Fatalf("%d lines, want %d", len(all), len(want))
	}
	for i, line := range want {
		if got := all[[3]int{0, 334, 667}[i%3]+i/3]; got != line {
			t.Errorf("pair %d: %s, want %s", i, got, line)
		}
	}
}

// TestForeignOutput: what another input, another model or another program wrote is
// neither gone on with nor lost.
func TestForeignOutput(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine")
	if _, err := Run(t.Context(), mine, nil, testJob(10, -1)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(data[:200])
	_ = z.Close()
	damaged := bytes.Clone(packed.Bytes())
	damaged[len(damaged)-6]++
	for _, c := range []struct{ name, text, want string }{
		{"a", strings.Join(append([]string{strings.Replace(lines[0], ":1,", ":7,", 1)}, lines[1:]...), ""), `a:1: found {"id":7,"score":`},
		{"b", "a line\n" + string(data), `b:1: found "a line", expected {"id":…,"score":…}: not written by winnow bulk; --overwrite starts over`},
		{"c", string(data) + `{"id":11,"score":1}` + "\n", "c:11: the output has more pairs than the input"},
		{"d", strings.Replace(string(data), lines[6], `{"id":7,"score":0.5}`+"\n", 1), "d:7: id 7 now scores " + strings.TrimSuffix(lines[6][len(`{"id":7,"score":`):], "}\n") + ", but the output has 0.5"},
		{"e.gz", string(data), "e.gz: not gzip"},
		{"f.zst", string(data), "f.zst: not zstd"},
		{"g.gz", packed.String() + packed.String(), "g.gz: a frame ends after line "},
		{"h.gz", string(damaged), "h.gz: line "},
	} {
		name := filepath.Join(dir, c.name)
		if err := os.WriteFile(name, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Run(t.Context(), name, nil, testJob(10, -1))
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, c.want)) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != c.text {
			t.Errorf("%s was changed: %q, %v", c.name, got, err)
		}
		job := testJob(10, -1)
		job.Overwrite = true
		if r, err := Run(t.Context(), name, nil, job); err != nil || r.Done != 10 {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
		if got, _ := os.ReadFile(name); decompressed(t, name, got) != string(data) {
			t.Errorf("%s: overwritten by %q", c.name, got)
		}
	}
}

// TestLock: two runs do not write to one output.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "out")
	job := testJob(10, -1)
	score, met := job.Score, false
	job.Score = func(ctx context.Context, pairs []Pair) ([]float64, error) {
		met = true
		if _, err := Run(ctx, name, nil, testJob(10, -1)); err == nil || err.Error() != name+": another process is writing to it" {
			t.Errorf("%v", err)
		}
		return score(ctx, pairs)
	}
	if _, err := Run(t.Context(), name, nil, job); err != nil || !met {
		t.Error(err)
	}
	if _, err := Run(t.Context(), name, nil, testJob(10, -1)); err != nil {
		t.Errorf("the lock has outlived its run: %v", err)
	}
}

// TestCancel: a run that is asked to stop ends though the input gives nothing.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	job := testJob(10, -1)
	next := job.Next
	blocked := make(chan struct{})
	defer close(blocked)
	n := 0
	job.Next = func() (Pair, error) {
		if n++; n > firstWindow {
			<-blocked
		}
		p, err := next()
		if err == io.EOF {
			p, err = Pair{ID: []byte("0")}, nil
		}
		return p, err
	}
	job.Progress = func(int64) { cancel() }
	var out bytes.Buffer
	report, err := Run(ctx, "-", &out, job)
	if !errors.Is(err, context.Canceled) || report.Done != firstWindow || bytes.Count(out.Bytes(), []byte("\n")) != firstWindow {
		t.Errorf("%+v, %v, %d lines", report, err, bytes.Count(out.Bytes(), []byte("\n")))
	}
}
