package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The regular expressions of the Hugging Face library use the character classes of
// Unicode 16. Go's tables may be older, so the characters added in 15.1 and 16.0 are
// listed here. Duplicates are harmless: newer Go tables only make these lines
// redundant.
var since15 = []struct {
	lo, hi   rune
	category string
}{
	{0x0897, 0x0897, "Mn"}, {0x1b4e, 0x1b4f, "Po"}, {0x1b7f, 0x1b7f, "Po"}, {0x1c89, 0x1c89, "Lu"},
	{0x1c8a, 0x1c8a, "Ll"}, {0x2427, 0x2429, "So"}, {0x2ffc, 0x2fff, "So"}, {0x31e4, 0x31e5, "So"},
	{0x31ef, 0x31ef, "So"}, {0xa7cb, 0xa7cc, "Lu"}, {0xa7cd, 0xa7cd, "Ll"}, {0xa7da, 0xa7da, "Lu"},
	{0xa7db, 0xa7db, "Ll"}, {0xa7dc, 0xa7dc, "Lu"}, {0x105c0, 0x105f3, "Lo"}, {0x10d40, 0x10d49, "Nd"},
	{0x10d4a, 0x10d4d, "Lo"}, {0x10d4e, 0x10d4e, "Lm"}, {0x10d4f, 0x10d4f, "Lo"}, {0x10d50, 0x10d65, "Lu"},
	{0x10d69, 0x10d6d, "Mn"}, {0x10d6e, 0x10d6e, "Pd"}, {0x10d6f, 0x10d6f, "Lm"}, {0x10d70, 0x10d85, "Ll"},
	{0x10d8e, 0x10d8f, "Sm"}, {0x10ec2, 0x10ec4, "Lo"}, {0x10efc, 0x10efc, "Mn"}, {0x11380, 0x11389, "Lo"},
	{0x1138b, 0x1138b, "Lo"}, {0x1138e, 0x1138e, "Lo"}, {0x11390, 0x113b5, "Lo"}, {0x113b7, 0x113b7, "Lo"},
	{0x113b8, 0x113ba, "Mc"}, {0x113bb, 0x113c0, "Mn"}, {0x113c2, 0x113c2, "Mc"}, {0x113c5, 0x113c5, "Mc"},
	{0x113c7, 0x113ca, "Mc"}, {0x113cc, 0x113cd, "Mc"}, {0x113ce, 0x113ce, "Mn"}, {0x113cf, 0x113cf, "Mc"},
	{0x113d0, 0x113d0, "Mn"}, {0x113d1, 0x113d1, "Lo"}, {0x113d2, 0x113d2, "Mn"}, {0x113d3, 0x113d3, "Lo"},
	{0x113d4, 0x113d5, "Po"}, {0x113d7, 0x113d8, "Po"}, {0x113e1, 0x113e2, "Mn"}, {0x116d0, 0x116e3, "Nd"},
	{0x11bc0, 0x11be0, "Lo"}, {0x11be1, 0x11be1, "Po"}, {0x11bf0, 0x11bf9, "Nd"}, {0x11f5a, 0x11f5a, "Mn"},
	{0x13460, 0x143fa, "Lo"}, {0x16100, 0x1611d, "Lo"}, {0x1611e, 0x16129, "Mn"}, {0x1612a, 0x1612c, "Mc"},
	{0x1612d, 0x1612f, "Mn"}, {0x16130, 0x16139, "Nd"}, {0x16d40, 0x16d42, "Lm"}, {0x16d43, 0x16d6a, "Lo"},
	{0x16d6b, 0x16d6c, "Lm"}, {0x16d6d, 0x16d6f, "Po"}, {0x16d70, 0x16d79, "Nd"}, {0x18cff, 0x18cff, "Lo"},
	{0x1cc00, 0x1ccef, "So"}, {0x1ccf0, 0x1ccf9, "Nd"}, {0x1cd00, 0x1ceb3, "So"}, {0x1e5d0, 0x1e5ed, "Lo"},
	{0x1e5ee, 0x1e5ef, "Mn"}, {0x1e5f0, 0x1e5f0, "Lo"}, {0x1e5f1, 0x1e5fa, "Nd"}, {0x1e5ff, 0x1e5ff, "Po"},
	{0x1f8b2, 0x1f8bb, "So"}, {0x1f8c0, 0x1f8c1, "So"}, {0x1fa89, 0x1fa89, "So"}, {0x1fa8f, 0x1fa8f, "So"},
	{0x1fabe, 0x1fabe, "So"}, {0x1fac6, 0x1fac6, "So"}, {0x1fadc, 0x1fadc, "So"}, {0x1fadf, 0x1fadf, "So"},
	{0x1fae9, 0x1fae9, "So"}, {0x1fbcb, 0x1fbef, "So"}, {0x2ebf0, 0x2ee5d, "Lo"},
}

