package engine

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// planClassifier is for the head of a family's classification checkpoints.
func (b *backbone) planClassifier() *taskPlan {
	n := b.network
	labels := &labelSettings{}
	labels.names = b.labels()
	labels.Count = len(labels.names)
	s := &scorer{backbone: b, head: classifierHead{n.Classifier}, pooling: n.Pooling, labels: labels.names,
		headText: n.Pooling.String() + " → " + n.Classifier.String()}
	p := &taskPlan{parts: []any{n.Classifier}, settings: []any{labels}}
	if n.Prompted() {
		return b.planPrompted(p, s)
	}
	p.finish = s.finishPairs
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
func (b *backbone) labels() []string {
	if b.network.OneLogit {
		return checkpoint.DefaultLabels(1)
	}
	labels := b.file.Labels()
	if b.file.IsGGUF() && !b.file.HasLabels() && isQwen3(b.file.Architecture) && len(labels) == 2 {
		return []string{"yes", "no"}
	}
	return labels
}
