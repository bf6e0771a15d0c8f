package engine

import (
	"cmp"
	"context"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// A pairRanker classifies query and document, joined as the tokenizer joins two texts.
// The default prompt in the model's files, if any, is prepended to the query.
type pairRanker struct {
	*scorer
	prompts    namedPrompts
	bareReason string // for causal models: why they are used without a prompt
}

func (b *backbone) newPairRanker(s *scorer) (*pairRanker, error) {
	prompts, err := readPrompts(b.file)
	if err != nil {
		return nil, err
	}
	return &pairRanker{scorer: s, prompts: prompts}, nil
}

// finishPairs makes a pairRanker the ranker of the model.
func (s *scorer) finishPairs(t *tasks, o Options) (err error) {
	if err := cmp.Or(rejectScore(s.file, o), s.chooseLabel(o)); err != nil {
		return err
	}
	t.ranker, err = s.newPairRanker(s)
	return err
}

func (p *pairRanker) describe(info *Info) {
	p.scorer.describe(info)
	if p.bareReason != "" {
		info.Prompt, info.PromptReason = barePair, p.bareReason
	}
}

func (p *pairRanker) encode(ctx context.Context, query string, documents []string, o EncodeOptions, limit int) (Encoded, error) {
	t := p.tokenizer
	if added := t.Added(true); limit <= added {
		return Encoded{}, noRoom("at most %d tokens: no room for a query and a document after %d special tokens", limit, added)
	}
	whole, err := o.tokens(t, nil, p.prompts.texts[p.prompts.defaultName]+query)
	if err != nil {
		return Encoded{}, err
	}
	head := o.truncate(whole, o.MaxQuery)
	encoded := newEncoded(len(documents), limit)
	err = p.encodeBatches(ctx, len(documents), func(from, to int) error {
		var tokens []int32
		var out tokenizer.Encoding
		for d := from; d < to; d++ {
			var err error
			if tokens, err = o.tokens(t, tokens[:0], documents[d]); err != nil {
				return err
			}
			encoded.Full[d] = len(whole) + len(tokens) + t.Added(true)
			document := o.truncate(tokens, o.MaxDocument)
			if err := t.PairSide(&out, head, document, limit, tokenizer.LongestFirst, o.Side.forTokenizer()); err != nil {
				return err
			}
			encoded.Sequences[d] = p.sequence(&out)
		}
		return nil
	})
	return encoded, err
}

func (p *pairRanker) export(e *checkpoint.Export) error {
	p.exportLabels(e)
	e.Texts(p.prompts.texts, p.prompts.defaultName)
	if p.bareReason != "" {
		e.Set(keyPrompt.GGUF, barePair)
		e.ChatTemplate()
	}
	return nil
}
