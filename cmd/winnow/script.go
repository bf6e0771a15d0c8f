package main

import (
	"unicode"
)

// warnScript warns of a query in a script that the built-in model does not know.
// Nothing is known of other models.
func warnScript(env *environment, model, query string) {
	if model != "" && !isBuiltIn(model) {
		return
	}
	if script := foreignScript(query); script != "" {
		env.note("the query is in %s script, but the built-in model supports English only: try -m multilingual (see winnow models)", script)
	}
}

// foreignScript names the most frequent script of a text that is largely not Latin, or
// returns "". A Greek letter in a formula does not make a text Greek.
func foreignScript(text string) string {
	letters, most := 0, 0
	script := ""
	count := make(map[string]int)
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if unicode.Is(unicode.Latin, r) {
			continue
		}
		name := scriptOf(r)
		count[name]++
		if count[name] > most {
			script, most = name, count[name]
		}
	}
	foreign := 0
	for _, n := range count {
		foreign += n
	}
	if 3*foreign < letters || foreign == 0 {
		return ""
	}
	return script
}

func scriptOf(r rune) string {
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "unknown"
}
