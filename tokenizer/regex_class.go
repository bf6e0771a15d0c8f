package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape reads what follows a backslash outside a class.
func (p *reParser) escape() (*reNode, error) {
	if !p.more() {
		return nil, errors.New("a \\ at the end")
	}
	set := func(s *runeSet) (*reNode, error) { return &reNode{kind: reSet, set: s}, nil }
	switch c := p.peek(); c {
	case 'A', 'z', 'Z', 'b', 'B':
		p.pos++
		kind := map[byte]reKind{'A': reTextStart, 'z': reTextEnd, 'Z': reTextEndLine, 'b': reWordEdge, 'B': reWordEdge}[c]
		return &reNode{kind: kind, negated: c == 'B'}, nil
	case 'N':
		p.pos++
		return set(newRuneSet([]runeRange{{'\n', '\n'}}).not())
	case 'O':
		p.pos++
		return set((&runeSet{}).not())
	case 'R':
		p.pos++
		pair := &reNode{kind: reConcat, subs: []*reNode{
			{kind: reSet, set: newRuneSet([]runeRange{{'\r', '\r'}})}, {kind: reSet, set: newRuneSet([]runeRange{{'\n', '\n'}})}}}
		one := &reNode{kind: reSet, set: newRuneSet([]runeRange{{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}})}
		return &reNode{kind: reAtomic, subs: []*reNode{{kind: reAlternate, subs: []*reNode{pair, one}}}}, nil
	case 'G', 'K', 'X', 'y', 'Y', 'k', 'g':
		return nil, fmt.Errorf("\\%c, which is not supported", c)
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		// A number is a group reference or else an octal character code.
		n := len(p.in[p.pos:]) - len(strings.TrimLeft(p.in[p.pos:], "0123456789"))
		if v, err := strconv.Atoi(p.in[p.pos : p.pos+n]); err != nil || v <= max(9, p.groups) {
			return nil, fmt.Errorf("\\%s, which is not supported", p.in[p.pos:p.pos+n])
		}
	}
	s, r, err := p.classEscape(false)
	if err != nil {
		return nil, err
	}
	if s != nil { // (?i) does not affect sets outside brackets
		return set(s)
	}
	return p.literal(r), nil
}

// classEscape reads an escape after the backslash: a set, or the character r if the set
// is nil.
func (p *reParser) classEscape(inClass bool) (s *runeSet, r rune, err error) {
	if !p.more() {
		return nil, 0, errors.New("a \\ at the end")
	}
	switch c := p.rune(); c {
	case 'd':
		return digitSet(), 0, nil
	case 'D':
		return digitSet().not(), 0, nil
	case 'w', 'W':
		s := wordTypeSet()
		if inClass {
			s = wordSet()
		}
		if c == 'W' {
			s = s.not()
		}
		return s, 0, nil
	case 's':
		return spaceSet(), 0, nil
	case 'S':
		return spaceSet().not(), 0, nil
	case 'h':
		return hexSet(), 0, nil
	case 'H':
		return hexSet().not(), 0, nil
	case 'p', 'P':
		s, err := p.property(c == 'P', inClass)
		return s, 0, err
	case 't':
		return nil, '\t', nil
	case 'n':
		return nil, '\n', nil
	case 'r':
		return nil, '\r', nil
	case 'f':
		return nil, '\f', nil
	case 'v':
		return nil, '\v', nil
	case 'a':
		return nil, '\a', nil
	case 'e':
		return nil, 0x1b, nil
	case 'b':
		if inClass {
			return nil, '\b', nil
		}
		return nil, c, nil
	case 'x':
		if p.accept("{") {
			end := strings.IndexByte(p.in[p.pos:], '}')
			if end < 0 {
				return nil, 0, errors.New("a \\x{ without its }")
			}
			return p.number(16, end, end, 1)
		}
		return p.number(16, 1, 2, 0)
	case 'u':
		return p.number(16, 4, 4, 0)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.pos--
		return p.number(8, 1, 3, 0)
	case 'c', 'C', 'M':
		return nil, 0, fmt.Errorf("\\%c, which is not supported", c)
	default:
		return nil, c, nil
	}
}

