package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// affirmative are names of the label that says that a document is relevant: those
// of models that answer, and those of models of inference (NLI), to which a
// relevant document is one that entails the query.
var affirmative = []string{"entailment", "entail", "entails", "relevant", "yes", "true", "positive"}

// A judgement is how a score is made of a classifier's logits.
type judgement struct {
	relevant int  // number of the label that means relevant
	apart    bool // labels do not exclude each other: its logit stands alone
}

var keyProblem = checkpoint.Key{HF: "problem_type", GGUF: ".classifier.problem_type"}

// judge decides which label means relevant: the one that is asked for, by name or
// number; or the only one; or the only one with a name that says so; or, of two
// labels, the second.
func judge(f *checkpoint.File, labels []string, asked string) (judgement, error) {
	j := judgement{apart: f.String(keyProblem, "") == "multi_label_classification" || len(labels) == 1}
	if asked != "" {
		n, err := label(f, labels, asked)
		j.relevant = n
		return j, err
	}
	found := -1
	for i, name := range labels {
		if slices.Contains(affirmative, strings.ToLower(strings.TrimSpace(name))) {
			if found >= 0 {
				return j, f.Refuse("a classifier of the labels "+listed(labels), "say which one means that a document is relevant: --label NAME, or the option WithLabel")
			}
			found = i
		}
	}
	switch {
	case found >= 0:
		j.relevant = found
	case len(labels) <= 2:
		j.relevant = max(0, len(labels)-1)
	default:
		return j, f.Refuse(fmt.Sprintf("a classifier of %d labels, none of which is known to mean that a document is relevant (%s),", len(labels), listed(labels)),
			"say which one does: --label NAME, or the option WithLabel")
	}
	return j, nil
}

// label is the number of a label by its name or number.
func label(f *checkpoint.File, labels []string, asked string) (int, error) {
	for i, name := range labels {
		if strings.EqualFold(name, asked) {
			return i, nil
		}
	}
	if n, err := strconv.Atoi(asked); err == nil && n >= 0 && n < len(labels) {
		return n, nil
	}
	return 0, fmt.Errorf("%s: label %q: the model has %s", f.SettingsPath(), asked, listed(labels))
}

func listed(labels []string) string {
	names := make([]string, len(labels))
	for i, name := range labels {
		names[i] = strconv.Itoa(i) + " " + name
	}
	return checkpoint.Abridge(strings.Join(names, ", "))
}

// activation is what makes a probability of the logits.
func (j judgement) activation() string {
	if j.apart {
		return "sigmoid"
	}
	return "softmax"
}

// output makes a score of logits; ok is false if they are not finite. The
// probability is the relevant label's sigmoid or softmax; the logit is the number
// whose sigmoid that is: of two labels the difference, of more the relevant one's
// logit minus the logarithm of the others' summed exponentials.
func (j judgement) output(logits []float32) (out Output, ok bool) {
	z := float64(logits[j.relevant])
	if !j.apart {
		z -= logSumExpBut(logits, j.relevant)
	}
	return Output{Logit: z, Probability: sigmoid(z)}, !math.IsNaN(z) && !math.IsInf(z, 0)
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// logSumExpBut is log Σ exp(x) of all but one of the numbers.
func logSumExpBut(x []float32, but int) float64 {
	most := math.Inf(-1)
	for i, v := range x {
		if v := float64(v); i != but && (v > most || v != v) {
			most = v
		}
	}
	if len(x) == 2 || math.IsInf(most, 0) || math.IsNaN(most) {
		return most
	}
	sum := 0.0
	for i, v := range x {
		if i != but {
			sum += math.Exp(float64(v) - most)
		}
	}
	return most + math.Log(sum)
}
