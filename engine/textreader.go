package engine

import "github.com/winnow-rerank/winnow/tokenizer"

// A textReader encodes single texts.
type textReader interface {
	// read returns the sequence of text, whose tokens are cut to maxTokens (0: no limit)
	// before special tokens are added, and to limit tokens in all; full is the length
	// without cuts. out is a buffer for reuse.
	read(out *tokenizer.Encoding, text string, tokens []int32, o EncodeOptions, maxTokens, limit int) (_ Sequence, full int, err error)
	// checkLimit returns an ErrNoRoom if limit leaves no room for a text.
	checkLimit(limit int) error
}

// singleText adds the tokenizer's special tokens around a text.
type singleText struct{ *backbone }

func (r singleText) read(out *tokenizer.Encoding, _ string, tokens []int32, o EncodeOptions, maxTokens, limit int) (_ Sequence, full int, err error) {
	r.tokenizer.SingleSide(out, o.truncate(tokens, maxTokens), limit, o.Side.forTokenizer())
	return r.sequence(out), len(tokens) + r.tokenizer.Added(false), nil
}

func (r singleText) checkLimit(limit int) error {
	if added := r.tokenizer.Added(false); limit < added {
		return noRoom("at most %d tokens: no room for a text after %d special tokens", limit, added)
	}
	return nil
}
