package main

import (
	"fmt"
	"strings"
	"unicode"
)

// printable escapes characters in foreign text, such as a name in a model file, that
// would move a terminal's cursor, change its colours or reverse the writing direction. It
// keeps line ends and tabs.
func printable(s string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' && !unicode.Is(unicode.Zs, r) }
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