// alphabeticSince15 are the marks that have become alphabetic since Unicode 15.0.
var alphabeticSince15 = []runeRange{
	{0x0363, 0x036f}, {0x0897, 0x0897}, {0x1dd3, 0x1de6}, {0x10d69, 0x10d69}, {0x10efc, 0x10efc},
	{0x113b8, 0x113c0}, {0x113c2, 0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113ca},
	{0x113cc, 0x113cd}, {0x1611e, 0x1612e},
}

// scriptsSince15 are the characters added to scripts since Unicode 15.0.
var scriptsSince15 = map[string][]runeRange{
	"arabic":              {{0x897, 0x897}, {0x10ec2, 0x10ec4}, {0x10efc, 0x10efc}},
	"balinese":            {{0x1b4e, 0x1b4f}, {0x1b7f, 0x1b7f}},
	"cyrillic":            {{0x1c89, 0x1c8a}},
	"egyptianhieroglyphs": {{0x13460, 0x143fa}},
	"garay":               {{0x10d40, 0x10d65}, {0x10d69, 0x10d85}, {0x10d8e, 0x10d8f}},
	"gurungkhema":         {{0x16100, 0x16139}},
	"han":                 {{0x2ebf0, 0x2ee5d}},
	"kawi":                {{0x11f5a, 0x11f5a}},
	"khitansmallscript":   {{0x18cff, 0x18cff}},
	"kiratrai":            {{0x16d40, 0x16d79}},
	"latin":               {{0xa7cb, 0xa7cd}, {0xa7da, 0xa7dc}},
	"myanmar":             {{0x116d0, 0x116e3}},
	"olonal":              {{0x1e5d0, 0x1e5fa}, {0x1e5ff, 0x1e5ff}},
	"sunuwar":             {{0x11bc0, 0x11be1}, {0x11bf0, 0x11bf9}},
	"todhri":              {{0x105c0, 0x105f3}},
	"common": {
		{0x2427, 0x2429}, {0x2ffc, 0x2fff}, {0x31e4, 0x31e5}, {0x31ef, 0x31ef}, {0x1cc00, 0x1ccf9},
		{0x1cd00, 0x1ceb3}, {0x1f8b2, 0x1f8bb}, {0x1f8c0, 0x1f8c1}, {0x1fa89, 0x1fa89},
		{0x1fa8f, 0x1fa8f}, {0x1fabe, 0x1fabe}, {0x1fac6, 0x1fac6}, {0x1fadc, 0x1fadc},
		{0x1fadf, 0x1fadf}, {0x1fae9, 0x1fae9}, {0x1fbcb, 0x1fbef},
	},
	"tulutigalari": {
		{0x11380, 0x11389}, {0x1138b, 0x1138b}, {0x1138e, 0x1138e}, {0x11390, 0x113b5},
		{0x113b7, 0x113c0}, {0x113c2, 0x113c2}, {0x113c5, 0x113c5}, {0x113c7, 0x113ca},
		{0x113cc, 0x113d5}, {0x113d7, 0x113d8}, {0x113e1, 0x113e2},
	},
}

// A runeRange is the characters from lo to hi, inclusive.
type runeRange struct{ lo, hi rune }

// A runeSet is a set of characters: ascending, non-adjacent ranges.
type runeSet struct {
	ascii  [2]uint64 // the first 128 characters as a bit set
	ranges []runeRange
}

