package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reKind is the kind of a node of a parsed expression.
type reKind uint8

const (
	reEmpty       reKind = iota
	reSet                // one character of set
	reConcat             // all of subs
	reAlternate          // the first of subs with which the rest matches
	reRepeat             // subs[0], min to max times
	reAtomic             // subs[0], only the first way it matches
	reLookahead          // subs[0] follows (negated: does not)
	reLookbehind         // subs[0] precedes (negated: does not)
	reLineStart          // ^
	reLineEnd            // $
	reTextStart          // \A
	reTextEnd            // \z
	reTextEndLine        // \Z: the end, or a newline before it
	reWordEdge           // \b, \B
)

type reNode struct {
	kind     reKind
	set      *runeSet
	subs     []*reNode
	min, max int // of reRepeat; max -1: unlimited
	lazy     bool
	negated  bool
}

const (
	maxRepeat  = 100000 // largest number in {n,m} in the syntax
	maxNesting = 250    // of groups
)

// An reParser parses a regular expression in the syntax of Oniguruma (Ruby's), which
// tokenizer.json uses.
type reParser struct {
	in     string
	pos    int
	depth  int
	groups int  // seen so far
	fold   bool // (?i)
	dot    bool // (?m): . also matches a newline
	loose  bool // (?x): whitespace and comments are ignored
}

func parseRegex(expr string) (*reNode, error) {
	if !utf8.ValidString(expr) {
		return nil, errors.New("not UTF-8")
	}
	p := &reParser{in: expr}
	n, err := p.alternation()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.in) {
		return nil, errors.New("a ) without its (")
	}
	return n, nil
}

func (p *reParser) more() bool { return p.pos < len(p.in) }

// peek returns the next byte, 0 at the end.
func (p *reParser) peek() byte {
	if p.more() {
		return p.in[p.pos]
	}
	return 0
}

func (p *reParser) has(prefix string) bool { return strings.HasPrefix(p.in[p.pos:], prefix) }

// accept skips prefix if it is next.
func (p *reParser) accept(prefix string) bool {
	if p.has(prefix) {
		p.pos += len(prefix)
		return true
	}
	return false
}

func (p *reParser) rune() rune {
	r, n := utf8.DecodeRuneInString(p.in[p.pos:])
	p.pos += n
	return r
}

// skip skips whitespace and comments under (?x).
func (p *reParser) skip() {
	for p.loose && p.more() {
		switch c := p.peek(); {
		case c == '#':
			for p.more() && p.peek() != '\n' {
				p.pos++
			}
		case strings.IndexByte(" \t\n\r\f\v", c) >= 0:
			p.pos++
		default:
			return
		}
	}
}

func (p *reParser) alternation() (*reNode, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, fmt.Errorf("groups nested more than %d deep", maxNesting)
	}
	fold, dot, loose := p.fold, p.dot, p.loose
	defer func() { p.fold, p.dot, p.loose = fold, dot, loose }()
	var choices []*reNode
	for {
		n, err := p.concatenation()
		if err != nil {
			return nil, err
		}
		choices = append(choices, n)
		if !p.accept("|") {
			break
		}
	}
	if len(choices) == 1 {
		return choices[0], nil
	}
	return &reNode{kind: reAlternate, subs: choices}, nil
}

func (p *reParser) concatenation() (*reNode, error) {
	n := &reNode{kind: reConcat}
	for {
		p.skip()
		if !p.more() || p.peek() == '|' || p.peek() == ')' {
			return n, nil
		}
		atom, err := p.atom()
		if err != nil {
			return nil, err
		}
		if atom == nil {
			continue
		}
		if atom, err = p.quantified(atom); err != nil {
			return nil, err
		}
		n.subs = append(n.subs, atom)
	}
}

// quantified reads the quantifiers after an atom.
func (p *reParser) quantified(atom *reNode) (*reNode, error) {
	for stacked := 0; ; stacked++ {
		p.skip()
		n := &reNode{kind: reRepeat, subs: []*reNode{atom}, max: -1}
		interval := false
		switch p.peek() {
		case '*':
			p.pos++
		case '+':
			p.pos++
			n.min = 1
		case '?':
			p.pos++
			n.max = 1
		case '{':
			ok, err := p.interval(n)
			if err != nil {
				return nil, err
			}
			if !ok {
				return atom, nil
			}
			interval = true
		default:
			return atom, nil
		}
		switch atom.kind {
		case reLineStart, reLineEnd, reTextStart, reTextEnd, reTextEndLine, reWordEdge:
			return nil, errors.New("a quantifier of a zero-width expression")
		}
		if stacked >= maxNesting {
			return nil, fmt.Errorf("more than %d quantifiers in a row", maxNesting)
		}
		atom = n
		switch {
		case p.has("?") && !(interval && n.min == n.max):
			// In this syntax {n}? is an optional {n}, not a lazy one.
			p.pos++
			n.lazy = true
		case !interval && p.accept("+"):
			atom = &reNode{kind: reAtomic, subs: []*reNode{n}}
		}
	}
}

