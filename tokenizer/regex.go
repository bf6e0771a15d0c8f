package tokenizer

import (
	"errors"
	"slices"
	"sync"
)

// A regex is a compiled regular expression, matched by backtracking with the semantics
// of Oniguruma: ordered alternatives, greedy, lazy and possessive repetition,
// lookahead, lookbehind, atomic groups, and the properties of Unicode 16. Groups are
// not captured, so there are no back-references. (?i) only equates single characters: ß
// is not ss.
//
// After many backtracking steps a search records the states that failed and never
// enters them again, so that its time is proportional to the length of the text.
// Searches that can still take longer, such as a lookahead over the whole text at each
// character, end in an error.
type regex struct {
	code  []reInst
	memos int32 // states to remember per position
	slots int   // number of opMark slots
	pool  sync.Pool
}

// compilePattern compiles a regular expression in Oniguruma's syntax. Expressions of
// well-known tokenizers have hand-written scanners.
func compilePattern(expr string) (pattern, error) {
	if knownPatterns[expr] != nil {
		return knownScan(expr), nil
	}
	return compileRegex(expr)
}

func compileRegex(expr string) (*regex, error) {
	n, err := parseRegex(expr)
	if err != nil {
		return nil, err
	}
	c := reCompiler{re: &regex{}}
	c.node(n)
	c.emit(reInst{op: opAccept})
	if c.tooLarge {
		return nil, errors.New("an expression of more than 100000 steps, which is not supported")
	}
	return c.re, nil
}

// find returns the first match in text that starts at or after from.
func (re *regex) find(text []byte, from int) (start, end int, ok bool) {
	m := re.matcher(text)
	defer m.release()
	return m.find(from)
}

// matcher returns a matcher for text, which remembers failures between searches. The
// caller must release it.
func (re *regex) matcher(text []byte) *reMatcher {
	m, _ := re.pool.Get().(*reMatcher)
	if m == nil {
		m = &reMatcher{re: re, slots: make([]int32, re.slots)}
	}
	m.begin(text)
	return m
}

func (m *reMatcher) release() {
	m.text = nil
	m.re.pool.Put(m)
}

// reOp is an instruction of the matching machine.
type reOp uint8

const (
	opAccept reOp = iota
	opSet         // one character of set
	opLoop        // min to max characters of set, as many as possible or (lazy) as few
	opSplit       // continue at x or else at y; x only if the next character is in set, if not nil
	opJump        // continue at x
	opMark        // store the position in slot x
	opMoved       // continue at y if the position equals slot x
	opAtomic      // the code up to its opAccept can match in one way only; then y
	opLook        // the code that follows matches here, or before (behind), or not (negated); then y
	opAssert      // tests the position
)

type reInst struct {
	op       reOp
	assert   reKind
	lazy     bool
	negated  bool
	behind   bool
	set      *runeSet
	x, y     int32
	min, max int32 // in characters; max -1: unlimited

	// memo is the first of the instruction's columns in the memory of states, -1 if it
	// has none. There is one column more than enclosing loops that end after an empty
	// iteration (marks, the outermost first): whether a state fails depends on how many
	// of their iterations are non-empty.
	memo  int32
	marks []int32
}

const (
	maxCode  = 100000
	maxMemos = 4 * maxCode
)

type reCompiler struct {
	re       *regex
	marks    []int32 // slots of the enclosing loops during compilation
	tooLarge bool
}

func (c *reCompiler) emit(in reInst) int32 {
	if len(c.re.code) >= maxCode {
		c.tooLarge = true
		return 0
	}
	in.memo = -1
	switch {
	case in.op == opLook: // known to match, and known not to match
		in.memo = c.re.memos
		c.re.memos += 2
	case in.op == opSplit || in.op == opLoop && in.max < 0 && !in.lazy:
		in.memo, in.marks = c.re.memos, slices.Clone(c.marks)
		c.re.memos += int32(len(c.marks)) + 1
	}
	if c.re.memos > maxMemos {
		c.tooLarge = true
	}
	c.re.code = append(c.re.code, in)
	return int32(len(c.re.code) - 1)
}

func (c *reCompiler) here() int32 { return int32(len(c.re.code)) }