// newRuneSet builds a set from ranges, which may be unordered and overlap.
func newRuneSet(ranges []runeRange) *runeSet {
	slices.SortFunc(ranges, func(a, b runeRange) int { return int(a.lo) - int(b.lo) })
	s := &runeSet{}
	for _, r := range ranges {
		if n := len(s.ranges); n > 0 && r.lo <= s.ranges[n-1].hi+1 {
			s.ranges[n-1].hi = max(s.ranges[n-1].hi, r.hi)
		} else {
			s.ranges = append(s.ranges, r)
		}
	}
	for _, r := range s.ranges {
		for c := r.lo; c <= min(r.hi, utf8.RuneSelf-1); c++ {
			s.ascii[c>>6] |= 1 << (c & 63)
		}
	}
	return s
}

func (s *runeSet) has(r rune) bool {
	if uint32(r) < utf8.RuneSelf {
		return s.ascii[r>>6]>>(r&63)&1 != 0
	}
	lo, hi := 0, len(s.ranges)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := s.ranges[mid]; {
		case r < c.lo:
			hi = mid
		case r > c.hi:
			lo = mid + 1
		default:
			return true
		}
	}
	return false
}

func (s *runeSet) not() *runeSet {
	var out []runeRange
	next := rune(0)
	for _, r := range s.ranges {
		if next < r.lo {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, runeRange{next, unicode.MaxRune})
	}
	return newRuneSet(out)
}

func (s *runeSet) or(t *runeSet) *runeSet {
	return newRuneSet(slices.Concat(s.ranges, t.ranges))
}

func (s *runeSet) and(t *runeSet) *runeSet {
	return s.not().or(t.not()).not()
}

// folded returns s with all cases of its characters.
func (s *runeSet) folded() *runeSet {
	out := slices.Clone(s.ranges)
	for _, orbit := range foldOrbits() {
		if slices.ContainsFunc(orbit, s.has) {
			for _, c := range orbit {
				out = append(out, runeRange{c, c})
			}
		}
	}
	return newRuneSet(out)
}

// foldOrbits lists the groups of characters that differ only in case.
var foldOrbits = sync.OnceValue(func() [][]rune {
	var orbits [][]rune
	for r := range rune(unicode.MaxRune) {
		orbit := []rune{r}
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if f < r { // listed with its smallest member
				orbit = nil
				break
			}
			orbit = append(orbit, f)
		}
		if len(orbit) > 1 {
			orbits = append(orbits, orbit)
		}
	}
	return orbits
})

