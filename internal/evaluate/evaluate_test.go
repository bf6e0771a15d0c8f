package evaluate

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMeasures: as pytrec_eval says, query by query; see testdata/make.py.
func TestMeasures(t *testing.T) {
	run, err := ReadRun("testdata/run.trec", nil)
	if err != nil {
		t.Fatal(err)
	}
	judged, err := ReadJudgements("testdata/qrels.trec", nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/measures.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]Measures
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 50 {
		t.Fatalf("%d queries", len(want))
	}
	for query, w := range want {
		for _, entries := range [][]Entry{run.Entries[query], written(t, run.Entries[query])} {
			got := Measure(entries, judged[query])
			for i, name := range Names {
				if math.Abs(got[i]-w[i]) > 1e-6 {
					t.Errorf("%s %s: %v, want %v", query, name, got[i], w[i])
				}
			}
		}
	}
}

// written writes entries and reads them again.
func written(t *testing.T, entries []Entry) []Entry {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, entries, "test"); err != nil {
		t.Fatal(err)
	}
	run, err := ReadRun("-", &b)
	if err != nil {
		t.Fatal(err)
	}
	return run.Entries[run.Queries[0]]
}

// TestFiles: the forms in which runs and judgements come.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, c := range []struct{ name, text, want string }{
		{"a", "q1 0 d1 2\n", ""},
		{"beir.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\n", ""},
		{"own.csv", "qid;docid;relevance\nq1;d1;2.0\n", ""},
		{"own.jsonl", `{"query_id":"q1","doc_id":"d1","label":2}`, ""},
		{"marco.tsv", "q1\t0\td1\t2\n", ""},
		{"b", "q1 0 d1\n", ":1: 3 fields: expected 4: query iteration document relevance"},
		{"c", "q1 0 d1 2\nq1 0 d2 high\n", `:2: relevance "high": expected a whole number`},
		{"d", "q1 0 d1 2\nq1 0 d1 1\n", `:2: query "q1" has document "d1" as 2 and as 1`},
		{"e.csv", "a,b,c\n", `:1: no column "query-id" in the header, which has "a", "b", "c"`},
		{"f.tsv", "a\tb\n", `:1: no column "query-id" in the header, which has "a", "b"`},
		{"g", "\n", " has no judgements"},
	} {
		name := write(c.name, c.text)
		judged, err := ReadJudgements(name, nil)
		if c.want == "" && (err != nil || judged["q1"]["d1"] != 2) || c.want != "" && (err == nil || err.Error() != name+c.want) {
			t.Errorf("%s: %v, %v, want %s", c.name, judged, err, c.want)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"a", "q1 Q0 d1 1 -0.5 x\nq1 Q0 d2 2 -1e3 x\n", ""},
		{"own.jsonl", `{"qid":"q1","docid":"d1","score":-0.5}` + "\n" + `{"qid":"q1","docid":"d2","score":-1000}`, ""},
		{"b", "q1 Q0 d1 1 best x\n", `:1: score "best": expected a number`},
		{"c", "q1 Q0 d1 1 NaN x\n", `:1: score "NaN": expected a number`},
		{"d", "q1 Q0 d1 1 1 x\nq1 Q0 d1 2 2 x\n", `:2: query "q1" has document "d1" twice`},
		{"e", "", " has no entries"},
	} {
		name := write("run"+c.name, c.text)
		run, err := ReadRun(name, nil)
		if c.want == "" && (err != nil || len(run.Entries["q1"]) != 2 || run.Entries["q1"][1].Score != -1000) || c.want != "" && (err == nil || err.Error() != name+c.want) {
			t.Errorf("%s: %v, %v, want %s", c.name, run, err, c.want)
		}
	}
}

// TestBootstrap: against normal theory, on differences that are nearly normal.
func TestBootstrap(t *testing.T) {
	var a, b, same []float64
	n := 200
	for i := range n {
		x := float64(i%20) / 20
		a = append(a, x)
		b = append(b, x+0.05+0.3*math.Sin(float64(i)*1.7))
		same = append(same, x+0.3*math.Sin(float64(i)*1.7))
	}
	d := Paired(a, b)
	mean, squares := 0.0, 0.0
	for i := range a {
		mean += (b[i] - a[i]) / float64(n)
	}
	for i := range a {
		squares += (b[i] - a[i] - mean) * (b[i] - a[i] - mean)
	}
	deviation := math.Sqrt(squares) / float64(n)
	z := mean / deviation
	p := math.Erfc(z / math.Sqrt2)
	if math.Abs(d.Mean-mean) > 1e-12 || math.Abs(d.Low-(mean-1.96*deviation)) > 0.1*deviation || math.Abs(d.High-(mean+1.96*deviation)) > 0.1*deviation || math.Abs(d.P-p) > 0.005 {
		t.Errorf("%+v, want %v ± %v, p %v", d, mean, 1.96*deviation, p)
	}
	if d := Paired(a, same); d.P < 0.5 {
		t.Errorf("%+v where there is no difference", d)
	}
	if d := Paired(a, a); d.P != 1 || d.Mean != 0 || d.Low != 0 || d.High != 0 {
		t.Errorf("the same twice: %+v", d)
	}
	if e := Mean([]float64{1, 1, 1}); e != (Estimate{1, 1, 1}) {
		t.Errorf("%+v", e)
	}
	if first, second := Paired(a, b), Paired(a, b); first != second {
		t.Errorf("%+v and %+v", first, second)
	}
	if strings.Join(Names, " ") != "ndcg@10 mrr@10 map recall@100" {
		t.Error(Names)
	}
}
