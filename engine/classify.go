package engine

import (
	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// planClassifier plans for a checkpoint with the classifier of its family.
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

// labelSettings defines the number of labels for the shapes of a classifier's tensors.
type labelSettings struct {
	Count int `dim:"labels"`
	names []string
}

// labels returns the labels of the classifier. llama.cpp's converter may omit the labels
// of the two answers of Qwen3-Reranker; the first is then the relevant one.
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
