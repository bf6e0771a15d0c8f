package jinja

// A test is the operand of "is".
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
			return false, r.fail(t.line, "%s is not a whole number", kind(v))
		}
		return (n%by == 0) == (t.name != "odd"), nil
	}
	return is(t.name, v), nil
}

// is tests the type of v.
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
		return name == "iterable" || name == "sequence" // an empty sequence
	case bool: // a subclass of int in Python
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
