package jinja

import (
	"fmt"
	"slices"
)

// A Template is a parsed template. It can be rendered concurrently.
type Template struct{ body []node }

// Parse parses a template. Its errors are of type *Error.
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

// maxDepth is the maximum nesting depth of blocks and expressions.
const maxDepth = 200

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.line, fmt.Sprintf(format, args...)}
}

// endings are the tags that end or continue a block.
var endings = []string{"endif", "elif", "else", "endfor", "endset", "endgeneration"}

// body reads nodes up to the end of the template or a tag in endings, the rest of which
// is not yet read.
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
		return jump(name == "break"), nil
	case "generation": // marks assistant output, for training
		body, end, err := p.body(depth + 1)
		if err == nil && end != "endgeneration" {
			err = &Error{line, "generation without endgeneration"}
		}
		return &blockNode{body}, err
	}
	return nil, p.fail("unknown statement %q", name)
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
			return nil, p.fail("for without names")
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
		return nil, p.fail("set without a name")
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

// accept consumes an operator or word if it is next.
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
