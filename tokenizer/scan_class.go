package tokenizer

import (
	"sync"
	"unicode/utf8"
)

// A class is a set of the properties that scanners test.
type class uint8

const (
	classLetter  class = 1 << iota // \p{L}
	classNumber                    // \p{N}
	classSpace                     // \s
	classUpper                     // \p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}
	classLower                     // \p{Ll}\p{Lm}\p{Lo}\p{M}
	classMark                      // \p{M}
	classNewline                   // \r\n
)

const (
	pageBits = 7
	pageSize = 1 << pageBits
)

// A classTable stores the class of every character, in pages that are mostly shared.
type classTable struct {
	ascii [utf8.RuneSelf]class
	page  [(utf8.MaxRune + 1) / pageSize]uint16
	pages [][pageSize]class
}

var classes = sync.OnceValue(func() *classTable {
	all := make([]class, utf8.MaxRune+1)
	for _, c := range []struct {
		class class
		set   *runeSet
	}{
		{classLetter, categorySet("L")},
		{classNumber, categorySet("N")},
		{classSpace, spaceSet()},
		{classUpper, categoriesSet("Lu", "Lt", "Lm", "Lo", "M")},
		{classLower, categoriesSet("Ll", "Lm", "Lo", "M")},
		{classMark, categorySet("M")},
		{classNewline, newRuneSet([]runeRange{{'\r', '\r'}, {'\n', '\n'}})},
	} {
		for _, r := range c.set.ranges {
			for i := r.lo; i <= r.hi; i++ {
				all[i] |= c.class
			}
		}
	}
	t := &classTable{}
	copy(t.ascii[:], all)
	known := map[[pageSize]class]uint16{}
	for i := range t.page {
		p := [pageSize]class(all[i*pageSize:])
		at, ok := known[p]
		if !ok {
			at = uint16(len(t.pages))
			known[p] = at
			t.pages = append(t.pages, p)
		}
		t.page[i] = at
	}
	return t
})

// at returns the class and the length of the character at text[i], where i < len(text).
func (t *classTable) at(text []byte, i int) (class, int) {
	if c := text[i]; c < utf8.RuneSelf {
		return t.ascii[c], 1
	}
	return t.wide(text, i)
}

func (t *classTable) wide(text []byte, i int) (class, int) {
	r, n := utf8.DecodeRune(text[i:])
	return t.of(r), n
}

// of returns the class of r.
func (t *classTable) of(r rune) class {
	return t.pages[t.page[r>>pageBits]][r&(pageSize-1)]
}

// run returns the end of the run from i of characters with a class in want.
func (t *classTable) run(text []byte, i int, want class) int {
	for i < len(text) {
		c, n := t.at(text, i)
		if c&want == 0 {
			break
		}
		i += n
	}
	return i
}

// runOther returns the end of the run from i of characters without a class in avoid.
func (t *classTable) runOther(text []byte, i int, avoid class) int {
	for i < len(text) {
		c, n := t.at(text, i)
		if c&avoid != 0 {
			break
		}
		i += n
	}
	return i
}
