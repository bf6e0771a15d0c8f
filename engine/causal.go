package engine

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
)

// planPrompted is for causal models with a classifier. GGUF files of llama.cpp's
// may have a language model's head besides.
func (m *backbone) planPrompted(p *taskPlan, s *scorer) *taskPlan {
	s.temperature = m.network.Temperature
	head := &languageHead{}
	if m.file.IsGGUF() {
		p.parts = append(p.parts, head)
	}
	p.finish = func(t *tasks, o Options) error {
		if err := noScore(m.file, o); err != nil {
			return err
		}
		if m.file.IsGGUF() && (head.Output != nil || m.classifiesByWords(s.labels)) {
			t.completer = m.newLanguageModel(head, o)
		}
		if err := s.judge(o); err != nil {
			return err
		}
		w, err := m.wording(o)
		if err != nil {
			return err
		}
		t.ranker, err = w.ranker(s, o)
		return err
	}
	return p
}

// planLanguageModel is for a language model, which completes, and ranks by its
// answers if they are single tokens.
func (m *backbone) planLanguageModel() *taskPlan {
	head := &languageHead{}
	return &taskPlan{parts: []any{head}, finish: func(t *tasks, o Options) error {
		if err := noLabel(m.file, o); err != nil {
			return err
		}
		d := m.network.Decoder
		table := head.table(m)
		if !d.OneStep {
			t.completer = m.newLanguageModel(head, o)
		}
		w, err := m.wording(o)
		if err != nil {
			return err
		}
		p := w.answers()
		ids, labels, err := m.answers(p, o)
		if err != nil && o.Score == "" && o.Template == "" && !d.OneStep {
			t.ranker = unable{&noAnswers{m.path, err}}
			return nil // it still completes
		}
		if err != nil {
			return &fault.UnsupportedError{Path: m.file.SettingsPath(), What: err.Error(), Hint: "choose a token with the score option, token:ID"}
		}
		for _, id := range ids {
			if int(id) >= table.Rows {
				return &fault.FormatError{Path: m.file.SettingsPath(), Field: "score", Offset: -1, Found: fmt.Sprintf("token %d", id), Want: fmt.Sprintf("less than %d, the rows of the vocabulary", table.Rows)}
			}
		}
		s := &scorer{backbone: m, pooling: compute.PoolLast, labels: labels, words: "last token → logits of answers",
			head: &answerHead{ids: ids, table: table, rows: table.Linear(ids), cap: d.LogitCap, divisor: p.divisor / cmp.Or(d.LogitScale, 1)}}
		if d.OneStep {
			s.words = "the decoder's first step → logits of answers"
		}
		if err := s.judge(Options{}); err != nil {
			return err
		}
		t.ranker, err = w.ranker(s, o)
		return err
	}}
}

// noAnswers is the error of a language model whose vocabulary lacks the answers.
type noAnswers struct {
	path string
	err  error
}

func (e *noAnswers) Error() string { return e.path + ": the model cannot rerank: " + e.err.Error() }

func (e *noAnswers) Unwrap() []error { return []error{ErrCannotRerank, e.err} }

// classifiesByWords says whether a GGUF file's classifier is rows of the embedding
// table, up to what the two lose in quantization. Converters leave the language
// model's head out where it is that table, without a word of which kind the file
// is.
func (m *backbone) classifiesByWords(labels []string) bool {
	words := m.network.Decoder.Words
	score, _ := m.file.Tensor("cls.output.weight")
	if len(labels) != 2 || !strings.EqualFold(labels[0], "yes") || len(score.Shape) != 2 || score.Shape[0] != 2 || score.Shape[1] != words.Cols || !score.Type.CanDequantize() {
		return false
	}
	rows := compute.NewEmbedding(score)
	a, b := make([]float32, words.Cols), make([]float32, words.Cols)
	for i, label := range labels {
		ids, err := m.tokenizer.Tokens(nil, label)
		if err != nil || len(ids) != 1 || int(ids[0]) >= words.Rows {
			return false
		}
		rows.Row(a, int32(i))
		words.Row(b, ids[0])
		if cosine(doubles(a), doubles(b)) < 0.9 {
			return false
		}
	}
	return true
}
