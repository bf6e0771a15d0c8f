package tokenizer

import (
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

//go:generate sh -c "python3 unidata_gen.py > unidata_tables.go && gofmt -w unidata_tables.go"

// Properties of a code point, as defined by the Hugging Face library.
const (
	isPunctuation = 1 << iota
	isWord        // \w
	isSpace       // White_Space
	isNumeric
	isControl    // removed by clean_text
	isAccent     // removed by BertNormalizer's strip_accents
	isMark       // removed by StripAccents
	isReordered  // has a combining class other than 0
	isCanonical  // has a canonical decomposition
	isCompatible // has a compatibility decomposition that is not canonical
	isExtending  // joins the grapheme cluster before it
	isPrepended  // joins the grapheme cluster after it
	isBreaking   // ends a grapheme cluster
	isUpper      // has a lowercase form
	isUnsettled  // can change in form C, alone or together with the code point before it
	isIdeograph  // surrounded with spaces by handle_chinese_chars
)

// unidata is the content of the tables, expanded for fast access.
type unidata struct {
	props    [utf8.MaxRune + 1]uint16
	lower    map[rune]rune
	composed map[[2]rune]rune // canonical pair → primary composite, without Hangul
}

var loadUnidata = sync.OnceValue(newUnidata)

// Hangul syllables decompose and compose by arithmetic.
const (
	hangulS, hangulL, hangulV, hangulT = 0xac00, 0x1100, 0x1161, 0x11a7
	hangulLs, hangulVs, hangulTs       = 19, 21, 28
	hangulSs                           = hangulLs * hangulVs * hangulTs
)

func newUnidata() *unidata {
	u := &unidata{lower: make(map[rune]rune, len(lowercasePairs)), composed: map[[2]rune]rune{}}
	set := func(ranges []rune, bit uint16) {
		for i := 0; i < len(ranges); i += 2 {
			part := u.props[ranges[i] : ranges[i+1]+1]
			for j := range part {
				part[j] |= bit
			}
		}
	}
	set(punctuationRanges[:], isPunctuation)
	set(wordRanges[:], isWord)
	set(spaceRanges[:], isSpace)
	set(numericRanges[:], isNumeric)
	set(controlRanges[:], isControl)
	set(accentRanges[:], isAccent)
	set(markRanges[:], isMark)
	set(reorderRanges[:], isReordered|isUnsettled)
	set(canonicalRanges[:], isCanonical)
	set(compatibleRanges[:], isCompatible)
	set(extendRanges[:], isExtending)
	set(prependRanges[:], isPrepended)
	set(breakRanges[:], isBreaking)
	set(ideographRanges[:], isIdeograph)
	set([]rune{hangulV, hangulV + hangulVs - 1, hangulT + 1, hangulT + hangulTs - 1}, isUnsettled)
	for _, p := range lowercasePairs {
		u.lower[p[0]] = p[1]
		u.props[p[0]] |= isUpper
	}
	for i := 0; i < len(canonicalRanges); i += 2 {
		for c := canonicalRanges[i]; c <= canonicalRanges[i+1]; c++ {
			if c >= hangulS && c < hangulS+hangulSs {
				continue
			}
			s := string(c)
			if norm.NFC.String(s) != s {
				u.props[c] |= isUnsettled
				continue
			}
			parts := []rune(norm.NFD.String(s))
			head := []rune(norm.NFC.String(string(parts[:len(parts)-1])))
			last := parts[len(parts)-1]
			if len(head) == 1 {
				u.composed[[2]rune{head[0], last}] = c
				u.props[last] |= isUnsettled
			}
		}
	}
	return u
}

// ideographRanges are the Chinese characters of BertNormalizer: the blocks of CJK
// ideographs of the original implementation, including its mistake (U+2B820 to U+2B91F
// are missing).
var ideographRanges = [...]rune{
	0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2a6df,
	0x2a700, 0x2b81f, 0x2b920, 0x2ceaf, 0x2f800, 0x2fa1f,
}

// is reports whether r has one of the properties in mask.
func (u *unidata) is(r rune, mask uint16) bool { return u.props[r]&mask != 0 }

// appendLower appends the lowercase form of r, which must be isUpper.
func (u *unidata) appendLower(dst []byte, r rune) []byte {
	dst = utf8.AppendRune(dst, u.lower[r])
	if r == 'İ' {
		dst = utf8.AppendRune(dst, '\u0307')
	}
	return dst
}
