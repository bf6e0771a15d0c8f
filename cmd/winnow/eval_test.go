package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/evaluate"
)

// evalData writes a corpus, queries, a run and judgements of some queries, one of
// which the run lacks, and one of the run's is not judged.
func evalData(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	words := strings.Fields("deep learning neural networks red apples fruit tree relativity einstein brain language river house paper")
	text := func(seed, n int) string {
		var list []string
		for i := range n {
			list = append(list, words[(seed*7+i*i*(seed+3))%len(words)])
		}
		return strings.Join(list, " ")
	}
	var corpus, queries, run, qrels strings.Builder
	for d := range 30 {
		fmt.Fprintf(&corpus, "{\"_id\":\"d%d\",\"title\":\"T%d\",\"text\":%q}\n", d, d, text(d, 5+d))
	}
	qrels.WriteString("query-id\tcorpus-id\tscore\n")
	for q := range 8 {
		fmt.Fprintf(&queries, "{\"_id\":\"q%d\",\"text\":%q}\n", q, text(q+100, 4))
		for d := range 30 {
			if q < 7 && (d+q)%2 == 0 {
				fmt.Fprintf(&run, "q%d Q0 d%d 1 %d x\n", q, d, d%5)
			}
			if q > 0 && (d+3*q)%7 == 1 {
				fmt.Fprintf(&qrels, "q%d\td%d\t%d\n", q, d, 1+d%2)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "qrels"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "corpus.jsonl"), corpus.String())
	writeFile(t, filepath.Join(dir, "queries.jsonl"), queries.String())
	writeFile(t, filepath.Join(dir, "run.trec"), run.String())
	writeFile(t, filepath.Join(dir, "qrels", "test.tsv"), qrels.String())
	return dir
}

// means are the measures of a run file by package evaluate, which is tested against
// pytrec_eval.
func means(t *testing.T, runFile, qrelsFile string, all bool) evaluate.Measures {
	t.Helper()
	run, err := evaluate.ReadRun(runFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	judged, err := evaluate.ReadJudgements(qrelsFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sum evaluate.Measures
	n := 0
	for q, documents := range judged {
		if run.Entries[q] == nil && !all {
			continue
		}
		n++
		for i, x := range evaluate.Measure(run.Entries[q], documents) {
			sum[i] += x
		}
	}
	for i := range sum {
		sum[i] /= float64(n)
	}
	return sum
}

func TestEval(t *testing.T) {
	dir := evalData(t)
	file := func(name string) string { return filepath.Join(dir, name) }
	args := []string{"eval", "-m", smallModel, "--beir", dir, "--run", file("run.trec"), "--json"}
	status, out, stderr := runWith(t, "", append(args, "--precision", "f32", "--against-precision", "int8", "-o", file("new.trec"), "--html", file("report.html"))...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var r evalReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Queries != 6 || r.Unjudged != 1 || r.Missing != 1 || r.Pairs != 7*15 || r.Precision != "f32" || r.Against == nil || r.Against.Precision != "int8" || !(r.DocumentsPS > 0) {
		t.Errorf("%s", out)
	}
	before, after := means(t, file("run.trec"), file("qrels/test.tsv"), false), means(t, file("new.trec"), file("qrels/test.tsv"), false)
	for i, name := range evaluate.Names {
		if math.Abs(r.Before[name]-before[i]) > 1e-12 || math.Abs(r.After[name]-after[i]) > 1e-12 {
			t.Errorf("%s: %v → %v, want %v → %v", name, r.Before[name], r.After[name], before[i], after[i])
		}
		d := r.Difference[name]
		if math.Abs(d.Mean-(after[i]-before[i])) > 1e-12 || d.Low > d.Mean || d.High < d.Mean || !(d.P > 0 && d.P <= 1) {
			t.Errorf("%s: difference %+v", name, d)
		}
		if d, want := r.Against.Difference[name], r.Against.After[name]-r.After[name]; math.Abs(d.Mean-want) > 1e-12 {
			t.Errorf("%s: difference of the precisions %+v, want %v", name, d, want)
		}
	}
	if before == after {
		t.Error("reranking has changed nothing")
	}
	page, err := os.ReadFile(file("report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg", fmt.Sprintf("%.4f", r.After["ndcg@10"]), "bert-minilm f32</text>", "bert-minilm int8</text>"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %s in the page", want)
		}
	}
	if strings.Contains(string(page), "http") {
		t.Error("the page loads something")
	}

	// The first 5 of each query alone move; the others stay, below them.
	status, out, stderr = runWith(t, "", append(args, "--top-k", "5", "-o", file("five.trec"), "--all-queries")...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Queries != 7 {
		t.Fatalf("%v: %s", err, out)
	}
	if want := means(t, file("run.trec"), file("qrels/test.tsv"), true); math.Abs(r.Before["map"]-want[2]) > 1e-12 {
		t.Errorf("all queries: %v, want %v", r.Before["map"], want[2])
	}
	old, err := evaluate.ReadRun(file("run.trec"), nil)
	if err != nil {
		t.Fatal(err)
	}
	five, err := evaluate.ReadRun(file("five.trec"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range old.Queries {
		was, is := evaluate.Ranked(old.Entries[q]), evaluate.Ranked(five.Entries[q])
		top := make(map[string]bool)
		for i := range 5 {
			top[was[i].Document] = true
		}
		for i := range was {
			if i < 5 && !top[is[i].Document] || i >= 5 && is[i].Document != was[i].Document {
				t.Errorf("%s, position %d: %s", q, i, is[i].Document)
			}
		}
	}

	if status, out, _ := runWith(t, "", append(args[:len(args)-1], "--against-precision", "int8")...); status != 0 || !strings.Contains(out, "difference from first model") || !strings.Contains(out, "ndcg@10") {
		t.Errorf("status %d:\n%s", status, out)
	}
	qrels, run, corpus := file("qrels/test.tsv"), file("run.trec"), file("corpus.jsonl")
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--run", run}, 2, "--qrels is missing: expected --qrels, --run, --corpus and --queries"},
		{[]string{"--beir", dir, "--run", run, "--split", "dev"}, 1, "dev.tsv"},
		{[]string{"--qrels", qrels, "--run", run, "--corpus", file("queries.jsonl"), "--queries", file("queries.jsonl")}, 1, file("queries.jsonl") + ` has no id "d`},
		{[]string{"--qrels", corpus, "--run", run, "--corpus", corpus, "--queries", corpus}, 1, corpus + `:1: no "query-id" among the fields "_id", "text", "title"`},
		{[]string{"--beir", dir, "--run", writeFile(t, file("other.trec"), "x Q0 d1 1 1 t\n")}, 1, "none of the run's queries is judged"},
		{[]string{"--judged", run, "--run", run}, 2, "--judged replaces all the other files"},
		{[]string{"--beir", dir, "--run", run, "--top-k", "0"}, 2, "--top-k is 0"},
		{[]string{"--beir", dir, "--run", run, "--against-precision", "f8"}, 2, "f8"},
	} {
		if status, _, stderr := runWith(t, "", append([]string{"eval", "-m", smallModel}, c.args...)...); status != c.status || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s", c.args, status, stderr)
		}
	}
}

// TestEvalOwnFile: a table of judged pairs stands for all files, in its own order or
// in that of its scores.
func TestEvalOwnFile(t *testing.T) {
	dir := t.TempDir()
	for header, want := range map[string]float64{"query;document;relevance": 0.5, "query;document;relevance;score": 1} {
		text := header + "\nwhat is it;red apples;0;1\nwhat is it;deep learning;1;2\n"
		if !strings.Contains(header, "score") {
			text = strings.NewReplacer(";1\n", "\n", ";2\n", "\n").Replace(text)
		}
		name := writeFile(t, filepath.Join(dir, "own.csv"), text)
		status, out, stderr := runWith(t, "", "eval", "-m", smallModel, "--judged", name, "--json")
		var r evalReport
		if err := json.Unmarshal([]byte(out), &r); status != 0 || err != nil || r.Before["mrr@10"] != want || r.Pairs != 2 {
			t.Errorf("%s: status %d, %v: %s%s", header, status, err, out, stderr)
		}
	}
	bad := writeFile(t, filepath.Join(dir, "bad.csv"), "query,document,relevance\nq,d,yes\n")
	if status, _, stderr := runWith(t, "", "eval", "-m", smallModel, "--judged", bad); status != 1 || !strings.Contains(stderr, bad+`:2: relevance "yes": expected a whole number`) {
		t.Errorf("status %d: %s", status, stderr)
	}
}