// interval reads {n}, {n,}, {,m} or {n,m}. Anything else is a literal brace.
func (p *reParser) interval(n *reNode) (bool, error) {
	end := strings.IndexByte(p.in[p.pos:], '}')
	if end < 0 {
		return false, nil
	}
	low, high, comma := strings.Cut(p.in[p.pos+1:p.pos+end], ",")
	if low == "" && high == "" || !isDigits(low) || !isDigits(high) {
		return false, nil
	}
	number := func(s string, absent int) int {
		if s == "" {
			return absent
		}
		if v, err := strconv.Atoi(s); err == nil && v <= maxRepeat {
			return v
		}
		return maxRepeat + 1
	}
	n.min = number(low, 0)
	if n.max = n.min; comma {
		n.max = number(high, -1)
	}
	if n.min > maxRepeat || n.max > maxRepeat {
		return false, fmt.Errorf("a repetition of more than %d", maxRepeat)
	}
	if n.max >= 0 && n.min > n.max {
		return false, errors.New("a repetition whose minimum exceeds its maximum")
	}
	p.pos += end + 1
	return true, nil
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func (p *reParser) literal(r rune) *reNode {
	return &reNode{kind: reSet, set: p.folding(newRuneSet([]runeRange{{r, r}}))}
}

func (p *reParser) folding(s *runeSet) *runeSet {
	if p.fold {
		return s.folded()
	}
	return s
}

// atom reads what a quantifier may follow; nil means nothing.
func (p *reParser) atom() (*reNode, error) {
	switch r := p.rune(); r {
	case '.':
		if p.dot {
			return &reNode{kind: reSet, set: (&runeSet{}).not()}, nil
		}
		return &reNode{kind: reSet, set: newRuneSet([]runeRange{{'\n', '\n'}}).not()}, nil
	case '^':
		return &reNode{kind: reLineStart}, nil
	case '$':
		return &reNode{kind: reLineEnd}, nil
	case '[':
		s, err := p.class(true)
		if err != nil {
			return nil, err
		}
		return &reNode{kind: reSet, set: s}, nil
	case '(':
		return p.group()
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, fmt.Errorf("nothing before %c", r)
	default:
		return p.literal(r), nil
	}
}

func (p *reParser) group() (*reNode, error) {
	n := &reNode{}
	switch {
	case !p.accept("?"): // groups are not captured: nothing can refer to them
		p.groups++
	case p.accept(":"):
	case p.accept("="):
		n.kind = reLookahead
	case p.accept("!"):
		n.kind, n.negated = reLookahead, true
	case p.accept(">"):
		n.kind = reAtomic
	case p.accept("<="):
		n.kind = reLookbehind
	case p.accept("<!"):
		n.kind, n.negated = reLookbehind, true
	case p.accept("#"):
		for {
			if !p.more() {
				return nil, errors.New("a comment without its )")
			}
			switch c := p.rune(); {
			case c == '\\' && p.more():
				p.rune()
			case c == ')':
				return nil, nil
			}
		}
	case p.accept("<"), p.accept("'"):
		end := strings.IndexAny(p.in[p.pos:], ">'")
		if end < 1 {
			return nil, errors.New("a group without a name")
		}
		p.pos += end + 1
	default:
		return p.flags()
	}
	body, err := p.alternation()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, errors.New("a ( without its )")
	}
	if n.kind == reEmpty {
		return body, nil
	}
	n.subs = []*reNode{body}
	return n, nil
}

// flags reads (?imx-imx) and (?imx-imx:…). The former applies to the end of the
// enclosing group, including further alternatives.
func (p *reParser) flags() (*reNode, error) {
	fold, dot, loose := p.fold, p.dot, p.loose
	on := true
	for p.more() {
		switch c := p.rune(); c {
		case '-':
			on = false
		case 'i':
			p.fold = on
		case 'm':
			p.dot = on
		case 'x':
			p.loose = on
		case ':', ')':
			n, err := p.alternation()
			if err != nil {
				return nil, err
			}
			if c == ':' {
				p.fold, p.dot, p.loose = fold, dot, loose
				if !p.accept(")") {
					return nil, errors.New("a ( without its )")
				}
			}
			return n, nil
		default:
			return nil, fmt.Errorf("the group (?%c", c)
		}
	}
	return nil, errors.New("a ( without its )")
}
