package engine

import (
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A bag encodes texts for static embeddings: without special tokens and, as in model2vec,
// without unknown tokens.
type bag struct {
	*backbone
	unknown     int32 // token to leave out, or -1
	medianRunes int   // median token length; texts of more than limit·medianRunes characters are cut first; 0: never
}

func (b *backbone) newBag() *bag {
	r := &bag{backbone: b, unknown: -1}
	if !b.network.DropsUnknown {
		return r
	}
	if id, ok := b.tokenizer.UnknownID(); ok {
		r.unknown = id
	}
	var lengths []int
	for id := range int32(b.tokenizer.Size()) {
		if piece := b.tokenizer.Piece(id); piece != "" {
			lengths = append(lengths, utf8.RuneCountInString(piece))
		}
	}
	slices.Sort(lengths)
	if n := len(lengths); n > 0 {
		r.medianRunes = (lengths[(n-1)/2] + lengths[n/2]) / 2
	}
	return r
}

func (b *bag) checkLimit(int) error { return nil }

func (b *bag) read(_ *tokenizer.Encoding, text string, tokens []int32, o EncodeOptions, maxTokens, limit int) (_ Sequence, full int, err error) {
	full = len(tokens)
	if maxRunes := limit * b.medianRunes; b.medianRunes > 0 && o.Side != LeftSide && len(text) > maxRunes {
		if cut := firstRunes(text, maxRunes); len(cut) < len(text) {
			if tokens, err = o.tokens(b.tokenizer, nil, cut); err != nil {
				return Sequence{}, 0, err
			}
		}
	}
	tokens = o.truncate(o.truncate(tokens, maxTokens), limit)
	ids := make([]int32, 0, len(tokens))
	for _, id := range tokens {
		if id != b.unknown {
			ids = append(ids, id)
		}
	}
	return Sequence{IDs: ids}, full, nil
}

// firstRunes returns the first n characters of text.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
