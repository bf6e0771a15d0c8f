package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// A byte-level tokenizer spells each byte of a text as a visible character, so that its
// vocabulary is text and no input is unknown: bytes that are printable in Latin-1 stand
// for themselves, the others are the characters from U+0100, in ascending order.
var (
	byteRunes [256]rune
	runeBytes [byteRuneEnd]int16 // -1: spells no byte
)

const byteRuneEnd = 0x100 + 68 // 68 bytes are not printable

func init() {
	for i := range runeBytes {
		runeBytes[i] = -1
	}
	next := rune(0x100)
	for b := range byteRunes {
		r := rune(b)
		if b <= ' ' || b >= 0x7f && b <= 0xa0 || b == 0xad {
			r = next
			next++
		}
		byteRunes[b] = r
		runeBytes[r] = int16(b)
	}
}

// appendSpelling appends the visible spelling of text.
func appendSpelling(dst, text []byte) []byte {
	for _, b := range text {
		dst = utf8.AppendRune(dst, byteRunes[b])
	}
	return dst
}

// appendBytes appends the bytes that piece spells. If one of its characters spells no
// byte, ok is false and nothing is appended.
func appendBytes(dst []byte, piece string) (_ []byte, ok bool) {
	n := len(dst)
	for _, r := range piece {
		if r >= byteRuneEnd || runeBytes[r] < 0 {
			return dst[:n], false
		}
		dst = append(dst, byte(runeBytes[r]))
	}
	return dst, true
}

// byteLevelNormalizer is the ByteLevel normalizer: it spells bytes as visible
// characters.
type byteLevelNormalizer struct{}

func (byteLevelNormalizer) normalize(dst, text []byte, head bool, _ int) ([]byte, bool, error) {
	return appendSpelling(dst, text), head, nil
}

// byteLevel is the ByteLevel pre-tokenizer: it prepends a space to each piece
// (prefixSpace), splits like GPT-2 (regex), and spells bytes as visible characters
// unless the model takes bytes (raw).
type byteLevel struct{ prefixSpace, regex, raw bool }

var gpt2 = sync.OnceValue(func() scan { return knownScan(gpt2Pattern) })

func (b byteLevel) preTokenize(w *words) {
	if b.prefixSpace {
		w.respell(func(dst, piece []byte) []byte {
			if piece[0] != ' ' {
				dst = append(dst, ' ')
			}
			return append(dst, piece...)
		})
	}
	if b.regex {
		gpt2().preTokenize(w)
	}
	if !b.raw {
		w.respell(appendSpelling)
	}
}

// byteLevelDecoder is the ByteLevel decoder: it converts spellings back to bytes. A
// piece with any other character is used literally.
type byteLevelDecoder struct{}

func (byteLevelDecoder) decode(pieces []string) ([]string, error) {
	var text []byte
	for _, p := range pieces {
		spelt, ok := appendBytes(text, p)
		if text = spelt; !ok {
			text = append(text, p...)
		}
	}
	return []string{lossyUTF8(text)}, nil
}

// lossyUTF8 returns text with each maximal ill-formed subpart replaced with one U+FFFD,
// as Unicode recommends.
func lossyUTF8(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	out := make([]byte, 0, len(text)+8)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			n = illFormed(text)
		}
		out = utf8.AppendRune(out, r)
		text = text[n:]
	}
	return string(out)
}

// illFormed returns the length of the ill-formed subpart that text begins with.
func illFormed(text []byte) int {
	n := 1
	for n < len(text) && !utf8.FullRune(text[:n+1]) {
		n++
	}
	return n
}
