package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A prompted model reads query and document in a prompt. Its score is made of the
// logits of answers ("yes" and "no", say), which are rows of the language model's
// head, at the last token; or of a classifier.
type prompted struct {
	*scorer
	prompt   *prompt
	prefixes *compute.PrefixCache // nil where tokens see both ways
}

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
		t.ranker, err = m.worded(s, w, o)
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
		ids, labels, err := m.answers(w, o)
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
			head: &answerHead{ids: ids, table: table, rows: table.Linear(ids), cap: d.LogitCap, divisor: w.divisor() / cmp.Or(d.LogitScale, 1)}}
		if d.OneStep {
			s.words = "the decoder's first step → logits of answers"
		}
		if err := s.judge(Options{}); err != nil {
			return err
		}
		t.ranker, err = m.worded(s, w, o)
		return err
	}}
}

// answers are the tokens whose logits make the score: those that the files name, or
// those of the prompt.
func (m *backbone) answers(w *wording, o Options) (ids []int32, labels []string, err error) {
	yes, no, ok, err := m.file.LogitScore()
	if err != nil {
		return nil, nil, err
	}
	if ok && o.Score == "" {
		name := func(id int) string { return "token " + strconv.Itoa(id) }
		if no < 0 {
			return []int32{int32(yes)}, []string{name(yes)}, nil
		}
		return []int32{int32(no), int32(yes)}, []string{name(no), name(yes)}, nil
	}
	p := w.prompt
	if p == nil {
		p = qwen3Prompt() // for its answers, yes and no
	}
	return p.answers(m.tokenizer, o.Score)
}

// noAnswers is the error of a language model whose vocabulary lacks the answers.
type noAnswers struct {
	path string
	err  error
}

func (e *noAnswers) Error() string   { return e.path + ": the model cannot rerank: " + e.err.Error() }
func (e *noAnswers) Unwrap() []error { return []error{ErrCannotRerank, e.err} }

func (m *backbone) newPrompted(s *scorer, p *prompt) *prompted {
	if p.slack != nil {
		m.slack = 2 * m.maxLength
	}
	r := &prompted{scorer: s, prompt: p}
	if d := m.network.Decoder; d.Causal && !d.Parts {
		r.prefixes = m.prefixCache()
	}
	return r
}

func (p *prompted) describe(info *Info) {
	p.scorer.describe(info)
	info.Prompt, info.PromptReason = p.prompt.name, p.prompt.reason
}

// export writes what makes scores of a causal model, and its prompt.
func (p *prompted) export(e *checkpoint.Export) error {
	ranks, err := p.head.exportPrompted(e, p)
	if err != nil {
		return err
	}
	if usual := p.qwenPrompt(); ranks && p.prompt.name == usual.name {
		e.Set("tokenizer.chat_template.rerank", usual.whole())
		e.Set("tokenizer.chat_templates", []string{"rerank"})
	} else {
		e.Set(keyPrompt.GGUF, p.prompt.name)
	}
	e.ChatTemplate()
	return nil
}

// wordMark begins the words of a SentencePiece vocabulary. An answer that begins with it
// is a token by its spelling there.
const wordMark = "▁"

// answers are the tokens whose logits make the score: of "no" and "yes", in this
// order, or of one alone.
func (p *prompt) answers(t *tokenizer.Tokenizer, score string) (ids []int32, labels []string, err error) {
	word := func(w string) int32 {
		if id, ok := t.ID(w); ok && strings.HasPrefix(w, wordMark) {
			return id
		}
		list, bad := t.Tokens(nil, w)
		if bad != nil {
			err = bad
			return 0
		}
		if len(list) != 1 {
			err = fmt.Errorf("scores by the answer %q, which is %d tokens", w, len(list))
			return 0
		}
		return list[0]
	}
	bare := func(w string) string { return cmp.Or(strings.TrimPrefix(w, wordMark), w) }
	if score == "" {
		score = p.score
	}
	switch {
	case score == "yes-no":
		ids, labels = []int32{word(p.no), word(p.yes)}, []string{bare(p.no), bare(p.yes)}
	case score == "yes":
		ids, labels = []int32{word(p.yes)}, []string{bare(p.yes)}
	case strings.HasPrefix(score, "token:"):
		n, bad := strconv.ParseUint(score[len("token:"):], 10, 31)
		if bad != nil {
			return nil, nil, fmt.Errorf("score %q: expected a token's number after the colon", score)
		}
		ids, labels = []int32{int32(n)}, []string{"token " + strconv.FormatUint(n, 10)}
	default:
		return nil, nil, fmt.Errorf("score %q: expected yes-no, yes or token:ID", score)
	}
	return ids, slices.Clip(labels), err
}

func (p *prompted) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	if p.prefixes == nil {
		return p.scorer.score(ctx, sequences, outputs)
	}
	return p.scoreShared(ctx, p.prefixes, p.scorer, sequences, outputs)
}

