package main

import (
	"fmt"
	"strings"
	"unicode"
)

// printable is a text that others made, such as the name in a model file, without
// what would move the cursor of a terminal, colour it or turn the writing around.
// Line ends and tabs are left.
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
