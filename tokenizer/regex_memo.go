package tokenizer

// remember starts recording failed states.
func (m *reMatcher) remember() {
	m.stopped = false
	m.limit = stepsFree + giveUp*len(m.text)
	m.memo = make([][]uint64, len(m.text)/memoPage+1)
}

// column returns the column of a state: that of the instruction plus the number of
// enclosing loops whose iteration is non-empty. Loops are nested, so these are the
// outer ones.
func (m *reMatcher) column(in *reInst, pos int32) int32 {
	moved := int32(0)
	for _, slot := range in.marks {
		if m.slots[slot] == pos {
			break
		}
		moved++
	}
	return in.memo + moved
}

// known reports whether a state is recorded.
func (m *reMatcher) known(memo, pos int32) bool {
	if m.need >= 0 {
		_, ok := m.behind[uint64(pos)<<32|uint64(memo)]
		return ok
	}
	page := m.memo[pos/memoPage]
	if page == nil {
		return false
	}
	i := int(pos%memoPage)*int(m.re.memos) + int(memo)
	return page[i>>6]>>(i&63)&1 != 0
}

// note records a state.
func (m *reMatcher) note(memo, pos int32) {
	if m.need >= 0 {
		m.behind[uint64(pos)<<32|uint64(memo)] = struct{}{}
		m.hold(32)
		return
	}
	page := &m.memo[pos/memoPage]
	if *page == nil {
		*page = make([]uint64, m.re.memos*memoPage/64+1)
		m.hold(8 * len(*page))
	}
	i := int(pos%memoPage)*int(m.re.memos) + int(memo)
	(*page)[i>>6] |= 1 << (i & 63)
}

// hold counts allocated bytes.
func (m *reMatcher) hold(n int) {
	if m.held += n; m.held > memoFree+memoPage*len(m.text) {
		m.stopped = true
	}
}

// remembers reports whether the states of in are recorded.
func (m *reMatcher) remembers(in *reInst) bool {
	return m.memo != nil && in.memo >= 0 && (m.need < 0 || m.behind != nil)
}
