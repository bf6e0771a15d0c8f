package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func filter(r *run, name string, v any, a *arguments) (any, error) {
	switch name {
	case "trim":
		if chars, ok := a.at(0, "chars", nil).(string); ok {
			return strings.Trim(text(v), chars), nil
		}
		return strings.TrimFunc(text(v), pythonSpace), nil
	case "upper", "lower", "capitalize", "title":
		return method(name, text(v), a)
	case "string":
		return text(v), nil
	case "safe":
		return v, nil
	case "replace":
		return replace(text(v), text(a.at(0, "old", "")), text(a.at(1, "new", "")), count(a))
	case "default", "d":
		if _, not := v.(undefined); not || truth(a.at(1, "boolean", false)) && !truth(v) {
			return a.at(0, "default_value", ""), nil
		}
		return v, nil
	case "int":
		if n, ok := whole(v); ok {
			return n, nil
		}
		return a.at(0, "default", 0), nil
	case "abs":
		if x, _, ok := numbers(v, 0); ok && x < 0 {
			return (&unary{"-", literal{v}, 0}).value(r)
		}
		return v, nil
	case "tojson":
		indent := -1
		if n, ok := a.at(0, "indent", nil).(int); ok {
			indent = min(max(n, 0), 16)
		}
		var b strings.Builder
		tojson(&b, v, indent, 0)
		return b.String(), nil
	case "items":
		if _, not := v.(undefined); not {
			return []any{}, nil
		}
		return method("items", v, a)
	case "dictsort":
		d, ok := v.(*Dict)
		if !ok {
			return nil, fmt.Errorf("of %s", kind(v))
		}
		return dictsort(d, a)
	case "length", "count":
		if s, ok := v.(string); ok {
			return utf8.RuneCountInString(s), nil
		}
	}
	return listFilter(r, name, v, a)
}

// whole converts a number, or a text that spells one, to an integer.
func whole(v any) (n int, ok bool) {
	x, _, ok := numbers(v, 0)
	if s, isText := v.(string); isText {
		s = strings.TrimSpace(s)
		if n, err := strconv.Atoi(s); err == nil {
			return n, true
		}
		var err error
		x, err = strconv.ParseFloat(s, 64)
		ok = err == nil
	}
	if !ok || math.Abs(x) >= 1<<53 || x != x {
		return 0, false
	}
	return int(x), true
}

// dictsort returns the items of d sorted by key or value.
func dictsort(d *Dict, a *arguments) (any, error) {
	list, err := dictMethod("items", d, &arguments{})
	if err != nil {
		return nil, err
	}
	by := 0
	switch name := a.at(1, "by", "key"); name {
	case "key":
	case "value":
		by = 1
	default:
		return nil, fmt.Errorf("by %s", text(name))
	}
	exact, reverse := truth(a.at(0, "case_sensitive", false)), truth(a.at(2, "reverse", false))
	var wrong error
	pairs := list.([]any)
	slices.SortStableFunc(pairs, func(x, y any) int {
		v, w := fold(x.([]any)[by], exact), fold(y.([]any)[by], exact)
		if reverse {
			v, w = w, v
		}
		if equal(v, w) {
			return 0
		}
		less, ok := combine("<", v, w)
		if !ok {
			wrong = fmt.Errorf("of %s and %s", kind(v), kind(w))
			return 0
		}
		if less.(bool) {
			return -1
		}
		return 1
	})
	return pairs, wrong
}

// fold returns v, a text in lower case unless exact.
func fold(v any, exact bool) any {
	if s, ok := v.(string); ok && !exact {
		return strings.ToLower(s)
	}
	return v
}

// listFilter applies a filter to an iterable value.
func listFilter(r *run, name string, v any, a *arguments) (any, error) {
	list, ok := iterate(v)
	if !ok {
		return nil, fmt.Errorf("of %s", kind(v))
	}
	switch name {
	case "length", "count":
		return len(list), nil
	case "first":
		return member(list, 0), nil
	case "last":
		return member(list, -1), nil
	case "list":
		return slices.Clone(list), nil
	case "join":
		if by := a.at(1, "attribute", nil); by != nil {
			list = mapped(list, by, undefined{})
		}
		return join(list, text(a.at(0, "d", "")))
	case "reverse":
		list = slices.Clone(list)
		slices.Reverse(list)
		if _, ok := v.(string); ok {
			return join(list, "")
		}
		return list, nil
	case "unique":
		exact, by := truth(a.at(0, "case_sensitive", false)), a.at(1, "attribute", nil)
		var kept, known []any
		for _, e := range list {
			key := fold(e, exact)
			if by != nil {
				key = fold(path(e, by), exact)
			}
			if !slices.ContainsFunc(known, func(k any) bool { return equal(k, key) }) {
				kept, known = append(kept, e), append(known, key)
			}
		}
		return kept, nil
	case "map":
		if by, ok := a.named["attribute"]; ok {
			fallback, ok := a.named["default"]
			if !ok {
				fallback = undefined{}
			}
			return mapped(list, by, fallback), nil
		}
		inner := text(a.at(0, "", ""))
		if !slices.Contains(filterNames, inner) {
			return nil, fmt.Errorf("unknown filter %q", inner)
		}
		out := make([]any, len(list))
		for i, e := range list {
			var err error
			if out[i], err = filter(r, inner, e, &arguments{list: a.list[1:]}); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return selected(r, name, list, a)
}

// mapped returns an attribute, possibly a path of attributes, of each element, or
// fallback for elements without it.
func mapped(list []any, attribute, fallback any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		if out[i] = path(e, attribute); out[i] == any(undefined{}) {
			out[i] = fallback
		}
	}
	return out
}

// path returns an attribute, whose name may contain dots.
func path(v, attribute any) any {
	name, ok := attribute.(string)
	if !ok {
		return member(v, attribute)
	}
	for part := range strings.SplitSeq(name, ".") {
		if n, err := strconv.Atoi(part); err == nil {
			v = member(v, n)
		} else {
			v = member(v, part)
		}
	}
	return v
}

// operatorTests maps operators to the names of their tests.
var operatorTests = map[string]string{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

// selected applies select, reject, selectattr or rejectattr.
func selected(r *run, name string, list []any, a *arguments) (any, error) {
	rest := a.list
	attribute, ofAttribute := any(nil), strings.HasSuffix(name, "attr")
	if ofAttribute {
		if len(rest) == 0 {
			return nil, errors.New("without an attribute")
		}
		attribute, rest = rest[0], rest[1:]
	}
	var kept []any
	for _, e := range list {
		v := e
		if ofAttribute {
			v = path(e, attribute)
		}
		is := truth(v)
		if len(rest) > 0 {
			t := &test{name: text(rest[0]), of: literal{v}}
			if name, ok := operatorTests[t.name]; ok {
				t.name = name
			}
			if !slices.Contains(tests, t.name) {
				return nil, fmt.Errorf("unknown test %q", t.name)
			}
			if len(rest) > 1 {
				t.argument = literal{rest[1]}
			}
			result, err := t.evaluate(r)
			if err != nil {
				return nil, err
			}
			is = result
		}
		if is == strings.HasPrefix(name, "select") {
			kept = append(kept, e)
		}
	}
	return kept, nil
}
