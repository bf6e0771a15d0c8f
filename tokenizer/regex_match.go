package tokenizer

import "unicode/utf8"

// A reMatcher runs a regex over one text.
type reMatcher struct {
	re    *regex
	text  []byte
	stack []reFrame
	slots []int32
	need  int32 // required end of a match in the current lookbehind, or -1
	steps int
	limit int // maximum number of steps

	// memo is a bit set of known states, in pages of positions: bit column + position
	// in the page × memos. It is nil until many steps have been taken.
	memo    [][]uint64
	behind  map[uint64]struct{} // the same within a lookbehind: position << 32 + column
	held    int                 // approximate size of both in bytes
	stopped bool                // the limit was reached
}

// A reFrame is an alternative to try after a failure.
type reFrame struct {
	kind frameKind
	pc   int32
	pos  int32
	low  int32 // frameGreedy: shortest end; frameLazy: characters taken
}

type frameKind uint8

const (
	frameTry    frameKind = iota // continue at pc, pos
	frameGreedy                  // the loop at pc matched up to pos: give one character back
	frameLazy                    // the loop at pc stopped at pos: match one more character
	frameSlot                    // restore slot pc to pos
	frameFailed                  // column pc at pos fails
)

const (
	memoAfter = 64      // steps per byte before failures are recorded
	giveUp    = 512     // steps per byte before the search fails,
	stepsFree = 1 << 27 // in addition to these for any text
	memoSteps = 1 << 24 // steps before failures are recorded, for any text
	memoPage  = 64      // positions per page
	memoFree  = 1 << 26 // bytes of memory before the search fails
)

// begin prepares m to search text.
func (m *reMatcher) begin(text []byte) {
	m.text = text
	m.need = -1
	m.steps = 0
	m.limit = min((memoAfter+len(m.re.code))*len(text), memoSteps) + 4096
	m.memo, m.behind, m.held = nil, nil, 0
	m.stopped = false
}

// find returns the first match that starts at or after from. If the limit was reached,
// it sets m.stopped.
func (m *reMatcher) find(from int) (start, end int, ok bool) {
	for from <= len(m.text) && !m.stopped {
		m.stack = m.stack[:0]
		if end, ok := m.run(0, int32(from)); ok {
			return from, int(end), true
		}
		if m.stopped {
			if m.memo == nil {
				m.remember()
				continue
			}
			break
		}
		_, n := m.next(int32(from))
		from += max(int(n), 1)
	}
	return 0, 0, false
}

// next returns the character at pos and its length, 0 at the end.
func (m *reMatcher) next(pos int32) (rune, int32) {
	if int(pos) >= len(m.text) {
		return -1, 0
	}
	if c := m.text[pos]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	r, n := utf8.DecodeRune(m.text[pos:])
	return r, int32(n)
}

// back returns the position of the character before pos.
func (m *reMatcher) back(pos int32) int32 {
	pos--
	for pos > 0 && !utf8.RuneStart(m.text[pos]) {
		pos--
	}
	return pos
}

// push adds an alternative.
func (m *reMatcher) push(kind frameKind, pc, pos, low int32) {
	m.stack = append(m.stack, reFrame{kind, pc, pos, low})
}

// run matches from pc at pos to the corresponding opAccept and returns the end of the
// match. It restores the height of the stack.
func (m *reMatcher) run(pc, pos int32) (end int32, ok bool) {
	base := len(m.stack)
	code := m.re.code
	for {
		if m.steps++; m.steps > m.limit {
			m.stopped = true
			m.stack = m.stack[:base]
			return 0, false
		}
		in := &code[pc]
		fails := false
		switch in.op {
		case opAccept:
			if m.need < 0 || pos == m.need {
				m.stack = m.stack[:base]
				return pos, true
			}
			fails = true
		case opSet:
			r, n := m.next(pos)
			if n > 0 && in.set.has(r) {
				pos += n
				pc++
			} else {
				fails = true
			}
		case opLoop:
			pos, fails = m.loop(in, pc, pos)
			pc++
		case opSplit:
			x := in.x
			if in.set != nil {
				if r, n := m.next(pos); n == 0 || !in.set.has(r) {
					pc = in.y
					continue
				}
			}
			if m.remembers(in) {
				memo := m.column(in, pos)
				if m.known(memo, pos) {
					fails = true
					break
				}
				m.push(frameFailed, memo, pos, 0)
			}
			m.push(frameTry, in.y, pos, 0)
			pc = x
		case opJump:
			pc = in.x
		case opMark:
			m.push(frameSlot, in.x, m.slots[in.x], 0)
			m.slots[in.x] = pos
			pc++
		case opMoved:
			if pc++; m.slots[in.x] == pos {
				pc = in.y
			}
		case opAtomic:
			need := m.need
			m.need = -1
			end, ok := m.run(pc+1, pos)
			m.need = need
			if ok {
				pos, pc = end, in.y
			} else {
				fails = true
			}
		case opLook:
			fails = m.looks(in, pc, pos) == in.negated
			pc = in.y
		case opAssert:
			fails = m.assert(in.assert, pos) == in.negated
			pc++
		}
		if m.stopped {
			m.stack = m.stack[:base]
			return 0, false
		}
		if !fails {
			continue
		}
		if pc, pos, ok = m.backtrack(base); !ok {
			return 0, false
		}
	}
}

