package tokenizer

import "unicode/utf8"

// A reMatcher runs a regex over one text.
type reMatcher struct {
	re    *regex
	text  []byte
	stack []reFrame
	slots []int32
	need  int32 // where a match of the current lookbehind has to end, or -1
	steps int
	limit int // of steps

	memo    []uint64 // states known to fail: bit memo + position × memos
	memoBuf []uint64
	stopped bool // the limit was reached
}

// A reFrame is a way back: what to try when what was tried last has failed.
type reFrame struct {
	kind frameKind
	pc   int32
	pos  int32
	low  int32 // frameGreedy: shortest end; frameLazy: characters taken
}

type frameKind uint8

const (
	frameTry    frameKind = iota // go on at pc, pos
	frameGreedy                  // the loop at pc took characters up to pos: give one back
	frameLazy                    // the loop at pc stopped at pos: take one more
	frameSlot                    // slot pc held pos
	frameFailed                  // memo pc at pos fails
)

const (
	memoAfter  = 64  // steps a byte before failures are remembered
	giveUp     = 512 // steps a byte before the search ends
	stepsFree  = 1 << 20
	maxMemoLen = 1 << 26 / 64 // words
)

// begin sets m to search text.
func (m *reMatcher) begin(text []byte) {
	m.text = text
	m.need = -1
	m.steps = 0
	m.limit = memoAfter*len(text) + 4096
	m.memo = nil
	m.stopped = false
}

// find gives the first match that starts at from or later.
func (m *reMatcher) find(from int) (start, end int, ok bool) {
	for from <= len(m.text) && !m.stopped {
		m.stack = m.stack[:0]
		if end, ok := m.run(0, int32(from)); ok {
			return from, int(end), true
		}
		if m.stopped {
			if m.memo == nil && m.remember() {
				continue
			}
			break
		}
		_, n := m.next(int32(from))
		from += max(int(n), 1)
	}
	return 0, 0, false
}

// remember begins to note the states that fail, or else grants the last steps.
// It is false if there have been enough of them.
func (m *reMatcher) remember() bool {
	if m.steps > stepsFree+giveUp*len(m.text) {
		return false
	}
	m.stopped = false
	m.limit = stepsFree + giveUp*len(m.text)
	n := (int(m.re.memos)*(len(m.text)+1) + 63) / 64
	if n == 0 || n > maxMemoLen {
		return true
	}
	if cap(m.memoBuf) < n {
		m.memoBuf = make([]uint64, n)
	}
	m.memo = m.memoBuf[:n]
	clear(m.memo)
	return true
}

func (m *reMatcher) failed(memo, pos int32) bool {
	i := int(pos)*int(m.re.memos) + int(memo)
	return m.memo[i>>6]>>(i&63)&1 != 0
}

func (m *reMatcher) noteFailed(memo, pos int32) {
	i := int(pos)*int(m.re.memos) + int(memo)
	m.memo[i>>6] |= 1 << (i & 63)
}

// next is the character at pos and its length, 0 at the end.
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

// back is the position of the character before pos.
func (m *reMatcher) back(pos int32) int32 {
	pos--
	for pos > 0 && !utf8.RuneStart(m.text[pos]) {
		pos--
	}
	return pos
}

// push adds a way back.
func (m *reMatcher) push(kind frameKind, pc, pos, low int32) {
	m.stack = append(m.stack, reFrame{kind, pc, pos, low})
}

// run matches from pc at pos up to the opAccept that belongs to it, and gives
// the end of the match. It leaves the stack as it found it.
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
			if m.memo != nil {
				if m.failed(in.memo, pos) {
					fails = true
					break
				}
				m.push(frameFailed, in.memo, pos, 0)
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
			fails = m.look(in, pc, pos) == in.negated
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

// backtrack takes the latest way back above base.
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
			if m.memo != nil && m.re.code[f.pc].memo >= 0 {
				m.noteFailed(m.re.code[f.pc].memo, f.pos)
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
			m.noteFailed(f.pc, f.pos)
		}
		m.stack = m.stack[:top]
	}
	return 0, 0, false
}

// loop runs an opLoop and gives the position after it.
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
	memo := m.memo != nil && in.memo >= 0
	for in.max < 0 || count < in.max {
		if memo && m.failed(in.memo, pos) {
			// Nothing from here on matches, nor does stopping here.
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

// look says whether the body of an opLook matches at pos, or up to it.
func (m *reMatcher) look(in *reInst, pc, pos int32) bool {
	need := m.need
	defer func() { m.need = need }()
	if !in.behind {
		m.need = -1
		_, ok := m.run(pc+1, pos)
		return ok
	}
	m.need = pos
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

// assert says whether pos is a place of the given kind.
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
