package engine

import (
	"context"
	"strings"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
)

// A prompted model reads query and document in a prompt. Its score is made of the
// logits of answers ("yes" and "no", say), which are rows of the language model's
// head, at the last token; or of a classifier.
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

// export writes what makes scores of a causal model, and its prompt.
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

// A promptEncoder makes the sequences of one query's documents.
type promptEncoder struct {
	*promptRanker
	fields                // the caller's, without a document
	rewritten   fields    // as the prompt has them
	pieceTokens [][]int32 // tokens of the pieces without the document, cut to their own bounds
	maxTokens   int       // tokens in all
	limit       int
	fixedTokens int
	uncutTokens int // tokens of the other pieces, uncut
	options     EncodeOptions
}

// begin makes the tokens of the pieces without the document.
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
		return noRoom("at most %d tokens: no room for a query and a document beside the prompt's %d", e.limit, e.fixedTokens)
	}
	return nil
}

// encode makes the sequence of one prompt, cut; full is how many tokens it has uncut.
func (e *promptEncoder) encode(v *fields) (_ Sequence, full int, err error) {
	list := make([][]int32, len(e.pieceTokens))
	full, total := e.uncutTokens, 0
	for i := range list {
		s := &e.prompt.pieces[i]
		list[i] = e.pieceTokens[i]
		if s.has(fieldDocument) {
			if list[i], err = s.tokens(nil, e.tokenizer, v); err != nil {
				return Sequence{}, 0, err
			}
			full += len(list[i])
			if s.maxTokens != nil {
				list[i] = list[i][:min(len(list[i]), s.maxTokens(e.limit))]
			}
		}
		total += len(list[i])
	}
	for i := len(list) - 1; i >= 0 && total > e.maxTokens; i-- {
		s := &e.prompt.pieces[i]
		if s.fixed {
			continue
		}
		was := len(list[i])
		if s.has(fieldDocument) && (e.options.Side == LeftSide || !strings.HasSuffix(s.text, fieldDocument)) {
			if list[i], err = e.shortenDocument(s, v, list[i], was-(total-e.maxTokens)); err != nil {
				return Sequence{}, 0, err
			}
		} else {
			list[i] = list[i][:was-min(was, total-e.maxTokens)]
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
