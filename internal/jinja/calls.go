package jinja

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names that a template may use. Parse refuses others.
var (
	tests = []string{"defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false",
		"odd", "even", "in", "eq", "equalto", "ne", "gt", "lt", "ge", "le", "sameas", "divisibleby"}
	testsOfTwo    = []string{"in", "eq", "equalto", "ne", "gt", "lt", "ge", "le", "sameas", "divisibleby"}
	functionNames = []string{"raise_exception", "namespace", "range", "dict"}
	methodNames   = []string{"strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "startswith", "endswith", "split", "replace", "find", "count", "join",
		"items", "keys", "values", "get"}
	filterNames = []string{"trim", "length", "count", "first", "last", "join", "upper", "lower", "capitalize", "title", "replace", "default", "d", "list", "string", "int",
		"tojson", "map", "select", "reject", "selectattr", "rejectattr", "items", "dictsort", "reverse", "unique", "safe", "abs"}
)

// A call is a function, a method of receiver, or a filter on it.
type call struct {
	name      string
	receiver  expression // nil of functions
	filter    bool
	arguments []expression
	named     []namedArgument
	line      int
}

type namedArgument struct {
	name string
	expression
}

// arguments are the values that a call is given.
type arguments struct {
	list  []any
	named map[string]any
}

// at is argument i, or that of the name, or fallback.
func (a *arguments) at(i int, name string, fallback any) any {
	if i < len(a.list) {
		return a.list[i]
	}
	if v, ok := a.named[name]; ok {
		return v
	}
	return fallback
}

func (c *call) value(r *run) (any, error) {
	if err := r.step(c.line); err != nil {
		return nil, err
	}
	var receiver any
	var err error
	if c.receiver != nil {
		if receiver, err = c.receiver.value(r); err != nil {
			return nil, err
		}
	}
	a := &arguments{named: make(map[string]any)}
	for _, e := range c.arguments {
		v, err := e.value(r)
		if err != nil {
			return nil, err
		}
		a.list = append(a.list, v)
	}
	for _, n := range c.named {
		if a.named[n.name], err = n.value(r); err != nil {
			return nil, err
		}
	}
	if err := fits(receiver, a.list); err != nil {
		return nil, r.fail(c.line, "%s", err)
	}
	var v any
	switch {
	case c.filter:
		v, err = filter(r, c.name, receiver, a)
	case c.receiver != nil:
		v, err = method(c.name, receiver, a)
	default:
		v, err = function(c.name, a)
	}
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			return nil, err
		}
		return nil, r.fail(c.line, "%s: %s", c.name, err)
	}
	return r.bounded(c.line, v)
}

func function(name string, a *arguments) (any, error) {
	switch name {
	case "raise_exception":
		return nil, errors.New(text(a.at(0, "message", "")))
	case "range":
		bounds := [3]int{0, 0, 1}
		for i, v := range a.list {
			n, ok := v.(int)
			if !ok || i > 2 {
				return nil, fmt.Errorf("%s is no bound", kind(v))
			}
			bounds[i] = n
		}
		if len(a.list) == 1 {
			bounds[0], bounds[1] = 0, bounds[0]
		}
		if bounds[2] == 0 {
			return nil, errors.New("of steps of 0")
		}
		var list []any
		for i := bounds[0]; bounds[2] > 0 && i < bounds[1] || bounds[2] < 0 && i > bounds[1]; i += bounds[2] {
			if len(list) >= maxSteps {
				return nil, fmt.Errorf("more than %d numbers", maxSteps)
			}
			list = append(list, i)
		}
		return list, nil
	}
	d := NewDict()
	d.namespace = name == "namespace"
	if len(a.list) > 0 {
		from, ok := a.list[0].(*Dict)
		if !ok {
			return nil, fmt.Errorf("of %s", kind(a.list[0]))
		}
		for _, key := range from.keys {
			d.Set(key, from.values[key])
		}
	}
	for key, v := range a.named {
		d.Set(key, v)
	}
	slices.Sort(d.keys) // the order of named arguments is of no account
	return d, nil
}

