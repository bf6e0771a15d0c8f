package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// An Estimate is a mean over queries with its 95 % confidence interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// A Difference is the mean difference of two rankings over queries. P is the
// probability of a difference at least as large, in either direction, if there is none.
type Difference struct {
	Estimate
	P float64 `json:"p"`
}

const (
	resamples  = 10000
	confidence = 0.95
)

// Mean estimates a mean by the percentile bootstrap.
func Mean(values []float64) Estimate {
	e, _ := bootstrap(values)
	return e
}

// Paired estimates how much b exceeds a on the same queries. P is from the bootstrap of
// the differences, shifted to mean 0.
func Paired(a, b []float64) Difference {
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = b[i] - a[i]
	}
	e, means := bootstrap(differences)
	beyond := 0
	for _, m := range means {
		if math.Abs(m-e.Mean) >= math.Abs(e.Mean) {
			beyond++
		}
	}
	return Difference{e, float64(beyond+1) / float64(len(means)+1)}
}

// bootstrap always draws the same samples, so that reports are reproducible.
func bootstrap(values []float64) (Estimate, []float64) {
	if len(values) == 0 {
		return Estimate{}, nil
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(values))))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	return Estimate{stat.Mean(values, nil), stat.Quantile((1-confidence)/2, stat.Empirical, means, nil),
		stat.Quantile((1+confidence)/2, stat.Empirical, means, nil)}, means
}
