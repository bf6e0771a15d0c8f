package tokenizer

import (
	"unicode/utf8"
)

// A preTokenizerSequence applies its members in order.
type preTokenizerSequence []preTokenizer

func (s preTokenizerSequence) preTokenize(w *words) {
	limit := bound(len(w.text)) // the caller detects the excess
	for _, p := range s {
		if p.preTokenize(w); w.err != nil || len(w.text) > limit {
			return
		}
	}
}

// bertPreTokenizer splits at whitespace, which it removes, and around punctuation.
type bertPreTokenizer struct{ u *unidata }

func (p bertPreTokenizer) preTokenize(w *words) { w.splitAt(p.u, isSpace|isPunctuation) }

// whitespaceSplit splits at whitespace, which it removes.
type whitespaceSplit struct{ u *unidata }

func (p whitespaceSplit) preTokenize(w *words) { w.splitAt(p.u, isSpace) }

// splitAt splits around characters with a property in mask and keeps only those that are
// punctuation.
func (w *words) splitAt(u *unidata, mask uint16) {
	out := w.spareSpans[:0]
	for _, s := range w.spans {
		start := s.start
		for i := s.start; i < s.end; {
			size := int32(1)
			r := rune(w.text[i])
			if r >= utf8.RuneSelf {
				var n int
				r, n = utf8.DecodeRune(w.text[i:s.end])
				size = int32(n)
			}
			if q := u.props[r] & mask; q != 0 {
				if start < i {
					out = append(out, span{start, i})
				}
				if q&isPunctuation != 0 {
					out = append(out, span{i, i + size})
				}
				start = i + size
			}
			i += size
		}
		if start < s.end {
			out = append(out, span{start, s.end})
		}
	}
	w.spans, w.spareSpans = out, w.spans
}

// whitespace splits into runs of \w and of [^\w\s].
type whitespace struct{ u *unidata }

func (p whitespace) preTokenize(w *words) {
	w.resplit(func(out []span, s span) []span {
		text, u := w.text[:s.end], p.u
		start, kind := s.start, uint16(isSpace)
		for i := s.start; i < s.end; {
			r, size := utf8.DecodeRune(text[i:])
			k := u.props[r] & (isWord | isSpace)
			if k != kind {
				if kind != isSpace && start < i {
					out = append(out, span{start, i})
				}
				start, kind = i, k
			}
			i += int32(size)
		}
		if kind != isSpace && start < s.end {
			out = append(out, span{start, s.end})
		}
		return out
	})
}

// Values of prepend_scheme: when Metaspace prepends its mark.
const (
	prependAlways = iota
	prependFirst  // only at the start of the whole input
	prependNever
)

// metaspace replaces spaces with a visible mark and splits before each mark.
type metaspace struct {
	replacement rune
	prepend     int
	split       bool
}

func (p metaspace) preTokenize(w *words) {
	var mark [utf8.UTFMax]byte
	m := mark[:utf8.EncodeRune(mark[:], p.replacement)]
	text, out := w.spareText[:0], w.spareSpans[:0]
	for _, s := range w.spans {
		piece := w.text[s.start:s.end]
		start := int32(len(text))
		if p.prepend == prependAlways || p.prepend == prependFirst && w.head && s.start == 0 {
			if piece[0] != ' ' && !hasPrefix(piece, m) {
				text = append(text, m...)
			}
		}
		for i := 0; i < len(piece); {
			run := i
			for i < len(piece) && piece[i] != ' ' && (piece[i] != m[0] || !hasPrefix(piece[i:], m)) {
				i++
			}
			text = append(text, piece[run:i]...)
			if i == len(piece) {
				break
			}
			if p.split && int32(len(text)) > start {
				out = append(out, span{start, int32(len(text))})
				start = int32(len(text))
			}
			text = append(text, m...)
			if piece[i] == ' ' {
				i++
			} else {
				i += len(m)
			}
		}
		if int32(len(text)) > start {
			out = append(out, span{start, int32(len(text))})
		}
	}
	w.text, w.spareText = text, w.text
	w.spans, w.spareSpans = out, w.spans
}

// hasPrefix is bytes.HasPrefix, which would slow metaspace down by 40 %.
func hasPrefix(text, prefix []byte) bool {
	if len(text) < len(prefix) {
		return false
	}
	for i, c := range prefix {
		if text[i] != c {
			return false
		}
	}
	return true
}

// runePattern matches one code point with a property.
type runePattern uint16

func (p runePattern) find(text []byte, from int) (start, end int, ok bool) {
	u := loadUnidata()
	for i := from; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if u.props[r]&uint16(p) != 0 {
			return i, i + size, true
		}
		i += size
	}
	return 0, 0, false
}
