package checkpoint

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// spelling is the tag for the file's format.
func (f *File) spelling(tag reflect.StructTag) string {
	if f.IsGGUF() {
		return tag.Get("gguf")
	}
	return tag.Get("hf")
}

// numbered is the name prefix of element j of a slice.
func numbered(stem string, tag reflect.StructTag, j int) string {
	from, _ := strconv.Atoi(tag.Get("from"))
	return strings.Replace(stem, "%d", strconv.Itoa(from+j), 1)
}

// choose returns the alternative of a tag that the file has, or the first one, and how
// many of the first one's tensors are stacked in each of its tensors.
func (f *File) choose(spelling, prefix string) (names []string, stacked int) {
	first, alternatives, _ := strings.Cut(spelling, ",")
	expected := qualified(first, prefix)
	if !slices.ContainsFunc(expected, func(name string) bool { return !f.has(name + ".weight") }) {
		return expected, 1
	}
	for alternative := range strings.SplitSeq(alternatives, ",") {
		if names := qualified(alternative, prefix); len(names) > 0 && f.has(names[0]+".weight") {
			return names, len(expected) / len(names)
		}
	}
	return expected, 1
}

// qualified returns the names in a tag, each with the prefix.
func qualified(tag, prefix string) []string {
	names := strings.Fields(tag)
	for i := range names {
		names[i] = strings.TrimSuffix(prefix+names[i], ".")
	}
	return names
}

// chooseStem returns the alternative of a slice's tag that begins names in the file, or
// the first one.
func (f *File) chooseStem(spelling string, tag reflect.StructTag) string {
	first, alternatives, _ := strings.Cut(spelling, ",")
	for alternative := range strings.SplitSeq(alternatives, ",") {
		if alternative == "" {
			continue
		}
		stem := numbered(alternative, tag, 0)
		if slices.ContainsFunc(f.source.Names(), func(name string) bool { return strings.HasPrefix(f.bare(name), stem) }) {
			return alternative
		}
	}
	return first
}

// bare is a tensor's name without the first matching prefix.
func (f *File) bare(name string) string {
	for _, prefix := range f.loading.options.Prefixes {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

func (f *File) has(name string) bool {
	_, ok := f.Tensor(name)
	return ok
}

// dimension is the value of a dim.
func (f *File) dimension(expression string) int { return evaluate(expression, f.loading.dims) }

// shape turns a tag into numbers.
func (f *File) shape(tag string) []int {
	var shape []int
	for word := range strings.FieldsSeq(tag) {
		shape = append(shape, f.dimension(word))
	}
	return shape
}
