package engine

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// planPrompted completes p, the plan for a classifier, for models that read a prompt.
// GGUF files from llama.cpp may also contain a language model's head.
func (b *backbone) planPrompted(p *taskPlan, s *scorer) *taskPlan {
	s.temperature = b.network.Temperature
	head := &languageHead{}
	if b.file.IsGGUF() {
		p.parts = append(p.parts, head)
	}
	p.finish = func(t *tasks, o Options) error {
		if err := rejectScore(b.file, o); err != nil {
			return err
		}
		if b.file.IsGGUF() && (head.Output != nil || b.classifierIsTied(s.labels)) {
			t.completer = b.newLanguageModel(head, o)
		}
		if err := s.chooseLabel(o); err != nil {
			return err
		}
		w, err := b.inputFormat(o)
		if err != nil {
			return err
		}
		t.ranker, err = w.ranker(s, o)
		return err
	}
	return p
}

// planLanguageModel plans for a language model, which completes texts, and ranks if its
// answers are single tokens.
func (b *backbone) planLanguageModel() *taskPlan {
	head := &languageHead{}
	return &taskPlan{parts: []any{head}, finish: func(t *tasks, o Options) error {
		if err := rejectLabel(b.file, o); err != nil {
			return err
		}
		oneStep := b.network.Decoder.OneStep
		table := head.table(b)
		if !oneStep {
			t.completer = b.newLanguageModel(head, o)
		}
		format, err := b.inputFormat(o)
		if err != nil {
			return err
		}
		p := format.answerPrompt()
		ids, labels, err := b.answerTokens(p, o)
		if err != nil && o.Score == "" && o.Template == "" && !oneStep {
			t.ranker = unsupported{&noAnswers{b.path, err}}
			return nil // it still completes
		}
		if err != nil {
			return &fault.UnsupportedError{Path: b.file.SettingsPath(), What: err.Error(), Hint: "choose a token with the score option, token:ID"}
		}
		s, err := b.newAnswerScorer(table, ids, labels, p.divisor)
		if err != nil {
			return err
		}
		t.ranker, err = format.ranker(s, o)
		return err
	}}
}

// newAnswerScorer returns a scorer that uses the rows ids of the output matrix table as a
// classifier.
func (b *backbone) newAnswerScorer(table *compute.Embedding, ids []int32, labels []string, divisor float32) (*scorer, error) {
	for _, id := range ids {
		if int(id) >= table.Rows {
			return nil, &fault.FormatError{Path: b.file.SettingsPath(), Field: "score", Offset: -1, Found: fmt.Sprintf("token %d", id), Want: fmt.Sprintf("less than %d, the rows of the vocabulary", table.Rows)}
		}
	}
	d := b.network.Decoder
	s := &scorer{backbone: b, pooling: compute.PoolLast, labels: labels, headText: "last token → logits of answers",
		head: &answerHead{ids: ids, table: table, rows: table.Linear(ids), cap: d.LogitCap, divisor: divisor / cmp.Or(d.LogitScale, 1)}}
	if d.OneStep {
		s.headText = "the decoder's first step → logits of answers"
	}
	return s, s.chooseLabel(Options{})
}

// noAnswers is the error of ranking with a language model whose answers are not single
// tokens.
type noAnswers struct {
	path string
	err  error
}

func (e *noAnswers) Error() string { return e.path + ": the model cannot rerank: " + e.err.Error() }

func (e *noAnswers) Unwrap() []error { return []error{ErrCannotRerank, e.err} }

// classifierIsTied reports whether the classifier of a GGUF file consists of rows of the
// embedding table, up to quantisation error. Converters omit a language model's head that
// is tied to that table, and do not record whether the model has one.
func (b *backbone) classifierIsTied(labels []string) bool {
	words := b.network.Decoder.Words
	score, _ := b.file.Tensor("cls.output.weight")
	if len(labels) != 2 || !strings.EqualFold(labels[0], "yes") || len(score.Shape) != 2 || score.Shape[0] != 2 || score.Shape[1] != words.Cols || !score.Type.CanDequantize() {
		return false
	}
	rows := compute.NewEmbedding(score)
	row, word := make([]float32, words.Cols), make([]float32, words.Cols)
	for i, label := range labels {
		ids, err := b.tokenizer.Tokens(nil, label)
		if err != nil || len(ids) != 1 || int(ids[0]) >= words.Rows {
			return false
		}
		rows.Row(row, int32(i))
		words.Row(word, ids[0])
		if cosine(toFloat64(row), toFloat64(word)) < 0.9 {
			return false
		}
	}
	return true
}
