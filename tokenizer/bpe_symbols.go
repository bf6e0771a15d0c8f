package tokenizer

import (
	"unicode/utf8"
)

// A symbolizer produces the initial symbols of a piece.
type symbolizer interface {
	// appendSymbols appends the symbols of piece, which is not empty.
	appendSymbols(dst []int32, piece []byte, m *bpe) []int32
}

// byteSymbols are the symbols of a byte-level vocabulary.
type byteSymbols struct {
	ids [256]int32 // -1: the vocabulary lacks this byte
	all bool       // no byte is missing
}

func (b *byteSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	if b.all {
		for _, c := range piece {
			dst = append(dst, b.ids[c])
		}
		return dst
	}
	u := unknowns{m: m, dst: dst}
	for _, c := range piece {
		u.add(b.ids[c], nil)
	}
	return u.end()
}

// runeSymbols are the symbols of a character vocabulary.
type runeSymbols struct {
	pages [(utf8.MaxRune + 1) / pageSize]*[pageSize]int32 // id plus one
}

func (p *runeSymbols) set(r rune, id int32) {
	page := &p.pages[r>>pageBits]
	if *page == nil {
		*page = new([pageSize]int32)
	}
	(*page)[r&(pageSize-1)] = id + 1
}

func (p *runeSymbols) of(r rune) int32 {
	if page := p.pages[r>>pageBits]; page != nil {
		return page[r&(pageSize-1)] - 1
	}
	return -1
}

func (p *runeSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	u := unknowns{m: m, dst: dst}
	for i := 0; i < len(piece); {
		r, n := rune(piece[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(piece[i:])
		}
		u.add(p.of(r), piece[i:i+n])
		i += n
	}
	return u.end()
}

// affixSymbols are the symbols of a vocabulary with a prefix for characters inside a
// word or a suffix for the last one.
type affixSymbols struct{}

func (affixSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	u := unknowns{m: m, dst: dst}
	var buf [64]byte
	for i := 0; i < len(piece); {
		_, n := utf8.DecodeRune(piece[i:])
		spelling := buf[:0]
		if i > 0 {
			spelling = append(spelling, m.opts.prefix...)
		}
		spelling = append(spelling, piece[i:i+n]...)
		i += n
		if i == len(piece) {
			spelling = append(spelling, m.opts.suffix...)
		}
		u.add(m.idSpelled(spelling), spelling)
	}
	return u.end()
}

// unknowns collects symbols and handles those that the vocabulary lacks. Like the
// Hugging Face library it delays an unknown token until the next known character, past
// characters that fall back to bytes.
type unknowns struct {
	m       *bpe
	dst     []int32
	pending bool
}

// add appends a symbol; id is -1 if the vocabulary lacks it.
func (u *unknowns) add(id int32, spelling []byte) {
	if id >= 0 {
		if u.pending {
			u.dst = append(u.dst, u.m.unk)
			u.pending = false
		}
		u.dst = append(u.dst, id)
		return
	}
	if u.m.opts.byteFallback && u.fallBack(spelling) {
		return
	}
	if u.m.unk < 0 {
		return
	}
	if u.pending && !u.m.opts.fuseUnk {
		u.dst = append(u.dst, u.m.unk)
	}
	u.pending = true
}

// fallBack appends the byte pieces of spelling, if all of them exist.
func (u *unknowns) fallBack(spelling []byte) bool {
	n := len(u.dst)
	for _, b := range spelling {
		id := u.m.bytes[b]
		if id < 0 {
			u.dst = u.dst[:n]
			return false
		}
		u.dst = append(u.dst, id)
	}
	return true
}

func (u *unknowns) end() []int32 {
	if u.pending {
		u.dst = append(u.dst, u.m.unk)
	}
	return u.dst
}
