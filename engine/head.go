package engine

import (
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/engine/internal/family"
	"github.com/winnow-rerank/winnow/kernels"
)

// A logitHead makes a row of logits of each row of pooled states: a family's classifier, a
// chain of modules, or the answers of a language model.
type logitHead interface {
	Logits(c *compute.Context, x compute.Matrix) compute.Matrix
	// export writes what the logits are.
	export(e *checkpoint.Export, labels []string)
	// exportPrompted does so for a model that reads a prompt, and says whether llama.cpp
	// ranks by the file.
	exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error)
}

// exportLabels writes what the logits are: those of the family's head, or of a chain.
func (s *scorer) exportLabels(e *checkpoint.Export) {
	if problem := s.file.String(keyProblem, ""); problem != "" {
		e.Set(keyProblem.GGUF, problem)
	}
	s.head.export(e, s.labels)
}

// A classifierHead is a family's own.
type classifierHead struct{ family.Classifier }

func (h classifierHead) export(e *checkpoint.Export, labels []string) { e.Labels(labels) }

// A chainHead is a cross-encoder's modules.
type chainHead struct{ *checkpoint.Chain }

func (h chainHead) export(e *checkpoint.Export, labels []string) { e.Chain(h.Chain, labels) }

func (h classifierHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	e.Labels(p.labels)
	if p.temperature != 0 { // NVIDIA's, which is not causal
		e.Scale("cls.output.weight", 1/p.temperature)
		return false, nil
	}
	e.PoolingType(checkpoint.PoolingTypeRank)
	if !likeQwen3(e.Architecture()) {
		return false, nil
	}
	if len(p.labels) == 1 {
		// llama.cpp takes the softmax of the classifier's rows, which of one is 1:
		// with one of zeros beside it, it is the sigmoid.
		score, err := p.file.Numbers("score.weight")
		if err != nil {
			return false, err
		}
		e.Add("cls.output.weight", []int{2, len(score)}, append(score, make([]float32, len(score))...))
		e.Labels([]string{"yes", "no"})
	}
	return true, nil
}

func (h chainHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	e.Chain(h.Chain, p.labels)
	return false, nil
}

// answerHead is the rows of a language model's head that belong to the answers.
type answerHead struct {
	ids     []int32
	table   *compute.Embedding // a row for each word's logit
	rows    *compute.Linear    // of ids
	cap     float32
	divisor float32
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

// exportPrompted makes a Qwen3-Reranker what llama.cpp knows as one: a classifier of the
// rows of "yes" and "no".
func (h *answerHead) exportPrompted(e *checkpoint.Export, p *prompted) (ranks bool, err error) {
	if !likeQwen3(e.Architecture()) || len(h.ids) != 2 || !p.calledQwenReranker() {
		return false, nil
	}
	ids, _, err := p.prompt.answers(p.tokenizer, "")
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

// likeQwen3 says whether an architecture has Qwen3-Reranker's prompt and answers.
func likeQwen3(architecture string) bool { return architecture == "qwen3" || architecture == "qwen3vl" }

// calledQwenReranker says whether the model is a Qwen3-Reranker by its name or its
// card, which is all that tells it from a language model.
func (m *backbone) calledQwenReranker() bool {
	for _, s := range []string{m.file.Name, checkpoint.Absolute(m.path), m.file.String(checkpoint.Key{HF: "_name_or_path"}, "")} {
		if s = strings.ReplaceAll(strings.ToLower(s), "-", ""); strings.Contains(s, "qwen3reranker") || strings.Contains(s, "qwen3vlreranker") {
			return true
		}
	}
	card, err := m.file.FileText("README.md")
	card = strings.ToLower(card)
	return err == nil && (strings.Contains(card, "# qwen3-reranker") || strings.Contains(card, "# qwen3-vl-reranker"))
}