func (p *prompted) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	e := &promptEncoder{prompted: p, limit: limit, options: o, fields: fields{instruction: p.prompt.instruction, plain: o.Plain}}
	var err error
	if e.query, e.full, err = p.bound(query, o.MaxQuery, o); err != nil {
		return Encoded{}, err
	}
	if o.Instruction != "" {
		e.instruction = o.Instruction
	}
	if err := e.begin(); err != nil {
		return Encoded{}, err
	}
	encoded := newEncoded(len(documents), limit)
	err = p.encodePieces(ctx, len(documents), func(from, to int) error {
		for d := from; d < to; d++ {
			v := e.fields
			text, dropped, err := p.bound(documents[d], o.MaxDocument, o)
			if err != nil {
				return err
			}
			v.document = text
			p.prompt.writeTo(&v)
			s, full, err := e.encode(&v)
			if err != nil {
				return err
			}
			encoded.Sequences[d], encoded.Full[d] = s, full+dropped
		}
		return nil
	})
	if err != nil {
		return Encoded{}, err
	}
	if p.prefixes != nil && len(documents) > 0 {
		head, _, err := e.encode(&e.written)
		if err != nil {
			return Encoded{}, err
		}
		shareBeginning(head.IDs, encoded.Sequences)
	}
	return encoded, nil
}

// A promptEncoder makes the sequences of one query's documents.
type promptEncoder struct {
	*prompted
	fields            // the caller's, without a document
	written fields    // as the prompt has them
	known   [][]int32 // tokens of the pieces without the document, cut to their own bounds
	allowed int       // tokens in all
	limit   int
	fixed   int
	full    int // tokens of the other pieces, uncut
	options EncodeOptions
}

// begin makes the tokens of the pieces without the document.
func (e *promptEncoder) begin() error {
	p := e.prompt
	e.written = e.fields
	p.writeTo(&e.written)
	e.known = make([][]int32, len(p.pieces))
	tail := 0
	for i := range p.pieces {
		s := &p.pieces[i]
		if s.has(fieldDocument) {
			tail = 0
			continue
		}
		var err error
		if e.known[i], err = s.tokens(nil, e.tokenizer, &e.written); err != nil {
			return err
		}
		e.full += len(e.known[i])
		if s.fixed {
			e.fixed += len(e.known[i])
			tail += len(e.known[i])
		}
		if s.most != nil {
			e.known[i] = e.known[i][:min(len(e.known[i]), s.most(e.limit))]
		}
	}
	e.allowed = e.limit
	if p.slack != nil {
		e.allowed += min(p.slack(tail), e.slack)
	}
	if e.fixed >= e.allowed {
		return noRoom("at most %d tokens: no room for a query and a document beside the prompt's %d", e.limit, e.fixed)
	}
	return nil
}

// encode makes the sequence of one prompt, cut; full is how many tokens it has uncut.
func (e *promptEncoder) encode(v *fields) (_ Sequence, full int, err error) {
	list := make([][]int32, len(e.known))
	full, total := e.full, 0
	for i := range list {
		s := &e.prompt.pieces[i]
		list[i] = e.known[i]
		if s.has(fieldDocument) {
			if list[i], err = s.tokens(nil, e.tokenizer, v); err != nil {
				return Sequence{}, 0, err
			}
			full += len(list[i])
			if s.most != nil {
				list[i] = list[i][:min(len(list[i]), s.most(e.limit))]
			}
		}
		total += len(list[i])
	}
	for i := len(list) - 1; i >= 0 && total > e.allowed; i-- {
		s := &e.prompt.pieces[i]
		if s.fixed {
			continue
		}
		was := len(list[i])
		if s.has(fieldDocument) && (e.options.Side == LeftSide || !strings.HasSuffix(s.text, fieldDocument)) {
			if list[i], err = e.shorten(s, v, list[i], was-(total-e.allowed)); err != nil {
				return Sequence{}, 0, err
			}
		} else {
			list[i] = list[i][:was-min(was, total-e.allowed)]
		}
		total += len(list[i]) - was
	}
	var out Sequence
	out.IDs = make([]int32, 0, total)
	before := int32(0)
	for i, part := range list {
		out.IDs = append(out.IDs, part...)
		if !e.network.Decoder.Parts {
			continue
		}
		of := before
		if e.prompt.pieces[i].has(fieldDocument) {
			of, before = 1, 2
		}
		for range part {
			out.Types = append(out.Types, of)
		}
	}
	return out, full, nil
}

// shorten cuts the document inside a piece, so that the piece has at most so many
// tokens; where even no document is short enough, it cuts the piece's end.
func (e *promptEncoder) shorten(s *piece, v *fields, ids []int32, most int) ([]int32, error) {
	cut := *v
	document, err := e.tokenizer.Tokens(nil, v.document)
	if err != nil {
		return nil, err
	}
	for len(ids) > most && len(document) > 0 {
		keep := max(0, len(document)-(len(ids)-most))
		document = e.options.Side.cut().Cut(document, keep)
		if cut.document, err = e.tokenizer.Decode(document, false); err != nil {
			return nil, err
		}
		if ids, err = s.tokens(ids[:0], e.tokenizer, &cut); err != nil {
			return nil, err
		}
	}
	return ids[:min(len(ids), max(most, 0))], nil
}