func tableSet(tables ...*unicode.RangeTable) *runeSet {
	var out []runeRange
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, runeRange{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			out = append(out, runeRange{c, c})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return newRuneSet(out)
}

// categorySet returns a general category by its one- or two-letter name.
func categorySet(name string) *runeSet {
	var out []runeRange
	for _, r := range since15 {
		if strings.HasPrefix(r.category, name) {
			out = append(out, runeRange{r.lo, r.hi})
		}
	}
	s := newRuneSet(out)
	if t := unicode.Categories[name]; t != nil {
		s = s.or(tableSet(t))
	}
	return s
}

func categoriesSet(names ...string) *runeSet {
	s := &runeSet{}
	for _, name := range names {
		s = s.or(categorySet(name))
	}
	return s
}

var (
	spaceSet = sync.OnceValue(func() *runeSet { return tableSet(unicode.White_Space) })
	digitSet = sync.OnceValue(func() *runeSet { return categorySet("Nd") })
	alphaSet = sync.OnceValue(func() *runeSet {
		return categoriesSet("L", "Nl").or(tableSet(unicode.Other_Alphabetic)).or(newRuneSet(slices.Clone(alphabeticSince15)))
	})
	wordSet = sync.OnceValue(func() *runeSet { return alphaSet().or(categoriesSet("M", "Nd", "Pc")) })
	// wordTypeSet is \w outside brackets and for \b: there Oniguruma uses a separate
	// table for the first 256 characters, which includes fractions and superscript
	// digits.
	wordTypeSet = sync.OnceValue(func() *runeSet {
		return wordSet().or(newRuneSet([]runeRange{{0xb2, 0xb3}, {0xb9, 0xb9}, {0xbc, 0xbe}}))
	})
	// assignedSet excludes the surrogates, which UTF-8 text cannot contain.
	assignedSet = sync.OnceValue(func() *runeSet { return categoriesSet("L", "M", "N", "P", "S", "Z", "Cc", "Cf", "Co") })
	hexSet      = sync.OnceValue(func() *runeSet { return newRuneSet([]runeRange{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}) })
)

// posixSet returns a class by its name in [[:name:]].
func posixSet(name string) *runeSet {
	switch name {
	case "alnum":
		return alphaSet().or(digitSet())
	case "alpha":
		return alphaSet()
	case "ascii":
		return newRuneSet([]runeRange{{0, 127}})
	case "blank":
		return categorySet("Zs").or(newRuneSet([]runeRange{{'\t', '\t'}}))
	case "cntrl":
		return categorySet("Cc")
	case "digit":
		return digitSet()
	case "graph":
		return assignedSet().and(spaceSet().or(categorySet("Cc")).not())
	case "lower":
		return categorySet("Ll").or(tableSet(unicode.Other_Lowercase))
	case "print":
		return posixSet("graph").or(categorySet("Zs"))
	case "punct":
		return categoriesSet("P", "S")
	case "space":
		return spaceSet()
	case "upper":
		return categorySet("Lu").or(tableSet(unicode.Other_Uppercase))
	case "xdigit":
		return hexSet()
	case "word":
		return wordSet()
	}
	return nil
}

// longCategories are the spelt-out names of the general categories.
var longCategories = map[string]string{
	"letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
	"modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn",
	"spacingmark": "Mc", "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd",
	"letternumber": "Nl", "othernumber": "No", "punctuation": "P", "connectorpunctuation": "Pc",
	"dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe",
	"initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po", "symbol": "S",
	"mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
	"separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
	"control": "Cc", "format": "Cf", "privateuse": "Co",
}

// propertySet returns a class by its name in \p{name}, or nil. Case, spaces, hyphens
// and underscores in names are ignored.
func propertySet(name string) *runeSet {
	name = strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(name))
	if long, ok := longCategories[name]; ok {
		return categorySet(long)
	}
	switch name {
	case "any":
		return (&runeSet{}).not()
	case "assigned":
		return assignedSet()
	case "cn", "unassigned":
		return assignedSet().or(tableSet(unicode.Cs)).not()
	case "c", "other":
		return assignedSet().not().or(categoriesSet("Cc", "Cf", "Co"))
	case "lc", "casedletter":
		return categoriesSet("Lu", "Ll", "Lt")
	case "punct": // differs from [[:punct:]]
		return categorySet("P")
	case "alphabetic":
		return alphaSet()
	case "uppercase":
		return posixSet("upper")
	case "lowercase":
		return posixSet("lower")
	case "whitespace":
		return spaceSet()
	}
	if s := posixSet(name); s != nil {
		return s
	}
	if len(name) <= 2 {
		short := strings.ToUpper(name[:min(1, len(name))]) + name[min(1, len(name)):]
		if unicode.Categories[short] != nil {
			return categorySet(short)
		}
		return nil
	}
	if long, ok := shortScripts[name]; ok {
		name = long
	}
	var s *runeSet
	if since, ok := scriptsSince15[name]; ok {
		s = newRuneSet(slices.Clone(since))
	}
	for script, table := range unicode.Scripts {
		if strings.ToLower(strings.ReplaceAll(script, "_", "")) == name {
			if s == nil {
				s = &runeSet{}
			}
			return s.or(tableSet(table))
		}
	}
	return s
}

var shortScripts = map[string]string{
	"arab": "arabic", "armn": "armenian", "beng": "bengali", "cyrl": "cyrillic", "deva": "devanagari",
	"ethi": "ethiopic", "hani": "han", "geor": "georgian", "grek": "greek", "gujr": "gujarati", "guru": "gurmukhi",
	"hang": "hangul", "hebr": "hebrew", "hira": "hiragana", "kana": "katakana", "khmr": "khmer",
	"knda": "kannada", "laoo": "lao", "latn": "latin", "mlym": "malayalam", "mong": "mongolian",
	"mymr": "myanmar", "sinh": "sinhala", "taml": "tamil", "telu": "telugu", "tibt": "tibetan",
	"zinh": "inherited", "zyyy": "common",
}
