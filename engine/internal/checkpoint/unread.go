package checkpoint

import (
	"encoding/json"
	"slices"
	"strings"
)

// Unread returns the settings that have not been read and are not known to be harmless,
// sorted: names in config.json, with a path inside objects, or keys of GGUF metadata.
func (f *File) Unread() []string {
	var names []string
	if m, ok := f.values.(*metadata); ok {
		for _, key := range m.Keys() {
			if !m.read[key] && !harmlessKey(key, f.Architecture) {
				names = append(names, key)
			}
		}
	} else {
		for _, name := range f.Config.unread() {
			top, _, _ := strings.Cut(name, ".")
			if !f.harmless(top) {
				names = append(names, name)
			}
		}
	}
	names = append(names, f.Sentence.unread()...)
	slices.Sort(names)
	return names
}

// harmless reports whether a setting of config.json changes nothing.
func (f *File) harmless(name string) bool {
	if harmlessNames[name] || strings.Contains(name, harmlessSubstring) || slices.Contains(harmlessFor[f.ModelType], name) || slices.Contains(harmlessFor[f.Architecture], name) {
		return true
	}
	ends := func(end string) bool { return strings.HasSuffix(f.Architecture, end) }
	switch {
	case strings.HasPrefix(name, "classifier_"), name == "problem_type":
		return !ends("ForSequenceClassification") // there is no such head
	}
	if neutral, ok := harmlessValues[name]; ok {
		value, err := json.Marshal(f.Config.members[name])
		return err == nil && slices.Contains(neutral, string(value))
	}
	return false
}

// harmlessKey reports whether a key of GGUF metadata changes nothing. The tokenizer
// accounts for its own keys.
func harmlessKey(key, architecture string) bool {
	for _, start := range harmlessPrefixes {
		if strings.HasPrefix(key, start) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(key, architecture+".")
	return ok && (slices.Contains(harmlessKeys, rest) || slices.Contains(harmlessFor[architecture], rest))
}