// backtrack resumes the latest alternative above base.
func (m *reMatcher) backtrack(base int) (pc, pos int32, ok bool) {
	for len(m.stack) > base {
		top := len(m.stack) - 1
		f := &m.stack[top]
		switch f.kind {
		case frameTry:
			pc, pos = f.pc, f.pos
			m.stack = m.stack[:top]
			return pc, pos, true
		case frameGreedy:
			if in := &m.re.code[f.pc]; m.remembers(in) {
				m.note(m.column(in, f.pos), f.pos)
			}
			if f.pos <= f.low {
				m.stack = m.stack[:top]
				continue
			}
			f.pos = m.back(f.pos)
			m.steps++
			return f.pc + 1, f.pos, true
		case frameLazy:
			in := &m.re.code[f.pc]
			r, n := m.next(f.pos)
			if n == 0 || in.max >= 0 && f.low >= in.max || !in.set.has(r) {
				m.stack = m.stack[:top]
				continue
			}
			f.pos += n
			f.low++
			return f.pc + 1, f.pos, true
		case frameSlot:
			m.slots[f.pc] = f.pos
		case frameFailed:
			m.note(f.pc, f.pos)
		}
		m.stack = m.stack[:top]
	}
	return 0, 0, false
}

// loop runs an opLoop and returns the position after it.
func (m *reMatcher) loop(in *reInst, pc, pos int32) (after int32, fails bool) {
	count := int32(0)
	for ; count < in.min; count++ {
		r, n := m.next(pos)
		if n == 0 || !in.set.has(r) {
			return pos, true
		}
		pos += n
	}
	if in.lazy {
		m.push(frameLazy, pc, pos, count)
		return pos, false
	}
	low := pos
	memo := m.remembers(in)
	for in.max < 0 || count < in.max {
		if memo && m.known(m.column(in, pos), pos) {
			// No continuation from here matches, nor does stopping here.
			if pos == low {
				return pos, true
			}
			pos = m.back(pos)
			break
		}
		r, n := m.next(pos)
		if n == 0 || !in.set.has(r) {
			break
		}
		pos += n
		count++
	}
	m.steps += int(pos - low)
	if pos > low || memo {
		m.push(frameGreedy, pc, pos, low)
	}
	return pos, false
}

// looks is look with memory.
func (m *reMatcher) looks(in *reInst, pc, pos int32) bool {
	if m.memo == nil {
		return m.look(in, pc, pos)
	}
	need := m.need
	m.need = -1 // the result does not depend on where the match must end
	yes, no := m.known(in.memo, pos), m.known(in.memo+1, pos)
	m.need = need
	if yes || no {
		return yes
	}
	yes = m.look(in, pc, pos)
	if m.stopped {
		return false
	}
	m.need = -1
	if yes {
		m.note(in.memo, pos)
	} else {
		m.note(in.memo+1, pos)
	}
	m.need = need
	return yes
}

// look reports whether the body of an opLook matches at pos, or ends there.
func (m *reMatcher) look(in *reInst, pc, pos int32) bool {
	need, behind := m.need, m.behind
	defer func() { m.need, m.behind = need, behind }()
	if !in.behind {
		m.need = -1
		_, ok := m.run(pc+1, pos)
		return ok
	}
	m.need = pos
	if m.memo != nil {
		held := m.held
		m.behind = map[uint64]struct{}{}
		defer func() { m.held = held }()
	}
	start := pos
	for n := int32(0); n <= in.max; n++ {
		if n >= in.min {
			if _, ok := m.run(pc+1, start); ok {
				return true
			}
		}
		if start == 0 || m.stopped {
			return false
		}
		start = m.back(start)
	}
	return false
}

// assert reports whether pos is a position of the given kind.
func (m *reMatcher) assert(kind reKind, pos int32) bool {
	size := int32(len(m.text))
	newline := func(at int32) bool { return at >= 0 && at < size && m.text[at] == '\n' }
	switch kind {
	case reLineStart:
		return pos == 0 || pos < size && newline(pos-1)
	case reLineEnd:
		return pos == size || newline(pos)
	case reTextStart:
		return pos == 0
	case reTextEnd:
		return pos == size
	case reTextEndLine:
		return pos == size || pos == size-1 && newline(pos)
	case reWordEdge:
		before, after := false, false
		if pos > 0 {
			r, _ := m.next(m.back(pos))
			before = wordTypeSet().has(r)
		}
		if pos < size {
			r, _ := m.next(pos)
			after = wordTypeSet().has(r)
		}
		return before != after
	}
	return false
}
