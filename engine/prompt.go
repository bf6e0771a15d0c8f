package engine

import (
	"context"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A promptRanker presents query and document in a prompt. The score comes from a
// classifier, or from the logits of answers such as "yes" and "no" at the last token.
type promptRanker struct {
	*scorer
	prompt       *prompt
	promptScorer promptScorer
}

func (b *backbone) newPromptRanker(s *scorer, p *prompt) *promptRanker {
	if p.slack != nil {
		b.slack = 2 * b.maxLength
	}
	return &promptRanker{scorer: s, prompt: p, promptScorer: b.newPromptScorer(s)}
}

func (p *promptRanker) describe(info *Info) {
	p.scorer.describe(info)
	info.Prompt, info.PromptReason = p.prompt.name, p.prompt.reason
}

// export writes the scoring head and the prompt.
func (p *promptRanker) export(e *checkpoint.Export) error {
	ranks, err := p.head.exportPrompted(e, p.scorer, p.prompt)
	if err != nil {
		return err
	}
	if usual := p.qwenPrompt(); ranks && p.prompt.name == usual.name {
		e.Set("tokenizer.chat_template.rerank", usual.fullText())
		e.Set("tokenizer.chat_templates", []string{"rerank"})
	} else {
		e.Set(keyPrompt.GGUF, p.prompt.name)
	}
	e.ChatTemplate()
	return nil
}

func (p *promptRanker) score(ctx context.Context, sequences []Sequence, outputs []Output) error {
	return p.promptScorer.score(ctx, sequences, outputs)
}

func (p *promptRanker) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	e := &promptEncoder{promptRanker: p, limit: limit, options: o, fields: fields{instruction: p.prompt.instruction, plain: o.Plain}}
	var err error
	if e.query, e.uncutTokens, err = p.truncateText(query, o.MaxQuery, o); err != nil {
		return Encoded{}, err
	}
	if o.Instruction != "" {
		e.instruction = o.Instruction
	}
	if err := e.encodeCommon(); err != nil {
		return Encoded{}, err
	}
	encoded := newEncoded(len(documents), limit)
	err = p.encodeBatches(ctx, len(documents), func(from, to int) error {
		for d := from; d < to; d++ {
			v := e.fields
			text, dropped, err := p.truncateText(documents[d], o.MaxDocument, o)
			if err != nil {
				return err
			}
			v.document = text
			p.prompt.rewriteFields(&v)
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
	err = p.promptScorer.markShared(func() ([]int32, error) {
		head, _, err := e.encode(&e.rewritten)
		return head.IDs, err
	}, encoded.Sequences)
	return encoded, err
}

// A promptEncoder encodes the documents of one query.
type promptEncoder struct {
	*promptRanker
	fields                // caller's texts, without a document
	rewritten   fields    // the same as the prompt rewrites them
	pieceTokens [][]int32 // tokens of the pieces without the document, cut to their own limits
	maxTokens   int       // maximum length of a prompt: limit and slack
	limit       int
	fixedTokens int // length of the pieces that are never cut
	uncutTokens int // length of everything but the document, without truncation
	options     EncodeOptions
}

// encodeCommon tokenizes the pieces that do not contain the document.
func (e *promptEncoder) encodeCommon() error {
	p := e.prompt
	e.rewritten = e.fields
	p.rewriteFields(&e.rewritten)
	e.pieceTokens = make([][]int32, len(p.pieces))
	tail := 0
	for i := range p.pieces {
		s := &p.pieces[i]
		if s.has(fieldDocument) {
			tail = 0
			continue
		}
		var err error
		if e.pieceTokens[i], err = s.tokens(nil, e.tokenizer, &e.rewritten); err != nil {
			return err
		}
		e.uncutTokens += len(e.pieceTokens[i])
		if s.fixed {
			e.fixedTokens += len(e.pieceTokens[i])
			tail += len(e.pieceTokens[i])
		}
		if s.maxTokens != nil {
			e.pieceTokens[i] = e.pieceTokens[i][:min(len(e.pieceTokens[i]), s.maxTokens(e.limit))]
		}
	}
	e.maxTokens = e.limit
	if p.slack != nil {
		e.maxTokens += min(p.slack(tail), e.slack)
	}
	if e.fixedTokens >= e.maxTokens {
		return noRoom("at most %d tokens: no room for a query and a document in addition to the prompt's %d", e.limit, e.fixedTokens)
	}
	return nil
}

// encode returns the truncated sequence of one prompt; full is its length without
// truncation.
func (e *promptEncoder) encode(v *fields) (_ Sequence, full int, err error) {
	list := make([][]int32, len(e.pieceTokens))
	full, total := e.uncutTokens, 0
	for i := range list {
		p := &e.prompt.pieces[i]
		list[i] = e.pieceTokens[i]
		if p.has(fieldDocument) {
			if list[i], err = p.tokens(nil, e.tokenizer, v); err != nil {
				return Sequence{}, 0, err
			}
			full += len(list[i])
			if p.maxTokens != nil {
				list[i] = list[i][:min(len(list[i]), p.maxTokens(e.limit))]
			}
		}
		total += len(list[i])
	}
	if total, err = e.fit(list, v, total); err != nil {
		return Sequence{}, 0, err
	}
	return e.join(list, total), full, nil
}

// fit cuts pieces, the last first, until they have at most maxTokens tokens together. It
// takes and returns their total length.
func (e *promptEncoder) fit(list [][]int32, v *fields, total int) (_ int, err error) {
	for i := len(list) - 1; i >= 0 && total > e.maxTokens; i-- {
		p := &e.prompt.pieces[i]
		if p.fixed {
			continue
		}
		length := len(list[i])
		if p.has(fieldDocument) && (e.options.Side == LeftSide || !strings.HasSuffix(p.text, fieldDocument)) {
			if list[i], err = e.shortenDocument(p, v, list[i], length-(total-e.maxTokens)); err != nil {
				return 0, err
			}
		} else {
			list[i] = list[i][:length-min(length, total-e.maxTokens)]
		}
		total += len(list[i]) - length
	}
	return total, nil
}

// join concatenates the pieces. Where the model needs them, token types are 0 before the
// document, 1 in it and 2 after it.
func (e *promptEncoder) join(list [][]int32, total int) Sequence {
	s := Sequence{IDs: make([]int32, 0, total)}
	outside := int32(0)
	for i, ids := range list {
		s.IDs = append(s.IDs, ids...)
		if !e.network.Decoder.Parts {
			continue
		}
		tokenType := outside
		if e.prompt.pieces[i].has(fieldDocument) {
			tokenType, outside = 1, 2
		}
		for range ids {
			s.Types = append(s.Types, tokenType)
		}
	}
	return s
}

// shortenDocument cuts the document inside a piece until the piece has at most maxTokens
// tokens. If removing the whole document is not enough, it cuts the end of the piece.
func (e *promptEncoder) shortenDocument(s *piece, v *fields, ids []int32, maxTokens int) ([]int32, error) {
	cut := *v
	document, err := e.tokenizer.Tokens(nil, v.document)
	if err != nil {
		return nil, err
	}
	for len(ids) > maxTokens && len(document) > 0 {
		keep := max(0, len(document)-(len(ids)-maxTokens))
		document = e.options.Side.forTokenizer().Cut(document, keep)
		if cut.document, err = e.tokenizer.Decode(document, false); err != nil {
			return nil, err
		}
		if ids, err = s.tokens(ids[:0], e.tokenizer, &cut); err != nil {
			return nil, err
		}
	}
	return ids[:min(len(ids), max(maxTokens, 0))], nil
}
