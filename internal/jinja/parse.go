package jinja

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Template is a parsed template. It may be rendered by several goroutines at the
// same time.
type Template struct{ body []node }

// Parse reads a template. Its errors are of type *Error.
func Parse(source string) (*Template, error) {
	list, err := chunks(source)
	if err != nil {
		return nil, err
	}
	p := &parser{chunks: list}
	body, end, err := p.body(0)
	if err != nil {
		return nil, err
	}
	if end != "" {
		return nil, &Error{p.line, fmt.Sprintf("%s without its beginning", end)}
	}
	return &Template{body}, nil
}

// A parser reads chunks, and the tokens of one chunk at a time.
type parser struct {
	chunks []chunk
	next   int
	tokens []token
	at     int
	line   int
	depth  int
}

// maxDepth is how deep blocks and expressions may be nested.
const maxDepth = 200

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.line, fmt.Sprintf(format, args...)}
}

// endings are the tags that end or go on with a block.
var endings = []string{"endif", "elif", "else", "endfor", "endset", "endgeneration"}

// body reads nodes up to a tag that ends them, which is left to be read on, or the
// end of the template.
func (p *parser) body(depth int) (nodes []node, end string, err error) {
	if depth > maxDepth {
		return nil, "", p.fail("blocks nested deeper than %d", maxDepth)
	}
	for p.next < len(p.chunks) {
		c := p.chunks[p.next]
		p.next++
		p.line = c.line
		if c.kind == 't' {
			nodes = append(nodes, textNode(c.text))
			continue
		}
		if p.tokens, err = tokens(c.text, c.line); err != nil {
			return nil, "", err
		}
		p.at, p.depth = 0, 0
		if c.kind == '{' {
			e, err := p.whole()
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, &outputNode{e, c.line})
			continue
		}
		name := p.take().text
		if slices.Contains(endings, name) {
			return nodes, name, nil
		}
		n, err := p.statement(name, depth)
		if err != nil {
			return nil, "", err
		}
		if n != nil {
			nodes = append(nodes, n)
		}
	}
	return nodes, "", nil
}

func (p *parser) statement(name string, depth int) (node, error) {
	line := p.line
	switch name {
	case "if":
		return p.ifNode(depth)
	case "for":
		return p.forNode(depth)
	case "set":
		return p.setNode(depth)
	case "break", "continue":
		return &jumpNode{name == "break"}, nil
	case "generation": // marks what an assistant wrote, for training
		body, end, err := p.body(depth + 1)
		if err == nil && end != "endgeneration" {
			err = &Error{line, "generation without endgeneration"}
		}
		return &blockNode{body}, err
	}
	return nil, p.fail("the statement %q is not known", name)
}

func (p *parser) ifNode(depth int) (node, error) {
	line := p.line
	n := &ifNode{}
	for {
		condition, err := p.whole()
		if err != nil {
			return nil, err
		}
		body, end, err := p.body(depth + 1)
		if err != nil {
			return nil, err
		}
		n.branches = append(n.branches, branch{condition, body})
		switch end {
		case "elif":
			continue
		case "else":
			if n.otherwise, end, err = p.body(depth + 1); err != nil {
				return nil, err
			}
		}
		if end != "endif" {
			return nil, &Error{line, "if without endif"}
		}
		return n, nil
	}
}

func (p *parser) forNode(depth int) (node, error) {
	n := &forNode{line: p.line}
	for {
		name := p.take()
		if name.kind != 'n' {
			return nil, p.fail("for wants names")
		}
		n.names = append(n.names, name.text)
		if !p.accept(",") {
			break
		}
	}
	if !p.accept("in") {
		return nil, p.fail("for without in")
	}
	var err error
	if n.list, err = p.or(); err != nil {
		return nil, err
	}
	if p.accept("if") {
		if n.condition, err = p.or(); err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	var end string
	if n.body, end, err = p.body(depth + 1); err == nil && end == "else" {
		n.otherwise, end, err = p.body(depth + 1)
	}
	if err == nil && end != "endfor" {
		err = &Error{n.line, "for without endfor"}
	}
	return n, err
}

func (p *parser) setNode(depth int) (node, error) {
	name := p.take()
	if name.kind != 'n' {
		return nil, p.fail("set wants a name")
	}
	n := &setNode{name: name.text, line: p.line}
	if p.accept(".") {
		n.attribute = p.take().text
	}
	var err error
	if p.accept("=") {
		n.of, err = p.whole()
		return n, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	var end string
	if n.body, end, err = p.body(depth + 1); err == nil && end != "endset" {
		err = &Error{n.line, "set without endset"}
	}
	return n, err
}

func (p *parser) peek() token {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return token{}
}

func (p *parser) take() token {
	t := p.peek()
	p.at++
	return t
}

// accept takes an operator or a word, if it is next.
func (p *parser) accept(text string) bool {
	if t := p.peek(); t.text == text && (t.kind == 'o' || t.kind == 'n') {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(text string) error {
	if !p.accept(text) {
		return p.fail("found %q, expected %q", p.peek().text, text)
	}
	return nil
}

func (p *parser) end() error {
	if t := p.peek(); t.kind != 0 {
		return p.fail("unexpected %q", t.text)
	}
	return nil
}

// whole reads an expression that is all that is left of a tag.
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

// binary reads operands of a level with operators between them.
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
	// As in Python, a < b < c is a < b and b < c.
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
		return nil, p.fail("the test %q is not known", name.text)
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

// sign is a value with its sign, and then its filters and tests.
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
			return nil, p.fail("the filter %q is not known", name.text)
		}
		f := &call{name: name.text, receiver: e, filter: true, line: p.line}
		if p.accept("(") {
			err = p.arguments(f)
		}
		if err == nil {
			e, err = p.attributes(f) // (a|first).b is written a|first.b by nobody, but (…)[0] is
		}
	}
	return e, err
}

// postfix is a value with its attributes, items and calls.
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
					return nil, p.fail("the method %q is not known", name.text)
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

// subscript is [key] or [from:to:step].
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

// arguments reads those of a call, its parenthesis having been read.
func (p *parser) arguments(c *call) error {
	for !p.accept(")") {
		if len(c.arguments)+len(c.named) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
			if p.accept(")") {
				return nil
			}
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
	return nil
}

func (p *parser) primary() (expression, error) {
	t := p.take()
	switch t.kind {
	case 's':
		text := t.text
		for p.peek().kind == 's' { // strings side by side are one
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
			return variable{t.text, p.line}, nil
		}
		if !slices.Contains(functionNames, t.text) {
			return nil, p.fail("the function %q is not known", t.text)
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

// list reads a list or a tuple up to its end; one in parentheses without a comma is
// its one expression.
func (p *parser) list(end string, parentheses bool) (expression, error) {
	var l listLiteral
	for !p.accept(end) {
		if len(l) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.accept(end) {
				return l, nil
			}
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
	return l, nil
}

func (p *parser) dictionary() (expression, error) {
	var d dictLiteral
	for !p.accept("}") {
		if len(d) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
			if p.accept("}") {
				break
			}
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
	return d, nil
}
