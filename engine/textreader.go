package engine

import "github.com/winnow-rerank/winnow/tokenizer"

// A textReader makes the sequences of texts that stand alone.
type textReader interface {
	// read makes the sequence of a text with these tokens, of which most count (0: all),
	// within limit tokens; full is how many they would be uncut. out is memory that may be
	// used again.
	read(out *tokenizer.Encoding, text string, tokens []int32, o EncodeOptions, most, limit int) (_ Sequence, full int, err error)
	// room is the error that a limit leaves none for a text.
	checkLimit(limit int) error
}

// singleText puts the tokenizer's special tokens around a text.
type singleText struct{ *backbone }

func (r singleText) read(out *tokenizer.Encoding, _ string, tokens []int32, o EncodeOptions, maxTokens, limit int) (_ Sequence, full int, err error) {
	r.tokenizer.SingleSide(out, o.truncate(tokens, maxTokens), limit, o.Side.forTokenizer())
	return r.sequence(out), len(tokens) + r.tokenizer.Added(false), nil
}

func (r singleText) checkLimit(limit int) error {
	if added := r.tokenizer.Added(false); limit < added {
		return noRoom("at most %d tokens: no room for a text beside %d special tokens", limit, added)
	}
	return nil
}
