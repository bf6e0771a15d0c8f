package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// whole reads an expression that is the rest of a tag.
func (p *parser) whole() (expression, error) {
	e, err := p.expression()
	if err == nil {
		err = p.end()
	}
	return e, err
}

// expression is a or (a if b else c).
func (p *parser) expression() (expression, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("an expression nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	e, err := p.or()
	if err != nil || !p.accept("if") {
		return e, err
	}
	c := &conditional{then: e}
	if c.condition, err = p.or(); err != nil {
		return nil, err
	}
	if p.accept("else") {
		if c.otherwise, err = p.expression(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// binary reads operands of one precedence level with operators between them.
func (p *parser) binary(operand func() (expression, error), operators ...string) (expression, error) {
	left, err := operand()
	for err == nil {
		i := slices.IndexFunc(operators, p.accept)
		if i < 0 {
			return left, nil
		}
		var right expression
		if right, err = operand(); err == nil {
			left = &binary{operators[i], left, right, p.line}
		}
	}
	return nil, err
}

func (p *parser) or() (expression, error)  { return p.binary(p.and, "or") }
func (p *parser) and() (expression, error) { return p.binary(p.not, "and") }

func (p *parser) not() (expression, error) {
	if !p.accept("not") {
		return p.compare()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("an expression nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	e, err := p.not()
	return &unary{"not", e, p.line}, err
}

func (p *parser) compare() (expression, error) {
	// As in Python, a < b < c means a < b and b < c.
	left, err := p.sum()
	var all expression
	for err == nil {
		var operator string
		for _, o := range []string{"==", "!=", "<=", ">=", "<", ">", "in", "not"} {
			if p.accept(o) {
				operator = o
				break
			}
		}
		switch operator {
		case "":
			if all == nil {
				return left, nil
			}
			return all, nil
		case "not":
			if err = p.expect("in"); err != nil {
				return nil, err
			}
			operator = "not in"
		}
		var right expression
		if right, err = p.sum(); err != nil {
			break
		}
		var one expression = &binary{operator, left, right, p.line}
		if all != nil {
			one = &binary{"and", all, one, p.line}
		}
		all, left = one, right
	}
	return nil, err
}

// test reads what follows "is".
func (p *parser) test(value expression) (expression, error) {
	negated := p.accept("not")
	name := p.take()
	if name.kind != 'n' || !slices.Contains(tests, name.text) {
		return nil, p.fail("unknown test %q", name.text)
	}
	t := &test{name: name.text, of: value, line: p.line}
	if slices.Contains(testsOfTwo, t.name) {
		var err error
		if p.accept("(") {
			if t.argument, err = p.expression(); err == nil {
				err = p.expect(")")
			}
		} else {
			t.argument, err = p.postfix()
		}
		if err != nil {
			return nil, err
		}
	}
	if negated {
		return &unary{"not", t, p.line}, nil
	}
	return t, nil
}

func (p *parser) sum() (expression, error)    { return p.binary(p.concat, "+", "-") }
func (p *parser) concat() (expression, error) { return p.binary(p.product, "~") }
func (p *parser) product() (expression, error) {
	return p.binary(p.sign, "*", "//", "/", "%")
}

// sign reads a value with its sign, followed by filters and tests.
func (p *parser) sign() (expression, error) {
	signs := 0
	for p.accept("-") {
		signs++
	}
	e, err := p.postfix()
	for range signs {
		e = &unary{"-", e, p.line}
	}
	for err == nil {
		if p.accept("is") {
			e, err = p.test(e)
			continue
		}
		if !p.accept("|") {
			break
		}
		name := p.take()
		if name.kind != 'n' || !slices.Contains(filterNames, name.text) {
			return nil, p.fail("unknown filter %q", name.text)
		}
		f := &call{name: name.text, receiver: e, filter: true, line: p.line}
		if p.accept("(") {
			err = p.arguments(f)
		}
		if err == nil {
			e, err = p.attributes(f) // for (…)[0]; nobody writes (a|first).b as a|first.b
		}
	}
	return e, err
}

// postfix reads a value with its attributes, items and calls.
func (p *parser) postfix() (expression, error) {
	e, err := p.primary()
	if err != nil {
		return nil, err
	}
	return p.attributes(e)
}

func (p *parser) attributes(e expression) (expression, error) {
	for {
		switch {
		case p.accept("."):
			name := p.take()
			if name.kind != 'n' {
				return nil, p.fail("found %q, expected the name of an attribute", name.text)
			}
			if p.accept("(") {
				c := &call{name: name.text, receiver: e, line: p.line}
				if err := p.arguments(c); err != nil {
					return nil, err
				}
				if !slices.Contains(methodNames, name.text) {
					return nil, p.fail("unknown method %q", name.text)
				}
				e = c
				continue
			}
			e = &item{e, literal{name.text}, p.line}
		case p.accept("["):
			next, err := p.subscript(e)
			if err != nil {
				return nil, err
			}
			e = next
		default:
			return e, nil
		}
	}
}

// subscript reads [key] or [from:to:step].
func (p *parser) subscript(e expression) (expression, error) {
	var bounds [3]expression
	n := 0
	colon := false
	for {
		switch {
		case p.accept("]"):
			if !colon {
				if bounds[0] == nil {
					return nil, p.fail("an empty subscript")
				}
				return &item{e, bounds[0], p.line}, nil
			}
			return &slice{e, bounds, p.line}, nil
		case p.accept(":"):
			colon = true
			if n++; n > 2 {
				return nil, p.fail("a slice of more than three parts")
			}
		default:
			var err error
			if bounds[n], err = p.expression(); err != nil {
				return nil, err
			}
		}
	}
}

// arguments reads the arguments of a call after its parenthesis.
func (p *parser) arguments(c *call) error {
	for {
		if more, err := p.more(len(c.arguments)+len(c.named), ")"); !more {
			return err
		}
		name := ""
		if t := p.peek(); t.kind == 'n' && p.at+1 < len(p.tokens) && p.tokens[p.at+1] == (token{'o', "="}) {
			name = t.text
			p.at += 2
		}
		e, err := p.expression()
		if err != nil {
			return err
		}
		if name == "" {
			c.arguments = append(c.arguments, e)
		} else {
			c.named = append(c.named, namedArgument{name, e})
		}
	}
}

// more reports whether another element follows the first n, and consumes the comma
// before it, or else the end.
func (p *parser) more(n int, end string) (bool, error) {
	if p.accept(end) {
		return false, nil
	}
	if n == 0 {
		return true, nil
	}
	err := p.expect(",")
	return err == nil && !p.accept(end), err
}

func (p *parser) primary() (expression, error) {
	t := p.take()
	switch t.kind {
	case 's':
		text := t.text
		for p.peek().kind == 's' { // adjacent strings are one
			text += p.take().text
		}
		return literal{text}, nil
	case 'd':
		if strings.Contains(t.text, ".") {
			f, err := strconv.ParseFloat(t.text, 64)
			if err != nil {
				return nil, p.fail("the number %s is too large", t.text)
			}
			return literal{f}, nil
		}
		n, err := strconv.Atoi(t.text)
		if err != nil {
			return nil, p.fail("the number %s is too large", t.text)
		}
		return literal{n}, nil
	case 'n':
		switch t.text {
		case "true", "True":
			return literal{true}, nil
		case "false", "False":
			return literal{false}, nil
		case "none", "None":
			return literal{nil}, nil
		}
		if !p.accept("(") {
			return variable(t.text), nil
		}
		if !slices.Contains(functionNames, t.text) {
			return nil, p.fail("unknown function %q", t.text)
		}
		c := &call{name: t.text, line: p.line}
		return c, p.arguments(c)
	}
	switch t.text {
	case "(":
		return p.list(")", true)
	case "[":
		return p.list("]", false)
	case "{":
		return p.dictionary()
	}
	return nil, p.fail("unexpected %q", t.text)
}

// list reads a list or a tuple up to its end; a single expression in parentheses
// without a comma is just that expression.
func (p *parser) list(end string, parentheses bool) (expression, error) {
	var l listLiteral
	for {
		if more, err := p.more(len(l), end); !more {
			return l, err
		}
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		l = append(l, e)
		if parentheses && len(l) == 1 && p.accept(end) {
			return e, nil
		}
	}
}

func (p *parser) dictionary() (expression, error) {
	var d dictLiteral
	for {
		if more, err := p.more(len(d), "}"); !more {
			return d, err
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		d = append(d, [2]expression{key, value})
	}
}
