package tokenizer

import (
	"unicode/utf8"
)

// A reach tells which characters merges can bring together: for each pair of an ASCII
// character, ▁ or any other, whether a merge joins something that ends with the first
// and something that begins with the second. A text can be split wherever that is
// impossible, and its parts merged separately; for most vocabularies the parts are
// words.
type reach [reachOther + 1][reachOther + 1]bool

const (
	reachUnderscore = utf8.RuneSelf + iota
	reachOther
)

// kind returns the table index of the first character of text and the length of that
// character.
func (*reach) kind(text []byte) (kind, size int) {
	c := text[0]
	switch {
	case c < utf8.RuneSelf:
		return int(c), 1
	case c == 0xe2 && len(text) > 2 && text[1] == 0x96 && text[2] == 0x81:
		return reachUnderscore, 3
	case c < 0xe0:
		return reachOther, 2
	case c < 0xf0:
		return reachOther, 3
	}
	return reachOther, 4
}

// next returns the end of the first part of text.
func (r *reach) next(text []byte) int {
	last, i := r.kind(text)
	for i < len(text) {
		kind, n := r.kind(text[i:])
		if !r[last][kind] {
			break
		}
		last = kind
		i += n
	}
	return min(i, len(text))
}

// reach determines what merges can bring together. It returns nil if a text cannot be
// split that way.
func (b *bpeBuilder) reach(runes *runeSymbols) *reach {
	m := b.m
	fallsBack := m.opts.byteFallback
	isByte := map[int32]bool{}
	for _, id := range m.bytes {
		fallsBack = fallsBack && id >= 0
		isByte[id] = true
	}
	if m.unk < 0 && !fallsBack {
		return nil // an unknown character is dropped, which makes its neighbours adjacent
	}
	r := &reach{}
	for _, g := range b.merges {
		if isByte[g.a] || isByte[g.b] || g.a == m.unk || g.b == m.unk {
			return nil // these stand for characters with other spellings
		}
		left, _ := m.piece(g.a)
		right, _ := m.piece(g.b)
		if left == "" || right == "" {
			return nil
		}
		last := len(left) - 1
		for !utf8.RuneStart(left[last]) {
			last--
		}
		from, _ := r.kind([]byte(left[last:]))
		to, _ := r.kind([]byte(right[:min(len(right), 3)]))
		r[from][to] = true
	}
	// Adjacent unknown characters can become one token.
	unknown := []int{reachOther}
	for c := range rune(utf8.RuneSelf) {
		if runes.of(c) < 0 {
			unknown = append(unknown, int(c))
		}
	}
	if us, _ := utf8.DecodeRuneInString(underscore); runes.of(us) < 0 {
		unknown = append(unknown, reachUnderscore)
	}
	for _, i := range unknown {
		for _, j := range unknown {
			r[i][j] = true
		}
	}
	return r
}