// number reads a character code of least to most digits and skips after bytes after it.
func (p *reParser) number(base, least, most, after int) (*runeSet, rune, error) {
	n := 0
	for n < most && p.pos+n < len(p.in) {
		if _, err := strconv.ParseUint(p.in[p.pos+n:p.pos+n+1], base, 8); err != nil {
			break
		}
		n++
	}
	v, err := strconv.ParseUint(p.in[p.pos:p.pos+n], base, 32)
	if n < least || err != nil || v > unicode.MaxRune || !utf8.ValidRune(rune(v)) {
		return nil, 0, errors.New("an invalid code point")
	}
	if base == 16 && most == 2 && v > 127 {
		return nil, 0, errors.New("\\x of a byte that is not a character, which is not supported")
	}
	p.pos += n + after
	return nil, rune(v), nil
}

// property reads {Name} or {^Name} after \p.
func (p *reParser) property(negated, inClass bool) (*runeSet, error) {
	if !p.accept("{") {
		return nil, errors.New("a \\p without a name in braces")
	}
	end := strings.IndexByte(p.in[p.pos:], '}')
	if end < 0 {
		return nil, errors.New("a \\p{ without its }")
	}
	name := p.in[p.pos : p.pos+end]
	p.pos += end + 1
	bare := strings.TrimPrefix(name, "^")
	s := propertySet(bare)
	if s == nil {
		return nil, fmt.Errorf("\\p{%s}, an unknown property", name)
	}
	if strings.EqualFold(bare, "word") && !inClass {
		s = wordTypeSet()
	}
	if negated != (bare != name) {
		s = s.not()
	}
	return s, nil
}

// class reads a bracket expression after its [. Under (?i) the outermost one is
// case-folded before it is negated.
func (p *reParser) class(outermost bool) (*runeSet, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, fmt.Errorf("classes nested more than %d deep", maxNesting)
	}
	negated := p.accept("^")
	var both *runeSet // the parts before &&
	union := &runeSet{}
	var items []runeRange
	current := func() *runeSet {
		s := union.or(newRuneSet(items))
		if both != nil {
			s = both.and(s)
		}
		return s
	}
	for first := true; ; first = false {
		if !p.more() {
			return nil, errors.New("a [ without its ]")
		}
		if p.peek() == ']' && !(first && strings.Contains(p.in[p.pos+1:], "]")) {
			p.pos++
			s := current()
			if outermost {
				s = p.folding(s)
			}
			if negated {
				s = s.not()
			}
			return s, nil
		}
		if p.accept("&&") {
			both, union, items = current(), &runeSet{}, nil
			continue
		}
		s, lo, err := p.classItem()
		if err != nil {
			return nil, err
		}
		if s != nil {
			union = union.or(s)
			continue
		}
		hi := lo
		if p.has("-") && !p.has("-]") && !p.has("-&&") && p.pos+1 < len(p.in) {
			p.pos++
			s, to, err := p.classItem()
			if err != nil {
				return nil, err
			}
			if s != nil { // [a-\d]: the hyphen is literal
				items = append(items, runeRange{'-', '-'})
				union = union.or(s)
			} else if hi = to; hi < lo {
				return nil, fmt.Errorf("the empty range %c-%c", lo, hi)
			}
		}
		items = append(items, runeRange{lo, hi})
	}
}

// classItem reads one member of a bracket expression: a set, or the character r if the
// set is nil.
func (p *reParser) classItem() (s *runeSet, r rune, err error) {
	switch r := p.rune(); r {
	case '[':
		if p.peek() == ':' {
			if end := strings.Index(p.in[p.pos:], ":]"); end > 0 {
				name := p.in[p.pos+1 : p.pos+end]
				bare := strings.TrimPrefix(name, "^")
				if s := posixSet(bare); s != nil {
					p.pos += end + 2
					if bare != name {
						s = s.not()
					}
					return s, 0, nil
				}
			}
		}
		s, err := p.class(false)
		return s, 0, err
	case '\\':
		return p.classEscape(true)
	default:
		return nil, r, nil
	}
}