func method(name string, receiver any, a *arguments) (any, error) {
	if d, ok := receiver.(*Dict); ok {
		return dictMethod(name, d, a)
	}
	s, ok := receiver.(string)
	if !ok {
		return nil, fmt.Errorf("of %s", kind(receiver))
	}
	argument := func(i int) string { return text(a.at(i, "", "")) }
	cutset := pythonSpace
	if v, ok := a.at(0, "chars", nil).(string); ok {
		cutset = func(c rune) bool { return strings.ContainsRune(v, c) }
	}
	switch name {
	case "strip":
		return strings.TrimFunc(s, cutset), nil
	case "lstrip":
		return strings.TrimLeftFunc(s, cutset), nil
	case "rstrip":
		return strings.TrimRightFunc(s, cutset), nil
	case "upper":
		return strings.ToUpper(s), nil
	case "lower":
		return strings.ToLower(s), nil
	case "title":
		return title(s), nil
	case "capitalize":
		return capitalize(s), nil
	case "startswith", "endswith":
		is := strings.HasPrefix
		if name == "endswith" {
			is = strings.HasSuffix
		}
		if list, ok := a.at(0, "", nil).([]any); ok {
			return slices.ContainsFunc(list, func(v any) bool { return is(s, text(v)) }), nil
		}
		return is(s, argument(0)), nil
	case "split":
		return split(s, a)
	case "replace":
		return replace(s, argument(0), argument(1), count(a))
	case "find":
		at := strings.Index(s, argument(0))
		if at > 0 {
			at = utf8.RuneCountInString(s[:at])
		}
		return at, nil
	case "count":
		return strings.Count(s, argument(0)), nil
	case "join":
		return join(a.at(0, "", nil), s)
	}
	return nil, errors.New("of a text")
}

func dictMethod(name string, d *Dict, a *arguments) (any, error) {
	switch name {
	case "get":
		if v, ok := d.Get(text(a.at(0, "key", ""))); ok {
			return v, nil
		}
		return a.at(1, "default", nil), nil
	case "items", "keys", "values":
		list := make([]any, len(d.keys))
		for i, key := range d.keys {
			switch name {
			case "items":
				list[i] = []any{key, d.values[key]}
			case "keys":
				list[i] = key
			default:
				list[i] = d.values[key]
			}
		}
		return list, nil
	}
	return nil, errors.New("of a dictionary")
}

func pythonSpace(c rune) bool { return unicode.IsSpace(c) || c >= 0x1c && c <= 0x1f }

