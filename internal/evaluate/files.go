package evaluate

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/winnow-rerank/winnow/internal/records"
)

// An Entry is a document retrieved for a query.
type Entry struct {
	Query, Document string
	Score           float64
}

// A Run is the retrieved documents of each query.
type Run struct {
	Queries []string // in the order of their first entries
	Entries map[string][]Entry
}

// Add adds an entry.
func (r *Run) Add(e Entry) {
	if r.Entries == nil {
		r.Entries = make(map[string][]Entry)
	}
	if _, known := r.Entries[e.Query]; !known {
		r.Queries = append(r.Queries, e.Query)
	}
	r.Entries[e.Query] = append(r.Entries[e.Query], e)
}

// Judgements are relevance grades by query and document. Grades of 1 and more mean
// relevant; unjudged documents count as not relevant.
type Judgements map[string]map[string]int

// Column names in files with a header.
var (
	queryNames    = []string{"query-id", "query_id", "qid", "topic", "query"}
	documentNames = []string{"corpus-id", "corpus_id", "document_id", "doc_id", "docid", "docno", "pid", "document"}
	gradeNames    = []string{"score", "relevance", "rel", "label", "grade"}
)

func column(name string, names []string) records.Column {
	return records.Column{Name: name, Names: names, Number: true}
}

// A RunReader reads a run entry by entry.
type RunReader struct {
	*records.Reader
	at [3]int // columns of the query, the document and the score
}

// OpenRun opens a run in TREC format (query Q0 document rank score tag), or with a
// header or fields named query-id, corpus-id and score.
func OpenRun(name string, stdin io.Reader) (*RunReader, error) {
	r, at, err := open(name, stdin, []string{"query", "Q0", "document", "rank", "score", "tag"}, [3]int{0, 2, 4}, []string{"score", "sim"})
	if err != nil {
		return nil, err
	}
	return &RunReader{r, at}, nil
}

// open opens a file with TREC fields or the columns query-id, corpus-id and one of
// last. It returns the indices of the query, the document and the value, which are
// fieldsAt for TREC fields.
func open(name string, stdin io.Reader, fields []string, fieldsAt [3]int, last []string) (r *records.Reader, at [3]int, err error) {
	ext := records.Ext(name)
	asFields := func() (*records.Reader, [3]int, error) {
		var columns []records.Column
		for _, f := range fields {
			columns = append(columns, records.Column{Name: f})
		}
		r, err := records.Open(name, records.Options{Columns: columns, Format: records.Fields, Stdin: stdin})
		return r, fieldsAt, err
	}
	if !slices.Contains([]string{".csv", ".tsv", ".jsonl", ".json"}, ext) {
		return asFields()
	}
	r, err = records.Open(name, records.Options{Stdin: stdin,
		Columns: []records.Column{column("query-id", queryNames), column("corpus-id", documentNames), column(last[0], last)}})
	if line := new(records.LineError); errors.As(err, &line) && line.Line == 1 && ext == ".tsv" {
		// MS MARCO uses the extension .tsv for files in TREC format.
		if r, _, err := asFields(); err == nil {
			_, first := r.Read()
			_ = r.Close()
			if first == nil {
				return asFields()
			}
		}
	}
	return r, [3]int{0, 1, 2}, err
}

// Read returns the next entry and its line, io.EOF after the last one.
func (r *RunReader) Read() (line int, e Entry, err error) {
	record, err := r.Reader.Read()
	if err != nil {
		return 0, e, err
	}
	e = Entry{Query: record.Values[r.at[0]].Text, Document: record.Values[r.at[1]].Text}
	score := record.Values[r.at[2]].Text
	if e.Score, err = strconv.ParseFloat(score, 64); err != nil || math.IsNaN(e.Score) {
		return 0, e, &records.LineError{File: r.Name(), Line: record.Line, Err: fmt.Errorf("score %q: expected a number", score)}
	}
	return record.Line, e, nil
}

// ReadRun reads a whole run.
func ReadRun(name string, stdin io.Reader) (*Run, error) {
	r, err := OpenRun(name, stdin)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	run := new(Run)
	seen := make(map[[2]string]bool)
	for {
		line, e, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		key := [2]string{e.Query, e.Document}
		if seen[key] {
			return nil, &records.LineError{File: r.Name(), Line: line, Err: fmt.Errorf("query %q has document %q twice", e.Query, e.Document)}
		}
		seen[key] = true
		run.Add(e)
	}
	if len(run.Queries) == 0 {
		return nil, fmt.Errorf("%s has no entries", r.Name())
	}
	return run, nil
}

// ReadJudgements reads judgements in TREC format (query iteration document relevance),
// or with a header or fields named query-id, corpus-id and score.
func ReadJudgements(name string, stdin io.Reader) (Judgements, error) {
	r, at, err := open(name, stdin, []string{"query", "iteration", "document", "relevance"}, [3]int{0, 2, 3}, gradeNames)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	judged := make(Judgements)
	for {
		record, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		query, document := record.Values[at[0]].Text, record.Values[at[1]].Text
		grade, err := Grade(record.Values[at[2]].Text)
		if err != nil {
			return nil, &records.LineError{File: r.Name(), Line: record.Line, Err: err}
		}
		if before, twice := judged[query][document]; twice && before != grade {
			return nil, &records.LineError{File: r.Name(), Line: record.Line, Err: fmt.Errorf("query %q has document %q as %d and as %d", query, document, before, grade)}
		}
		judged.Set(query, document, grade)
	}
	if len(judged) == 0 {
		return nil, fmt.Errorf("%s has no judgements", r.Name())
	}
	return judged, nil
}

// Set sets the grade of a document.
func (j Judgements) Set(query, document string, grade int) {
	if j[query] == nil {
		j[query] = make(map[string]int)
	}
	j[query][document] = grade
}

// Grade parses a relevance grade, an integer that may be written as 1.0.
func Grade(s string) (int, error) {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) > 1e6 {
		return 0, fmt.Errorf("relevance %q: expected a whole number", s)
	}
	return int(x), nil
}

// Write writes the entries of a query in TREC format, best first.
func Write(w io.Writer, entries []Entry, tag string) error {
	for i, e := range Ranked(entries) {
		if _, err := fmt.Fprintf(w, "%s Q0 %s %d %s %s\n", e.Query, e.Document, i+1, strconv.FormatFloat(e.Score, 'g', -1, 64), tag); err != nil {
			return err
		}
	}
	return nil
}
