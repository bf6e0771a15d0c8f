package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// Names are the names of the measures, in the order of Measures.
var Names = []string{"ndcg@10", "mrr@10", "map", "recall@100"}

// Measures are the measures of one query's ranking or their means, in the order of
// Names.
type Measures [4]float64

const (
	ndcgDepth   = 10
	mrrDepth    = 10
	recallDepth = 100
)

// Ranked returns the entries of one query in trec_eval's order: by descending score, as
// float32, and then by descending document. The ranks stated in a run are ignored.
func Ranked(entries []Entry) []Entry {
	ranked := slices.Clone(entries)
	slices.SortStableFunc(ranked, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(float32(b.Score), float32(a.Score)), cmp.Compare(b.Document, a.Document))
	})
	return ranked
}

// Measure measures the entries of one query. judged maps documents to grades.
func Measure(entries []Entry, judged map[string]int) Measures {
	var ideal []int
	for _, grade := range judged {
		if grade > 0 {
			ideal = append(ideal, grade)
		}
	}
	if len(ideal) == 0 {
		return Measures{}
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	best := 0.0
	for i, grade := range ideal[:min(len(ideal), ndcgDepth)] {
		best += discounted(grade, i)
	}
	gain, precisions, recalled, reciprocal := 0.0, 0.0, 0, 0.0
	relevant := 0 // so far
	for i, e := range Ranked(entries) {
		grade := judged[e.Document]
		if grade <= 0 {
			continue
		}
		relevant++
		precisions += float64(relevant) / float64(i+1)
		if i < ndcgDepth {
			gain += discounted(grade, i)
		}
		if i < mrrDepth && relevant == 1 {
			reciprocal = 1 / float64(i+1)
		}
		if i < recallDepth {
			recalled++
		}
	}
	n := float64(len(ideal))
	return Measures{gain / best, reciprocal, precisions / n, float64(recalled) / n}
}

// discounted returns the gain of a grade at a position, counted from 0.
func discounted(grade, position int) float64 { return float64(grade) / math.Log2(float64(position+2)) }
