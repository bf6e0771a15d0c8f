package engine

import (
	"context"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A prompted model reads query and document in a prompt. Its score is made of the
// logits of answers ("yes" and "no", say), which are rows of the language model's
// head, at the last token; or of a classifier.
type prompted struct {
	*scorer
	prompt  *prompt
	prompts promptScorer
}

func (m *backbone) newPrompted(s *scorer, p *prompt) *prompted {
	if p.slack != nil {
		m.slack = 2 * m.maxLength
	}
	return &prompted{scorer: s, prompt: p, prompts: m.promptScorer(s)}
}

func (p *prompted) describe(info *Info) {
	p.scorer.describe(info)
	info.Prompt, info.PromptReason = p.prompt.name, p.prompt.reason
}

// export writes what makes scores of a causal model, and its prompt.
func (p *prompted) export(e *checkpoint.Export) error {
	ranks, err := p.head.exportPrompted(e, p.scorer, p.prompt)
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

func (p *prompted) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return p.prompts.score(ctx, sequences, outputs)
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
	err = p.prompts.share(func() ([]int32, error) {
		head, _, err := e.encode(&e.written)
		return head.IDs, err
	}, encoded.Sequences)
	return encoded, err
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
