package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
)

// A scorer is what makes scores of sequences, however they were encoded.
type scorer struct {
	*backbone
	head        logitHead
	pooling     compute.Pooling
	temperature float32 // that logits are divided by; 0: 1
	labels      []string
	judgement   judgement
	words       string // what makes the logits
}

// judge decides which label means that a document is relevant.
func (s *scorer) judge(o Options) (err error) {
	s.judgement, err = judge(s.file, s.labels, o.Label)
	if o.unjudged {
		return nil
	}
	return err
}

func (s *scorer) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return s.forward(ctx, s, sequences, outputs, nil)
}

// finish makes the scores of a batch.
func (s *scorer) finish(c *compute.Context, r *call) {
	x := s.network.Trunk.Hidden(c, s.pooling.Want())
	if c.Cancelled() {
		return
	}
	logits := s.head.Logits(c, c.Pool(x, s.pooling))
	for i, n := range c.Batch.Numbers {
		row := logits.Row(i)
		if s.temperature != 0 && s.temperature != 1 {
			for j := range row {
				row[j] /= s.temperature
			}
		}
		var ok bool
		if r.outputs[n], ok = s.judgement.output(row); !ok {
			r.bad.Store(int64(n))
		}
	}
}

func (s *scorer) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Head, info.Labels = s.words, s.labels
	info.Activation, info.Configured = s.judgement.activation(), s.file.ConfiguredActivation()
	info.Relevant = s.labels[s.judgement.relevant]
}

// noScore is the error of a scoring that is asked for where the model leaves no choice.
func noScore(f *checkpoint.File, o Options) error {
	if o.Score == "" {
		return nil
	}
	return fmt.Errorf("%s: the scoring %q was asked for, but the model has its own", f.SettingsPath(), o.Score)
}

// noLabel is the error of a label that is asked for where there is no classifier.
func noLabel(f *checkpoint.File, o Options) error {
	if o.Label == "" {
		return nil
	}
	return fmt.Errorf("%s: the label %q was asked for, but the model has no classifier", f.Path, o.Label)
}

// planClassifier is for the head of a family's classification checkpoints.
func (m *backbone) planClassifier() *taskPlan {
	n := m.network
	labels := &labelSettings{}
	labels.names = m.labels()
	labels.Count = len(labels.names)
	s := &scorer{backbone: m, head: classifierHead{n.Classifier}, pooling: n.Pooling, labels: labels.names,
		words: n.Pooling.String() + " → " + n.Classifier.String()}
	p := &taskPlan{parts: []any{n.Classifier}, settings: []any{labels}}
	if n.Decoder.Words != nil {
		return m.planPrompted(p, s)
	}
	p.finish = func(t *tasks, o Options) error {
		if err := cmp.Or(noScore(m.file, o), s.judge(o)); err != nil {
			return err
		}
		var err error
		t.ranker, err = m.newPair(s)
		return err
	}
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
