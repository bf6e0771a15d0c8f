package engine

import (
	"cmp"
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A pair is a classifier of query and document, joined as the tokenizer joins two
// texts. What the files call the default prompt stands before the query.
type pair struct {
	*scorer
	prompts prompts
	bare    string // of causal models: why they are not asked in words
}

func (m *backbone) newPair(s *scorer) (*pair, error) {
	prompts, err := readPrompts(m.file)
	if err != nil {
		return nil, err
	}
	return &pair{scorer: s, prompts: prompts}, nil
}

// pairs has the model read pairs.
func (s *scorer) pairs(t *tasks, o Options) (err error) {
	if err := cmp.Or(noScore(s.file, o), s.judge(o)); err != nil {
		return err
	}
	t.ranker, err = s.newPair(s)
	return err
}

func (p *pair) describe(info *Info) {
	p.scorer.describe(info)
	if p.bare != "" {
		info.Prompt, info.PromptReason = barePair, p.bare
	}
}

func (p *pair) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	t := p.tokenizer
	if added := t.Added(true); limit <= added {
		return Encoded{}, noRoom("at most %d tokens: no room for a query and a document beside %d special tokens", limit, added)
	}
	whole, err := o.tokens(t, nil, p.prompts.texts[p.prompts.standard]+query)
	if err != nil {
		return Encoded{}, err
	}
	head := o.truncate(whole, o.MaxQuery)
	encoded := newEncoded(len(documents), limit)
	err = p.encodePieces(ctx, len(documents), func(from, to int) error {
		var tokens []int32
		var out tokenizer.Encoding
		for d := from; d < to; d++ {
			var err error
			if tokens, err = o.tokens(t, tokens[:0], documents[d]); err != nil {
				return err
			}
			encoded.Full[d] = len(whole) + len(tokens) + t.Added(true)
			document := o.truncate(tokens, o.MaxDocument)
			if err := t.PairSide(&out, head, document, limit, tokenizer.LongestFirst, o.Side.cut()); err != nil {
				return err
			}
			encoded.Sequences[d] = p.sequence(&out)
		}
		return nil
	})
	return encoded, err
}

func (p *pair) export(e *checkpoint.Export) error {
	p.exportLabels(e)
	e.Texts(p.prompts.texts, p.prompts.standard)
	if p.bare != "" {
		e.Set(keyPrompt.GGUF, barePair)
		e.ChatTemplate()
	}
	return nil
}
