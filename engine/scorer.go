package engine

import (
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/kernels"
)

// A scorer computes scores of sequences, independent of how they were encoded.
type scorer struct {
	*backbone
	head        logitHead
	pooling     compute.Pooling
	temperature float32 // divisor of the logits; 0: 1
	labels      []string
	relevance   relevance
	headText    string // for Info.Head
}

// chooseLabel decides which label means that a document is relevant.
func (s *scorer) chooseLabel(o Options) (err error) {
	s.relevance, err = findRelevance(s.file, s.labels, o.Label)
	if o.anyLabel {
		return nil
	}
	return err
}

func (s *scorer) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return s.forward(ctx, s, sequences, outputs, nil)
}

// runBatch computes the scores of a batch.
func (s *scorer) runBatch(c *compute.Context, r *call) {
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
		if r.outputs[n], ok = s.relevance.output(row); !ok {
			r.nonFinite.Store(int64(n))
		}
	}
}

func (s *scorer) describe(info *Info) {
	info.Tasks = append(info.Tasks, "rerank")
	info.Head, info.Labels = s.headText, s.labels
	info.Activation, info.Configured = s.relevance.activation(), s.file.ConfiguredActivation()
	info.Relevant = s.labels[s.relevance.label]
}

// A logitHead computes a row of logits for each row of pooled states. It is a family's
// classifier, a chain of modules, or the answer rows of a language model's head.
type logitHead interface {
	Logits(c *compute.Context, x compute.Matrix) compute.Matrix
	// export writes the head's settings and labels.
	export(e *checkpoint.Export, labels []string)
	// exportPrompted does the same for a model with the prompt p, and reports whether
	// llama.cpp can rank with the file.
	exportPrompted(e *checkpoint.Export, s *scorer, p *prompt) (ranks bool, err error)
}

// exportLabels writes the head's settings and labels, and the problem type of the
// classifier.
func (s *scorer) exportLabels(e *checkpoint.Export) {
	if problem := s.file.String(keyProblem, ""); problem != "" {
		e.Set(keyProblem.GGUF, problem)
	}
	s.head.export(e, s.labels)
}

// A classifierHead is the classifier of a family.
type classifierHead struct{ family.Classifier }

func (h classifierHead) export(e *checkpoint.Export, labels []string) { e.Labels(labels) }

func (h classifierHead) exportPrompted(e *checkpoint.Export, s *scorer, p *prompt) (ranks bool, err error) {
	e.Labels(s.labels)
	if s.temperature != 0 { // NVIDIA's reranker, which is not causal
		e.Scale("cls.output.weight", 1/s.temperature)
		return false, nil
	}
	e.PoolingType(checkpoint.PoolingTypeRank)
	if !isQwen3(e.Architecture()) {
		return false, nil
	}
	if len(s.labels) == 1 {
		// llama.cpp applies softmax to the classifier's rows, which is always 1 for a
		// single row. With a second row of zeros, it equals the sigmoid.
		score, err := s.file.Numbers("score.weight")
		if err != nil {
			return false, err
		}
		e.Add("cls.output.weight", []int{2, len(score)}, append(score, make([]float32, len(score))...))
		e.Labels([]string{"yes", "no"})
	}
	return true, nil
}

// A chainHead is the chain of modules of a cross-encoder.
type chainHead struct{ *checkpoint.Chain }

func (h chainHead) export(e *checkpoint.Export, labels []string) { e.Chain(h.Chain, labels) }

func (h chainHead) exportPrompted(e *checkpoint.Export, s *scorer, p *prompt) (ranks bool, err error) {
	e.Chain(h.Chain, s.labels)
	return false, nil
}

// An answerHead consists of the rows of a language model's head for the answer tokens.
type answerHead struct {
	ids     []int32            // answer tokens
	table   *compute.Embedding // the whole head, a row for each token
	rows    *compute.Linear    // the rows of ids
	cap     float32            // of softCap
	divisor float32            // of the logits, after softCap
}

func (h *answerHead) Logits(c *compute.Context, x compute.Matrix) compute.Matrix {
	y := c.Linear(h.rows, x, kernels.Identity)
	for i := range y.Rows {
		softCap(y.Row(i), h.cap)
		if h.divisor != 1 {
			for j, v := range y.Row(i) {
				y.Row(i)[j] = v / h.divisor
			}
		}
	}
	return y
}

func (h *answerHead) export(e *checkpoint.Export, labels []string) { e.LogitScore(h.ids) }

// exportPrompted writes a Qwen3-Reranker in the form that llama.cpp expects: with a
// classifier made from the rows of "yes" and "no".
func (h *answerHead) exportPrompted(e *checkpoint.Export, s *scorer, p *prompt) (ranks bool, err error) {
	if !isQwen3(e.Architecture()) || len(h.ids) != 2 || !s.namedQwenReranker() {
		return false, nil
	}
	ids, _, err := p.answerTokens(s.tokenizer, "")
	if err != nil {
		return false, err
	}
	rows := make([]float32, 2*h.table.Cols)
	h.table.Row(rows[:h.table.Cols], ids[1])
	h.table.Row(rows[h.table.Cols:], ids[0])
	e.Add("cls.output.weight", []int{2, h.table.Cols}, rows)
	e.Labels([]string{"yes", "no"})
	e.PoolingType(checkpoint.PoolingTypeRank)
	return true, nil
}
