package engine

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// planClassifier is for the head of a family's classification checkpoints.
func (m *backbone) planClassifier() *taskPlan {
	n := m.network
	labels := &labelSettings{}
	labels.names = m.labels()
	labels.Count = len(labels.names)
	s := &scorer{backbone: m, head: classifierHead{n.Classifier}, pooling: n.Pooling, labels: labels.names,
		words: n.Pooling.String() + " → " + n.Classifier.String()}
	p := &taskPlan{parts: []any{n.Classifier}, settings: []any{labels}}
	if n.Prompted() {
		return m.planPrompted(p, s)
	}
	p.finish = s.pairs
	return p
}

// labelSettings names the number of a classifier's labels for the shapes of its
// tensors.
type labelSettings struct {
	Count int `dim:"labels"`
	names []string
}

// labels are the classifier's. llama.cpp's converter leaves those of Qwen 3's two
// answers out where they have no names: the first is the relevant one.
func (m *backbone) labels() []string {
	if m.network.OneLogit {
		return checkpoint.DefaultLabels(1)
	}
	labels := m.file.Labels()
	if m.file.IsGGUF() && !m.file.HasLabels() && likeQwen3(m.file.Architecture) && len(labels) == 2 {
		return []string{"yes", "no"}
	}
	return labels
}
