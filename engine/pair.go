package engine

import (
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A pair is a classifier of query and document, joined as the tokenizer joins two
// texts. What the files call the default prompt stands before the query.
type pair struct {
	*scorer
	prompts prompts
	bare    string // of causal models: why they are not asked in words
}

func (m *Model) newPair(s *scorer) (*pair, error) {
	prompts, err := readPrompts(m.file)
	if err != nil {
		return nil, err
	}
	return &pair{scorer: s, prompts: prompts}, nil
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
		return Encoded{}, fmt.Errorf("at most %d tokens: no room for a query and a document beside %d special tokens", limit, added)
	}
	whole := o.tokens(t, nil, p.prompts.texts[p.prompts.standard]+query)
	head := o.truncate(whole, o.MaxQuery)
	encoded := newEncoded(len(documents), limit)
	err := p.encodePieces(ctx, len(documents), func(from, to int) error {
		var tokens []int32
		var out tokenizer.Encoding
		for d := from; d < to; d++ {
			tokens = o.tokens(t, tokens[:0], documents[d])
			encoded.Full[d] = len(whole) + len(tokens) + t.Added(true)
			document := o.truncate(tokens, o.MaxDocument)
			if err := o.pair(t, &out, head, document, limit); err != nil {
				return err
			}
			encoded.Sequences[d] = p.sequence(&out)
		}
		return nil
	})
	return encoded, err
}

// pair joins two token lists, truncating the longer one first.
func (o *EncodeOptions) pair(t *tokenizer.Tokenizer, out *tokenizer.Encoding, a, b []int32, limit int) error {
	if o.TruncateLeft {
		room := limit - t.Added(true)
		na, nb := longestFirst(len(a), len(b), room)
		a, b = a[len(a)-na:], b[len(b)-nb:]
	}
	return t.Pair(out, a, b, limit, tokenizer.LongestFirst)
}

// longestFirst gives the lengths to which two lists are truncated so that both
// together have at most room.
func longestFirst(a, b, room int) (int, int) {
	switch half := room / 2; {
	case a+b <= room:
		return a, b
	case a <= half:
		return a, room - a
	case b <= half:
		return room - b, b
	case a > b:
		return room - half, half
	default:
		return half, room - half
	}
}
