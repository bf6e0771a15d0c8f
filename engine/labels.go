package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// relevantNames are label names that mean relevant. For natural language inference
// (NLI) models, a relevant document is one that entails the query.
var relevantNames = []string{"entailment", "entail", "entails", "relevant", "yes", "true", "positive"}

// A relevance says how to turn a classifier's logits into a score.
type relevance struct {
	label       int  // number of the label that means relevant
	independent bool // labels are not mutually exclusive: only this label's logit counts
}

var keyProblem = checkpoint.Key{HF: "problem_type", GGUF: ".classifier.problem_type"}

// findRelevance decides which label means relevant: the requested one, by name or
// number; the only one whose name says so; the only label; or the second of two.
func findRelevance(f *checkpoint.File, labels []string, requested string) (relevance, error) {
	r := relevance{independent: f.String(keyProblem, "") == "multi_label_classification" || len(labels) == 1}
	if requested != "" {
		n, err := labelNumber(f, labels, requested)
		r.label = n
		return r, err
	}
	found := -1
	for i, name := range labels {
		if slices.Contains(relevantNames, strings.ToLower(strings.TrimSpace(name))) {
			if found >= 0 {
				return r, f.Refuse("a classifier of the labels "+formatLabels(labels), "name the one that means relevant: --label NAME, or the option WithLabel")
			}
			found = i
		}
	}
	switch {
	case found >= 0:
		r.label = found
	case len(labels) <= 2:
		r.label = max(0, len(labels)-1)
	default:
		return r, f.Refuse(fmt.Sprintf("a classifier of %d labels, none of which is known to mean relevant (%s),", len(labels), formatLabels(labels)),
			"name the one that does: --label NAME, or the option WithLabel")
	}
	return r, nil
}

// labelNumber returns the index of a label given by name, ignoring case, or by number.
func labelNumber(f *checkpoint.File, labels []string, requested string) (int, error) {
	for i, name := range labels {
		if strings.EqualFold(name, requested) {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(requested); err == nil && n >= 0 && n < len(labels) {
		return n, nil
	}
	return 0, fmt.Errorf("%s: label %q: the model has %s", f.SettingsPath(), requested, formatLabels(labels))
}

func formatLabels(labels []string) string {
	names := make([]string, len(labels))
	for i, name := range labels {
		names[i] = strconv.Itoa(i) + " " + name
	}
	return checkpoint.Abridge(strings.Join(names, ", "))
}

// activation names the function that turns logits into a probability.
func (r relevance) activation() string {
	if r.independent {
		return "sigmoid"
	}
	return "softmax"
}

// output turns logits into a score; ok is false if it is not finite. Probability is the
// sigmoid or softmax of the relevant label; Logit is the number whose sigmoid is
// Probability: for a softmax, the relevant logit minus the log-sum-exp of the others,
// which for two labels is the difference of the logits.
func (r relevance) output(logits []float32) (out Output, ok bool) {
	z := float64(logits[r.label])
	if !r.independent {
		z -= logSumExpExcept(logits, r.label)
	}
	return Output{Logit: z, Probability: sigmoid(z)}, !math.IsNaN(z) && !math.IsInf(z, 0)
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// logSumExpExcept returns log Σ exp(xᵢ) over all i except one.
func logSumExpExcept(x []float32, except int) float64 {
	largest := math.Inf(-1)
	for i, v := range x {
		if v := float64(v); i != except && (v > largest || v != v) {
			largest = v
		}
	}
	if len(x) == 2 || math.IsInf(largest, 0) || math.IsNaN(largest) {
		return largest
	}
	sum := 0.0
	for i, v := range x {
		if i != except {
			sum += math.Exp(float64(v) - largest)
		}
	}
	return largest + math.Log(sum)
}
