package jinja

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The names available to templates. Parse rejects others.
var (
	tests = append([]string{"defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false",
		"odd", "even"}, testsOfTwo...)
	testsOfTwo    = []string{"in", "eq", "equalto", "ne", "gt", "lt", "ge", "le", "sameas", "divisibleby"}
	functionNames = []string{"raise_exception", "namespace", "range", "dict"}
	methodNames   = []string{"strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize", "startswith", "endswith", "split", "replace", "find", "count", "join",
		"items", "keys", "values", "get"}
	filterNames = []string{"trim", "length", "count", "first", "last", "join", "upper", "lower", "capitalize", "title", "replace", "default", "d", "list", "string", "int",
		"tojson", "map", "select", "reject", "selectattr", "rejectattr", "items", "dictsort", "reverse", "unique", "safe", "abs"}
)

// A call is a function call, a method of receiver, or a filter applied to it.
type call struct {
	name      string
	receiver  expression // nil for functions
	filter    bool
	arguments []expression
	named     []namedArgument
	line      int
}

type namedArgument struct {
	name string
	expression
}

// arguments are the argument values of a call.
type arguments struct {
	list  []any
	named map[string]any
}

// at returns argument i, or the one of that name, or fallback.
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
				return nil, fmt.Errorf("%s is not a bound", kind(v))
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
	slices.Sort(d.keys) // the order of named arguments is irrelevant
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

// count returns the maximum number of replacements, negative for all.
func count(a *arguments) int {
	if n, ok := a.at(2, "count", nil).(int); ok {
		return n
	}
	return -1
}

// replace replaces n occurrences in a text, all if n is negative.
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
