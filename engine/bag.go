package engine

import (
	"slices"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A bag is how texts of static embeddings become tokens: without special ones, and, as
// model2vec does, without those for what the vocabulary does not have.
type bag struct {
	*backbone
	unknown int32 // the token to leave out, or -1
	letters int   // characters of a token of median length, by which texts are cut before; 0: they are not
}

func (m *backbone) newBag() *bag {
	b := &bag{backbone: m, unknown: -1}
	if !m.network.DropsUnknown {
		return b
	}
	if id, ok := m.tokenizer.UnknownID(); ok {
		b.unknown = id
	}
	var lengths []int
	for id := range int32(m.tokenizer.Size()) {
		if piece := m.tokenizer.Piece(id); piece != "" {
			lengths = append(lengths, utf8.RuneCountInString(piece))
		}
	}
	slices.Sort(lengths)
	if n := len(lengths); n > 0 {
		b.letters = (lengths[(n-1)/2] + lengths[n/2]) / 2
	}
	return b
}

func (b *bag) room(int) error { return nil }

func (b *bag) read(_ *tokenizer.Encoding, text string, kept []int32, o EncodeOptions, most, limit int) (_ Sequence, full int, err error) {
	full = len(kept)
	if room := limit * b.letters; b.letters > 0 && o.Side != LeftSide && len(text) > room {
		if cut := firstRunes(text, room); len(cut) < len(text) {
			if kept, err = o.tokens(b.tokenizer, nil, cut); err != nil {
				return Sequence{}, 0, err
			}
		}
	}
	kept = o.truncate(o.truncate(kept, most), limit)
	ids := make([]int32, 0, len(kept))
	for _, id := range kept {
		if id != b.unknown {
			ids = append(ids, id)
		}
	}
	return Sequence{IDs: ids}, full, nil
}

// firstRunes is the first n characters of a text.
func firstRunes(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
