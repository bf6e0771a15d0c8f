package engine

import (
	"cmp"
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
)

// A ranker scores documents against a query.
type ranker interface {
	// encode makes the sequences of a query's documents, each of at most limit tokens.
	encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error)
	// score fills outputs with the scores of sequences that encode has made.
	score(ctx context.Context, sequences []Sequence, outputs []Output) error
	describe(info *Info)
	exporter
}

// An embedder makes vectors of texts.
type embedder interface {
	encodeTexts(ctx context.Context, texts []string, o TextOptions, limit int) (Encoded, error)
	embed(ctx context.Context, sequences []Sequence) ([][]float32, error)
	// states are the last hidden states of every token, those of a sequence one behind the
	// other.
	states(ctx context.Context, sequences []Sequence) ([][]float32, error)
	describe(info *Info)
	exporter
}

// A completer continues texts.
type completer interface {
	complete(ctx context.Context, prompt []int32, o CompleteOptions) (*Completion, error)
	describe(info *Info)
	exporter
}

// An exporter is a task that writes its settings to a GGUF file.
type exporter interface {
	export(e *checkpoint.Export) error
}

func (u unable) export(*checkpoint.Export) error { return nil }

// unable is a model that was not made for a task.
type unable struct{ err error }

func (u unable) encode(context.Context, string, []string, EncodeOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unable) score(context.Context, []Sequence, []Output) error { return u.err }

func (u unable) encodeTexts(context.Context, []string, TextOptions, int) (Encoded, error) {
	return Encoded{}, u.err
}

func (u unable) embed(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unable) states(context.Context, []Sequence) ([][]float32, error) { return nil, u.err }

func (u unable) complete(context.Context, []int32, CompleteOptions) (*Completion, error) {
	return nil, u.err
}

func (u unable) describe(*Info) {}

// A taskPlan is what a model is loaded for, decided by its files before there are
// weights.
type taskPlan struct {
	parts    []any // structs of tensors to load beside the trunk
	settings []any // structs with the dimensions that their tags name
	// finish sets the tasks up, once weights and tokenizer are there.
	finish func(o Options) error
}

// plan decides what the model is for.
func (m *Model) plan(task family.Task, o Options) (*taskPlan, error) {
	f := m.file
	m.ranker = unable{fmt.Errorf("%s: %w", m.path, ErrCannotRerank)}
	m.embedder = unable{fmt.Errorf("%s: %w", m.path, ErrCannotEmbed)}
	m.completer = unable{ErrCannotComplete}
	if err := cmp.Or(f.Err(), m.chooseLayer(o)); err != nil {
		return nil, err
	}
	switch {
	case task == family.Rank:
		return m.planListwise(), nil
	case f.LateInteraction(): // which has lengths of its own for queries and documents
		return m.planLate()
	}
	n, err := f.SequenceLimit()
	if err != nil {
		return nil, err
	}
	m.positions = m.network.MaxLength
	if n > 0 {
		m.network.MaxLength, m.sized = min(m.network.MaxLength, n), true
	}
	switch {
	case f.HasChain() || task == family.Embed:
		return m.planChain(o)
	case task == family.Generate:
		return m.planLanguageModel(), nil
	}
	return m.planClassifier(), nil
}

// chooseLayer has a layerwise reranker stop and compress where it is asked to.
func (m *Model) chooseLayer(o Options) error {
	switch l := m.network.Layerwise; {
	case m.file.Err() != nil:
		return m.file.Err()
	case l != nil:
		return l.Choose(m.file, o.Layer, o.CompressRatio, o.CompressLayers)
	case o.Layer != 0 || o.CompressRatio > 1:
		return fmt.Errorf("%s: a layer to stop behind, or compression, was asked for, but the model has one head, behind all of its layers", m.file.SettingsPath())
	}
	return nil
}

// planClassifier is for the head of a family's classification checkpoints.
func (m *Model) planClassifier() *taskPlan {
	n := m.network
	labels := &labelSettings{}
	labels.names = m.labels()
	labels.Count = len(labels.names)
	s := &scorer{Model: m, head: classifierHead{n.Classifier}, pooling: n.Pooling, labels: labels.names,
		words: n.Pooling.String() + " → " + n.Classifier.String()}
	p := &taskPlan{parts: []any{n.Classifier}, settings: []any{labels}}
	if n.Decoder.Words != nil {
		return m.planPrompted(p, s)
	}
	p.finish = func(o Options) error {
		if err := cmp.Or(noScore(m.file, o), s.judge(o)); err != nil {
			return err
		}
		var err error
		m.ranker, err = m.newPair(s)
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
func (m *Model) labels() []string {
	if m.network.OneLogit {
		return checkpoint.DefaultLabels(1)
	}
	labels := m.file.Labels()
	if m.file.IsGGUF() && !m.file.HasLabels() && likeQwen3(m.file.Architecture) && len(labels) == 2 {
		return []string{"yes", "no"}
	}
	return labels
}

// A scorer is what makes scores of sequences, however they were encoded.
type scorer struct {
	*Model
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
