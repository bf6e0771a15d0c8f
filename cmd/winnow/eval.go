package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/winnow-rerank/winnow/internal/evaluate"
	"github.com/winnow-rerank/winnow/internal/records"
)

type evalCommand struct {
	modelFlags `embed:""`

	Qrels   string `placeholder:"FILE" help:"Relevance judgements: TREC qrels, or .tsv, .csv or .jsonl with query-id, corpus-id and score, as in BEIR."`
	RunFile string `name:"run" placeholder:"FILE" help:"First-stage results: a TREC run, or .tsv, .csv or .jsonl with query-id, corpus-id and score."`
	Corpus  string `placeholder:"FILE" help:"Documents, with id and text (and an optional title, prepended to the text)."`
	Queries string `placeholder:"FILE" help:"Queries, with id and text."`
	BEIR    string `name:"beir" placeholder:"DIR" help:"BEIR data set whose corpus.jsonl, queries.jsonl and qrels replace --corpus, --queries and --qrels."`
	Split   string `default:"test" help:"Split of the --beir qrels."`
	Judged  string `placeholder:"FILE" help:"Single .csv, .tsv or .jsonl file with query, document, relevance and, optionally, the first-stage score; replaces the other input files."`

	TopK             int    `name:"top-k" default:"100" placeholder:"K" help:"Rerank the top K documents of each query; the rest stay below them."`
	Against          string `placeholder:"MODEL" help:"Second model to compare with."`
	AgainstPrecision string `placeholder:"PRECISION" help:"Second precision to compare with."`
	AllQueries       bool   `help:"Score judged queries missing from the run as 0, like trec_eval -c."`
	Output           string `short:"o" placeholder:"FILE" help:"Write the reranked run in TREC format."`
	JSON             bool   `name:"json" help:"Print JSON."`
	HTML             string `name:"html" placeholder:"FILE" help:"Write an HTML report that plots quality against latency."`
}

// A collection is the data of an evaluation.
type collection struct {
	judged evaluate.Judgements
	run    *evaluate.Run
	query  func(id string) (string, error)
	text   func(id string) (string, error)
	close  []func() error
}

func (c *evalCommand) Run(env *environment) error {
	if c.TopK < 1 {
		return usagef("--top-k is %d: expected a number of at least 1", c.TopK)
	}
	second := c.modelFlags
	compare := c.Against != "" || c.AgainstPrecision != ""
	if c.Against != "" {
		second.Model = c.Against
	}
	if c.AgainstPrecision != "" {
		second.Precision = c.AgainstPrecision
	}
	if _, err := second.options(); err != nil {
		return err
	}
	data, err := c.collection(env)
	if err != nil {
		return err
	}
	defer data.Close()

	report := &evalReport{TopK: c.TopK}
	measured := data.measured(c.AllQueries, report)
	if len(measured) == 0 {
		return errors.New("none of the run's queries is judged: do the judgements and the run use the same query ids?")
	}
	before := ranking{run: data.run}
	before.measure(measured, data.judged)
	report.Before, report.BeforeIntervals = before.figures()

	after, err := c.rerank(env, data, &c.modelFlags, &report.candidate, report)
	if err != nil {
		return err
	}
	after.measure(measured, data.judged)
	report.compare(before, after)
	if compare {
		report.Against = new(candidate)
		other, err := c.rerank(env, data, &second, report.Against, report)
		if err != nil {
			return err
		}
		other.measure(measured, data.judged)
		report.Against.compare(after, other)
	}
	return c.write(env.stdout, report, after.run)
}

// write writes the report and the new run to where the flags say.
func (c *evalCommand) write(out io.Writer, report *evalReport, run *evaluate.Run) error {
	if c.Output != "" {
		if err := writeRun(c.Output, run); err != nil {
			return err
		}
	}
	if c.HTML != "" {
		if err := writeReport(c.HTML, report); err != nil {
			return err
		}
	}
	if c.JSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	return report.print(out)
}

// collection reads the files named by the flags.
func (c *evalCommand) collection(env *environment) (*collection, error) {
	if c.Judged != "" {
		if c.Qrels+c.RunFile+c.Corpus+c.Queries+c.BEIR != "" {
			return nil, usagef("--judged replaces all the other files: they cannot be given with it")
		}
		return ownCollection(c.Judged, env.stdin)
	}
	if c.BEIR != "" {
		for flag, name := range map[*string]string{&c.Corpus: "corpus.jsonl", &c.Queries: "queries.jsonl", &c.Qrels: filepath.Join("qrels", c.Split+".tsv")} {
			if *flag == "" {
				*flag = filepath.Join(c.BEIR, name)
			}
			if _, err := os.Stat(*flag); errors.Is(err, fs.ErrNotExist) {
				if _, err := os.Stat(*flag + ".gz"); err == nil {
					*flag += ".gz"
				}
			}
		}
	}
	for _, f := range []struct{ flag, value string }{{"--qrels", c.Qrels}, {"--run", c.RunFile}, {"--corpus", c.Corpus}, {"--queries", c.Queries}} {
		if f.value == "" {
			return nil, usagef("%s is missing: expected --qrels, --run, --corpus and --queries; or --beir and --run; or --judged", f.flag)
		}
	}
	data := new(collection)
	var err error
	if data.judged, err = evaluate.ReadJudgements(c.Qrels, env.stdin); err != nil {
		return nil, err
	}
	if data.run, err = evaluate.ReadRun(c.RunFile, env.stdin); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		get  *func(string) (string, error)
	}{{c.Corpus, &data.text}, {c.Queries, &data.query}} {
		store, err := records.NewStore(f.name, records.Options{Stdin: env.stdin})
		if err != nil {
			data.Close()
			return nil, err
		}
		*f.get = store.Get
		data.close = append(data.close, store.Close)
	}
	return data, nil
}

