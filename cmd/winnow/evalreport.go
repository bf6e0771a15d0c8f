package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/winnow-rerank/winnow/internal/evaluate"
)

// An evalReport is the result of winnow eval.
type evalReport struct {
	Queries  int `json:"queries"` // measured
	Pairs    int `json:"pairs"`   // reranked
	TopK     int `json:"top_k"`
	Unjudged int `json:"unjudged_queries"` // in the run without judgements, not measured
	Missing  int `json:"missing_queries"`  // judged but not in the run

	Before          figures    `json:"before"`
	BeforeIntervals intervals  `json:"before_intervals"`
	candidate                  // compared with Before
	Against         *candidate `json:"against,omitempty"` // compared with the candidate above
}

// Values by the names of the measures.
type (
	figures     map[string]float64
	intervals   map[string]evaluate.Estimate
	differences map[string]evaluate.Difference
)

// A candidate is the run reranked by one model.
type candidate struct {
	Model       string      `json:"model"`
	Precision   string      `json:"precision"`
	After       figures     `json:"after"`
	Intervals   intervals   `json:"intervals"`
	Difference  differences `json:"difference"`
	DocumentsPS float64     `json:"documents_per_second"`
	P50         float64     `json:"p50_ms"` // of a query
	P99         float64     `json:"p99_ms"`
	Truncated   int         `json:"truncated"` // number of documents
}

// A ranking is a run with the measures of each query, in a fixed order of queries.
type ranking struct {
	run    *evaluate.Run
	values []evaluate.Measures
}

func (r *ranking) measure(queries []string, judged evaluate.Judgements) {
	for _, q := range queries {
		r.values = append(r.values, evaluate.Measure(r.run.Entries[q], judged[q]))
	}
}

// column returns one measure of all queries.
func (r *ranking) column(i int) []float64 {
	values := make([]float64, len(r.values))
	for q, m := range r.values {
		values[q] = m[i]
	}
	return values
}

func (r *ranking) figures() (figures, intervals) {
	means, estimates := make(figures), make(intervals)
	for i, name := range evaluate.Names {
		e := evaluate.Mean(r.column(i))
		means[name], estimates[name] = e.Mean, e
	}
	return means, estimates
}

// compare sets the measures of a ranking and its differences from another one.
func (c *candidate) compare(from, to ranking) {
	c.After, c.Intervals = to.figures()
	c.Difference = make(differences)
	for i, name := range evaluate.Names {
		c.Difference[name] = evaluate.Paired(from.column(i), to.column(i))
	}
}

// print writes the report as a table.
func (r *evalReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%d queries, %d pairs; the top %d documents of each query reranked\n", r.Queries, r.Pairs, r.TopK)
	if r.Unjudged > 0 || r.Missing > 0 {
		fmt.Fprintf(w, "%d queries of the run have no judgements; %d judged queries are missing from the run\n", r.Unjudged, r.Missing)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\tbefore\t")
	candidates := r.candidates()
	for i, c := range candidates {
		fmt.Fprintf(t, "%s %s\tdifference from %s\tp\t", c.Model, c.Precision, []string{"before", "first model"}[i])
	}
	fmt.Fprintln(t)
	for _, name := range evaluate.Names {
		fmt.Fprintf(t, "%s\t%s\t", name, interval(r.BeforeIntervals[name], "%.4f"))
		for _, c := range candidates {
			d := c.Difference[name]
			fmt.Fprintf(t, "%s\t%s\t%.4f\t", interval(c.Intervals[name], "%.4f"), interval(d.Estimate, "%+.4f"), d.P)
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "documents/s\t\t")
	for _, c := range candidates {
		fmt.Fprintf(t, "%.1f\t\t\t", c.DocumentsPS)
	}
	fmt.Fprint(t, "\nms per query, p50, p99\t\t")
	for _, c := range candidates {
		fmt.Fprintf(t, "%.1f, %.1f\t\t\t", c.P50, c.P99)
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range candidates {
		if c.Truncated > 0 {
			fmt.Fprintf(w, "%s: %d documents exceed the model's maximum length and were truncated\n", c.Model, c.Truncated)
		}
	}
	_, err := fmt.Fprintln(w, "\nBrackets: 95 % confidence intervals, bootstrapped over queries; p from the paired bootstrap.")
	return err
}

func (r *evalReport) candidates() []*candidate {
	list := []*candidate{&r.candidate}
	if r.Against != nil {
		list = append(list, r.Against)
	}
	return list
}

func interval(e evaluate.Estimate, format string) string {
	return fmt.Sprintf(format+" ["+format+", "+format+"]", e.Mean, e.Low, e.High)
}
