package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// A precompiled normalizer is SentencePiece's: a table of replacements in a Darts
// double array. It processes grapheme clusters: a cluster of fewer than six bytes is
// looked up as a whole, and the replacement of the shortest key that it begins with
// replaces all of it; otherwise its code points are looked up one by one.
type precompiled struct {
	u     *unidata
	units []uint32
	text  string // replacements, each terminated by NUL

	// loners is a bit set of the code points below 1<<16 that are unchanged unless a
	// mark follows: they are not keys and do not join a neighbour's cluster.
	loners [1 << 16 / 64]uint64
}

// newPrecompiledBase64 reads the table from tokenizer.json.
func newPrecompiledBase64(path, field, text string) (normalizer, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, &fault.FormatError{Path: path, Field: field, Offset: -1, Found: "text that is not base64: " + err.Error()}
	}
	return newPrecompiled(path, field, data)
}

// newPrecompiled reads the table: the size of the array in bytes, the array, the
// replacements. It returns nil for an empty table, which changes nothing.
func newPrecompiled(path, field string, data []byte) (normalizer, error) {
	if len(data) == 0 {
		return nil, nil
	}
	bad := func(found, want string) (normalizer, error) {
		return nil, &fault.FormatError{Path: path, Field: field, Offset: -1, Found: found, Want: want}
	}
	if len(data) < 4 {
		return bad(fmt.Sprintf("%d bytes", len(data)), "a table of characters")
	}
	size := int64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if size%4 != 0 || size == 0 || size > int64(len(data)) {
		return bad(fmt.Sprintf("an array of %d bytes", size), fmt.Sprintf("a multiple of 4 up to the %d bytes that follow", len(data)))
	}
	n := &precompiled{u: loadUnidata(), units: make([]uint32, size/4), text: string(data[size:])}
	for i := range n.units {
		n.units[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if !utf8.ValidString(n.text) {
		return bad("replacements that are not UTF-8", "")
	}
	var b [utf8.UTFMax]byte
	for r := range rune(1 << 16) {
		if r != '\r' && !n.u.is(r, isPrepended) && hangulKind(r) == 0 && n.lookup(b[:utf8.EncodeRune(b[:], r)]) < 0 {
			n.loners[r>>6] |= 1 << (r & 63)
		}
	}
	return n, nil
}

func (n *precompiled) loner(r rune) bool {
	return r < 1<<16 && n.loners[r>>6]>>(r&63)&1 != 0
}

// A unit of the array has the label of the edge that leads to it in bits 0–7 and 31,
// whether a key ends there in bit 8, and the offset of its children, to be combined by
// exclusive or, in the rest.
func unitLabel(u uint32) uint32  { return u & (1<<31 | 0xff) }
func unitOffset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }

// lookup finds the shortest key that text begins with. It returns the start of the
// replacement in n.text, -1 if there is none.
func (n *precompiled) lookup(text []byte) int32 {
	pos := unitOffset(n.units[0])
	for _, c := range text {
		if c == 0 {
			break
		}
		pos ^= uint32(c)
		if pos >= uint32(len(n.units)) {
			break
		}
		u := n.units[pos]
		if unitLabel(u) != uint32(c) {
			break
		}
		pos ^= unitOffset(u)
		if u&(1<<8) != 0 {
			if pos >= uint32(len(n.units)) {
				break
			}
			at := n.units[pos] &^ (1 << 31)
			if at > uint32(len(n.text)) || at < uint32(len(n.text)) && !utf8.RuneStart(n.text[at]) {
				break
			}
			return int32(at)
		}
	}
	return -1
}

func (n *precompiled) appendReplacement(dst []byte, at int32) []byte {
	replacement, _, _ := strings.Cut(n.text[at:], "\x00")
	return append(dst, replacement...)
}

func (n *precompiled) normalize(dst, text []byte, head bool, limit int) ([]byte, bool, error) {
	limit += len(dst)
	for i := 0; i < len(text) && len(dst) <= limit; {
		run := i
		for r, size := utf8.DecodeRune(text[i:]); n.loner(r); {
			if i+size == len(text) {
				i += size
				break
			}
			next, nextSize := rune(text[i+size]), 1
			if next >= utf8.RuneSelf {
				if next, nextSize = utf8.DecodeRune(text[i+size:]); n.u.is(next, isExtending) {
					break
				}
			}
			i += size
			r, size = next, nextSize
		}
		if run < i {
			dst = append(dst, text[run:i]...)
			continue
		}
		end := n.u.cluster(text, i)
		if end-i < 6 {
			if at := n.lookup(text[i:end]); at >= 0 {
				dst = n.appendReplacement(dst, at)
				i = end
				continue
			}
		}
		for i < end {
			_, size := utf8.DecodeRune(text[i:])
			if at := n.lookup(text[i : i+size]); at >= 0 {
				dst = n.appendReplacement(dst, at)
			} else {
				dst = append(dst, text[i:i+size]...)
			}
			i += size
		}
	}
	return dst, head, nil
}

// cluster returns the end of the grapheme cluster that begins at from.
//
// The rules for Indic conjuncts (GB9c) and emoji (GB11) are omitted: the clusters that
// they join are longer than five bytes anyway, and splitting them matters only before a
// mark of two bytes, which does not occur there.
func (u *unidata) cluster(text []byte, from int) int {
	r, size := utf8.DecodeRune(text[from:])
	end := from + size
	if r == '\r' && end < len(text) && text[end] == '\n' {
		return end + 1
	}
	p := u.props[r]
	flags := regional(r)
	for p&isBreaking == 0 && end < len(text) {
		next, size := utf8.DecodeRune(text[end:])
		q := u.props[next]
		switch {
		case q&isBreaking != 0:
			return end
		case q&isExtending != 0:
		case p&isPrepended != 0:
		case joinsHangul(r, next):
		case flags && regional(next) && r != 0:
			flags = false // flags are pairs of these
			r, p = next, q
			end += size
			continue
		default:
			return end
		}
		flags = regional(next)
		r, p = next, q
		end += size
	}
	return end
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// joinsHangul reports whether b continues the syllable block of a.
func joinsHangul(a, b rune) bool {
	if a < 0x1100 || b < 0x1100 {
		return false
	}
	ka, kb := hangulKind(a), hangulKind(b)
	switch ka {
	case 'L':
		return kb == 'L' || kb == 'V' || kb == 'v' || kb == 't'
	case 'V', 'v':
		return kb == 'V' || kb == 'T'
	case 'T', 't':
		return kb == 'T'
	}
	return false
}

// hangulKind returns L, V or T for jamo, v for syllables that end in a vowel and t for
// those that end in a consonant.
func hangulKind(r rune) byte {
	switch {
	case r >= 0x1100 && r <= 0x115f, r >= 0xa960 && r <= 0xa97c:
		return 'L'
	case r >= 0x1160 && r <= 0x11a7, r >= 0xd7b0 && r <= 0xd7c6:
		return 'V'
	case r >= 0x11a8 && r <= 0x11ff, r >= 0xd7cb && r <= 0xd7fb:
		return 'T'
	case r >= hangulS && r < hangulS+hangulSs:
		if (r-hangulS)%hangulTs == 0 {
			return 'v'
		}
		return 't'
	}
	return 0
}