func (d *collection) Close() {
	for _, c := range d.close {
		_ = c() // temporary files
	}
}

// ownCollection reads judged pairs. Without scores, their order is that of the first
// stage.
func ownCollection(name string, stdin io.Reader) (*collection, error) {
	r, err := records.Open(name, records.Options{Stdin: stdin, Columns: []records.Column{
		{Name: "query", Names: records.QueryNames},
		{Name: "document", Names: append([]string{"document"}, records.TextNames...)},
		{Name: "relevance", Names: []string{"relevance", "rel", "label", "grade"}, Number: true},
		{Name: "score", Names: []string{"score", "first_score"}, Optional: true, Number: true},
	}})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := &collection{judged: make(evaluate.Judgements), run: new(evaluate.Run)}
	queries, numbers := make(map[string]string), make(map[string]string)
	var texts []string
	for {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		v := record.Values
		grade, err := evaluate.Grade(v[2].Text)
		if err != nil {
			return nil, &records.LineError{File: r.Name(), Line: record.Line, Err: err}
		}
		query, known := numbers[v[0].Text]
		if !known {
			query = fmt.Sprint("q", len(numbers)+1)
			numbers[v[0].Text], queries[query] = query, v[0].Text
		}
		score := -float64(len(texts))
		if v[3].Set && v[3].Text != "" {
			if score, err = strconv.ParseFloat(v[3].Text, 64); err != nil {
				return nil, &records.LineError{File: r.Name(), Line: record.Line, Err: fmt.Errorf("score %q: expected a number", v[3].Text)}
			}
		}
		document := fmt.Sprint("d", len(texts)+1)
		texts = append(texts, v[1].Text)
		data.judged.Set(query, document, grade)
		data.run.Add(evaluate.Entry{Query: query, Document: document, Score: score})
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no judgements", r.Name())
	}
	data.query = func(id string) (string, error) { return queries[id], nil }
	data.text = func(id string) (string, error) {
		i, err := strconv.Atoi(id[1:])
		if err != nil {
			return "", err
		}
		return texts[i-1], nil
	}
	return data, nil
}

// measured returns the queries to measure and counts the others in the report.
func (d *collection) measured(all bool, report *evalReport) []string {
	var queries []string
	for _, q := range d.run.Queries {
		if d.judged[q] == nil {
			report.Unjudged++
			continue
		}
		queries = append(queries, q)
	}
	var missing []string
	for q := range d.judged {
		if d.run.Entries[q] == nil {
			missing = append(missing, q)
		}
	}
	report.Missing = len(missing)
	if all && len(queries) > 0 {
		queries = append(queries, missing...) // all measures are 0 without entries
	}
	report.Queries = len(queries)
	return queries
}

// rerank reranks the first K documents of each query with a model. The others stay below
// them in their order.
func (c *evalCommand) rerank(env *environment, data *collection, flags *modelFlags, into *candidate, report *evalReport) (ranking, error) {
	model, err := flags.open(env)
	if err != nil {
		return ranking{}, err
	}
	defer model.Close()
	into.Model, into.Precision = model.Info().Name, string(model.Info().Precision)
	progress := newMeter(env.stderr, "queries", 0, int64(len(data.run.Queries)))
	defer progress.finish()
	run := new(evaluate.Run)
	var latencies []time.Duration
	total, documents := time.Duration(0), 0
	for i, id := range data.run.Queries {
		if data.judged[id] == nil && c.Output == "" {
			continue
		}
		entries := evaluate.Ranked(data.run.Entries[id])
		query, err := data.query(id)
		if err != nil {
			return ranking{}, err
		}
		top := entries[:min(len(entries), c.TopK)]
		texts := make([]string, len(top))
		for j, e := range top {
			if texts[j], err = data.text(e.Document); err != nil {
				return ranking{}, err
			}
		}
		begin := time.Now()
		results, truncated, err := scoreDocuments(env.ctx, model, query, texts, func(int) {})
		if err != nil {
			return ranking{}, fmt.Errorf("query %q: %w", id, err)
		}
		latencies = append(latencies, time.Since(begin))
		total += latencies[len(latencies)-1]
		documents += len(top)
		into.Truncated += truncated
		lowest := 0.0
		for j, r := range results {
			if j == 0 || r.Logit < lowest {
				lowest = r.Logit
			}
			run.Add(evaluate.Entry{Query: id, Document: top[j].Document, Score: r.Logit})
		}
		for j, e := range entries[len(top):] {
			run.Add(evaluate.Entry{Query: id, Document: e.Document, Score: lowest - float64(j+1)})
		}
		progress.update(int64(i+1), int64(i+1))
	}
	report.Pairs = documents
	into.DocumentsPS = float64(documents) / total.Seconds()
	into.P50, into.P99 = percentile(latencies, 50), percentile(latencies, 99)
	return ranking{run: run}, nil
}

func writeRun(name string, run *evaluate.Run) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, q := range run.Queries {
		if err := evaluate.Write(w, run.Entries[q], "winnow"); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