func title(s string) string {
	word := false
	return strings.Map(func(c rune) rune {
		was := word
		word = unicode.IsLetter(c)
		if was {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func capitalize(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
}

func split(s string, a *arguments) (any, error) {
	var parts []string
	most := -1
	if v, ok := a.at(1, "maxsplit", nil).(int); ok && v >= 0 {
		most = v + 1
	}
	if by, ok := a.at(0, "sep", nil).(string); ok {
		if by == "" {
			return nil, errors.New("by nothing")
		}
		parts = strings.SplitN(s, by, most)
	} else {
		parts = strings.FieldsFunc(s, pythonSpace)
	}
	list := make([]any, len(parts))
	for i, part := range parts {
		list[i] = part
	}
	return list, nil
}

// count is how many parts are replaced, all if it is negative.
func count(a *arguments) int {
	if n, ok := a.at(2, "count", nil).(int); ok {
		return n
	}
	return -1
}

// replace replaces n parts of a text, or all if n is negative.
func replace(s, old, with string, n int) (any, error) {
	if strings.Count(s, old)*len(with) > maxOutput {
		return nil, fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	return strings.Replace(s, old, with, n), nil
}

func join(v any, by string) (any, error) {
	list, ok := iterate(v)
	if !ok {
		return nil, fmt.Errorf("of %s", kind(v))
	}
	if len(list)*len(by) > maxOutput {
		return nil, fmt.Errorf("a text of more than %d bytes", maxOutput)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = text(e)
	}
	return strings.Join(parts, by), nil
}

func filter(r *run, name string, v any, a *arguments) (any, error) {
	switch name {
	case "trim":
		if chars, ok := a.at(0, "chars", nil).(string); ok {
			return strings.Trim(text(v), chars), nil
		}
		return strings.TrimFunc(text(v), pythonSpace), nil
	case "upper":
		return strings.ToUpper(text(v)), nil
	case "lower":
		return strings.ToLower(text(v)), nil
	case "capitalize":
		return capitalize(text(v)), nil
	case "title":
		return title(text(v)), nil
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

// whole is v as a whole number, if it is a number or a text that spells one.
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

// dictsort is the pairs of d in the order of their keys, or of their values.
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

// fold is v, a text in small letters unless case matters.
func fold(v any, exact bool) any {
	if s, ok := v.(string); ok && !exact {
		return strings.ToLower(s)
	}
	return v
}

// listFilter is a filter of what can be gone through.
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
			return nil, fmt.Errorf("the filter %q is not known", inner)
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

// mapped is an attribute, perhaps of attributes, of each element; fallback of those that
// have none.
func mapped(list []any, attribute, fallback any) []any {
	out := make([]any, len(list))
	for i, e := range list {
		if out[i] = path(e, attribute); out[i] == any(undefined{}) {
			out[i] = fallback
		}
	}
	return out
}

// path is an attribute, whose name may have dots.
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

// operatorTests are operators by the names of their tests.
var operatorTests = map[string]string{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

// selected is select, reject, selectattr or rejectattr.
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
				return nil, fmt.Errorf("the test %q is not known", t.name)
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

// A test is what stands behind "is".
type test struct {
	name     string
	of       expression
	argument expression // or nil
	line     int
}

func (t *test) evaluate(r *run) (bool, error) {
	v, err := t.of.value(r)
	if err != nil {
		return false, err
	}
	var argument any
	if t.argument != nil {
		if argument, err = t.argument.value(r); err != nil {
			return false, err
		}
	}
	compare := func(operator string) (bool, error) {
		is, ok := combine(operator, v, argument)
		if !ok {
			return false, r.fail(t.line, "%s %s %s", kind(v), operator, kind(argument))
		}
		return is.(bool), nil
	}
	switch t.name {
	case "eq", "equalto", "sameas":
		return equal(v, argument), nil
	case "ne":
		return !equal(v, argument), nil
	case "gt":
		return compare(">")
	case "lt":
		return compare("<")
	case "ge":
		return compare(">=")
	case "le":
		return compare("<=")
	case "in":
		in, _ := contains(argument, v)
		return in, nil
	case "odd", "even", "divisibleby":
		n, ok := v.(int)
		by, right := argument.(int)
		if t.name != "divisibleby" {
			by, right = 2, true
		}
		if !ok || !right || by == 0 {
			return false, r.fail(t.line, "%s is no whole number", kind(v))
		}
		return (n%by == 0) == (t.name != "odd"), nil
	}
	return is(t.name, v), nil
}

// is tells what kind of value v is.
func is(name string, v any) bool {
	switch name {
	case "defined":
		return v != any(undefined{})
	case "undefined":
		return v == any(undefined{})
	case "none":
		return v == nil
	case "true":
		return v == true
	case "false":
		return v == false
	}
	switch v.(type) {
	case string:
		return name == "string" || name == "iterable" || name == "sequence"
	case undefined:
		return name == "iterable" || name == "sequence" // an empty one
	case bool: // a kind of int in Python
		return name == "boolean" || name == "number"
	case int:
		return name == "number" || name == "integer"
	case float64:
		return name == "number" || name == "float"
	case []any:
		return name == "iterable" || name == "sequence"
	case *Dict:
		return name == "mapping" || name == "iterable" || name == "sequence"
	}
	return false
}

func (t *test) value(r *run) (any, error) { return t.evaluate(r) }