func (c *reCompiler) node(n *reNode) {
	if c.tooLarge {
		return
	}
	switch n.kind {
	case reSet:
		c.emit(reInst{op: opSet, set: n.set})
	case reConcat:
		for _, s := range n.subs {
			c.node(s)
		}
	case reAlternate:
		var jumps []int32
		for i, s := range n.subs {
			if i == len(n.subs)-1 {
				c.node(s)
				break
			}
			split := c.emit(reInst{op: opSplit, set: s.first()})
			c.re.code[split].x = c.here()
			c.node(s)
			jumps = append(jumps, c.emit(reInst{op: opJump}))
			c.re.code[split].y = c.here()
		}
		for _, j := range jumps {
			c.re.code[j].x = c.here()
		}
	case reRepeat:
		c.repeat(n)
	case reAtomic:
		at := c.emit(reInst{op: opAtomic})
		c.inner(n.subs[0])
		c.re.code[at].y = c.here()
	case reLookahead, reLookbehind:
		in := reInst{op: opLook, negated: n.negated}
		if n.kind == reLookbehind {
			in.behind = true
			low, high := n.subs[0].width()
			in.min, in.max = int32(min(low, 1<<30)), int32(min(high, 1<<30))
		}
		at := c.emit(in)
		c.inner(n.subs[0])
		c.re.code[at].y = c.here()
	case reLineStart, reLineEnd, reTextStart, reTextEnd, reTextEndLine, reWordEdge:
		c.emit(reInst{op: opAssert, assert: n.kind, negated: n.negated})
	}
}

// inner compiles an expression that is matched separately.
func (c *reCompiler) inner(n *reNode) {
	marks := c.marks
	c.marks = nil
	c.node(n)
	c.marks = marks
	c.emit(reInst{op: opAccept})
}

func (c *reCompiler) repeat(n *reNode) {
	body := n.subs[0]
	for body.kind == reConcat && len(body.subs) == 1 {
		body = body.subs[0]
	}
	if body.kind == reSet {
		c.emit(reInst{op: opLoop, set: body.set, min: int32(n.min), max: int32(n.max), lazy: n.lazy})
		return
	}
	for range n.min {
		if c.node(body); c.tooLarge {
			return
		}
	}
	// branch is where a repetition chooses between another iteration, which follows it,
	// and the exit, which leave sets.
	branch := func() int32 { return c.emit(reInst{op: opSplit}) }
	leave := func(split, to int32) {
		in := &c.re.code[split]
		if in.x, in.y = split+1, to; n.lazy {
			in.x, in.y = in.y, in.x
		}
	}
	if n.max < 0 {
		low, _ := body.width()
		split := branch()
		moved := int32(-1)
		if low == 0 { // an empty iteration is the last one
			slot := int32(c.re.slots)
			c.re.slots++
			c.emit(reInst{op: opMark, x: slot})
			c.marks = append(c.marks, slot)
			c.node(body)
			c.marks = c.marks[:len(c.marks)-1]
			moved = c.emit(reInst{op: opMoved, x: slot})
		} else {
			c.node(body)
		}
		c.emit(reInst{op: opJump, x: split})
		leave(split, c.here())
		if moved >= 0 && !c.tooLarge {
			c.re.code[moved].y = c.here()
		}
		return
	}
	var splits []int32
	for range n.max - n.min {
		splits = append(splits, branch())
		if c.node(body); c.tooLarge {
			return
		}
	}
	for _, s := range splits {
		leave(s, c.here())
	}
}

const unlimited = 1 << 30

// width returns the minimum and maximum number of characters that n matches.
func (n *reNode) width() (low, high int) {
	switch n.kind {
	case reSet:
		return 1, 1
	case reConcat:
		for _, s := range n.subs {
			l, h := s.width()
			low, high = min(low+l, unlimited), min(high+h, unlimited)
		}
		return low, high
	case reAlternate:
		low = unlimited
		for _, s := range n.subs {
			l, h := s.width()
			low, high = min(low, l), max(high, h)
		}
		return low, high
	case reRepeat:
		l, h := n.subs[0].width()
		if n.max < 0 {
			if h > 0 {
				h = unlimited
			}
		} else {
			h = min(h*n.max, unlimited)
		}
		return min(l*n.min, unlimited), h
	case reAtomic:
		return n.subs[0].width()
	}
	return 0, 0
}

// first returns the set of characters that a match of n can begin with, nil if n can
// match the empty string or the set is unknown.
func (n *reNode) first() *runeSet {
	if low, _ := n.width(); low == 0 {
		return nil
	}
	switch n.kind {
	case reSet:
		return n.set
	case reConcat:
		set := &runeSet{}
		for _, s := range n.subs {
			low, high := s.width()
			if high == 0 {
				continue
			}
			f := s.starts()
			if f == nil {
				return nil
			}
			set = set.or(f)
			if low > 0 {
				return set
			}
		}
	case reAlternate:
		set := &runeSet{}
		for _, s := range n.subs {
			f := s.first()
			if f == nil {
				return nil
			}
			set = set.or(f)
		}
		return set
	case reRepeat, reAtomic:
		return n.subs[0].first()
	}
	return nil
}

// starts is first for a node that may also match the empty string.
func (n *reNode) starts() *runeSet {
	if n.kind == reRepeat {
		return n.subs[0].first()
	}
	return n.first()
}
