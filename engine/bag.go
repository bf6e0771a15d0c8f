package engine

import (
	"slices"
	"unicode/utf8"
)

// A bag is how texts of static embeddings become tokens: without special ones, and, as
// model2vec does, without those for what the vocabulary does not have.
type bag struct {
	unknown int32 // the token to leave out, or -1
	letters int   // characters of a token of median length, by which texts are cut before; 0: they are not
}

func (m *backbone) newBag() *bag {
	b := &bag{unknown: -1}
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

// encode makes the sequence of a text, whose tokens s holds, of which most tokens count
// (0: all), within limit tokens.
func (b *bag) encode(s *textEncoder, e *embedding, text string, o EncodeOptions, most, limit int) (_ Sequence, err error) {
	kept := s.tokens
	if room := limit * b.letters; b.letters > 0 && o.Side != LeftSide && len(text) > room {
		if cut := firstRunes(text, room); len(cut) < len(text) {
			if kept, err = o.tokens(e.tokenizer, nil, cut); err != nil {
				return Sequence{}, err
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
	return Sequence{IDs: ids}, nil
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
