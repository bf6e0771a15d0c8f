package tokenizer

import (
	"bytes"
	"hash/maphash"
	"math"
	"sync/atomic"
	"unicode/utf8"
)

// bpe is byte-pair encoding: a piece begins as its characters (or bytes), and
// the pair of neighbours that stands highest in the list of merges is joined,
// the leftmost first among equals, until no pair is in the list.
//
// Most words of a text are pieces of the vocabulary as they stand, so a word
// is looked up first. Not every piece of the vocabulary can be reached by
// merges: which of them can is found out once for each piece and remembered.
type bpe struct {
	vocabulary
	pieces stringTable // spelling → number of the piece
	merges mergeTable
	opts   bpeOptions
	unk    int32      // -1: characters that are not in the vocabulary are left out
	bytes  [256]int32 // the pieces <0x00> to <0xFF> for byte fallback, -1

	words   *stringTable // what a word is looked up in; nil: nothing
	longest int          // length of the longest entry of words
	reached []atomic.Uint32
	symbols symbolizer
	reach   *reach // nil: merges may join anything
}

// bpeOptions are the settings of a BPE model, by their names in tokenizer.json.
type bpeOptions struct {
	unkToken     string // "": none
	prefix       string // continuing_subword_prefix
	suffix       string // end_of_word_suffix
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool // a piece that is in the vocabulary is not cut
}

// A symbolizer makes the first symbols of a piece.
type symbolizer interface {
	// appendSymbols appends the symbols of piece, which is not empty.
	appendSymbols(dst []int32, piece []byte, m *bpe) []int32
}

// bpeScratch is what encoding a piece needs.
type bpeScratch struct {
	ids        []int32
	found      []uint64
	prev, next []int32
	queue      []uint64
}

// encode appends the ids of piece.
func (m *bpe) encode(dst []int32, piece []byte, s *scratch) []int32 {
	if m.opts.ignoreMerges {
		if i := m.find(piece); i >= 0 {
			return append(dst, m.idOf(i))
		}
	}
	if m.reach == nil {
		return m.word(dst, piece, s)
	}
	for len(piece) > 0 {
		n := m.reach.next(piece)
		dst = m.word(dst, piece[:n], s)
		piece = piece[n:]
	}
	return dst
}

// underscore is ▁, U+2581, which SentencePiece writes for a blank.
const underscore = "\u2581"

// A reach says which characters merges can bring together: for each pair of an
// ASCII character, ▁ or any other, whether a merge joins something that ends
// with the first and something that begins with the second. A text can be cut
// wherever that is not so, and its parts merged one by one; where merges keep
// to words, as most do, the parts are words.
type reach [reachOther + 1][reachOther + 1]bool

const (
	reachUnderscore = utf8.RuneSelf + iota
	reachOther
)

// kind is the place in the table of the character that text begins with, and
// the character's length.
func (*reach) kind(text []byte) (kind, size int) {
	c := text[0]
	switch {
	case c < utf8.RuneSelf:
		return int(c), 1
	case c == 0xe2 && len(text) > 2 && text[1] == 0x96 && text[2] == 0x81:
		return reachUnderscore, 3
	case c < 0xe0:
		return reachOther, 2
	case c < 0xf0:
		return reachOther, 3
	}
	return reachOther, 4
}

// next is the end of the first part of text.
func (r *reach) next(text []byte) int {
	last, i := r.kind(text)
	for i < len(text) {
		kind, n := r.kind(text[i:])
		if !r[last][kind] {
			break
		}
		last = kind
		i += n
	}
	return min(i, len(text))
}

// find is the number of the entry of words that text is, or -1.
func (m *bpe) find(text []byte) int {
	if m.words == nil || len(text) > m.longest {
		return -1
	}
	return m.words.find(text)
}

// word appends the ids of a text that merges do not reach out of.
func (m *bpe) word(dst []int32, text []byte, s *scratch) []int32 {
	if len(text) > max(m.longest, len(cachedWord{}.text)) {
		return append(dst, m.merge(text, &s.bpe)...)
	}
	hash := maphash.Bytes(hashSeed, text)
	c := s.cached(hash)
	if c.holds(hash, text) {
		return append(dst, c.ids[:c.n]...)
	}
	before := len(dst)
	if id := m.whole(text, hash, &s.bpe); id >= 0 {
		dst = append(dst, id)
	} else {
		dst = append(dst, m.merge(text, &s.bpe)...)
	}
	c.keep(hash, text, dst[before:])
	return dst
}

// whole is the id of the piece that text is, if merges lead there, or -1.
func (m *bpe) whole(text []byte, hash uint64, s *bpeScratch) int32 {
	if m.words == nil || len(text) > m.longest {
		return -1
	}
	i := m.words.lookUp(text, hash)
	if i < 0 {
		return -1
	}
	// Two bits for each piece: whether it is known, and the answer.
	state, shift := &m.reached[i>>4], i&15*2
	bits := state.Load() >> shift & 3
	if bits == 0 {
		bits = 1
		if ids := m.merge(text, s); len(ids) == 1 && ids[0] == m.idOf(i) {
			bits = 3
		}
		state.Or(bits << shift)
	}
	if bits == 1 {
		return -1
	}
	return m.idOf(i)
}

// maxScanned is how many symbols are merged by looking through all of them at
// each step. Beyond it a queue is faster.
const maxScanned = 48

// merge gives the ids of text, which stay good until the next call.
func (m *bpe) merge(text []byte, s *bpeScratch) []int32 {
	s.ids = m.symbols.appendSymbols(s.ids[:0], text, m)
	if len(s.ids) < 2 {
		return s.ids
	}
	if cap(s.found) < len(s.ids) {
		s.found = make([]uint64, len(s.ids)+len(s.ids)/2)
	}
	found := s.found[:len(s.ids)]
	for i := range len(s.ids) - 1 {
		found[i] = m.merges.find(s.ids[i], s.ids[i+1])
	}
	found[len(found)-1] = noMerge
	if len(s.ids) <= maxScanned {
		return m.mergeShort(s.ids, found)
	}
	return m.mergeLong(s)
}

// mergeShort merges ids in place. found[i] is the merge of ids[i] and ids[i+1].
func (m *bpe) mergeShort(ids []int32, found []uint64) []int32 {
	found = found[:len(ids)]
	for {
		best, at := uint64(noMerge>>32), -1
		for i, f := range found {
			if f >>= 32; f < best {
				best, at = f, i
			}
		}
		if at < 0 {
			return ids
		}
		id := int32(uint32(found[at]))
		copy(ids[at+1:], ids[at+2:])
		copy(found[at:], found[at+1:])
		ids = ids[:len(ids)-1]
		found = found[:len(ids)]
		ids[at] = id
		if at+1 < len(ids) {
			found[at] = m.merges.find(id, ids[at+1])
		} else {
			found[at] = noMerge
		}
		if at > 0 {
			found[at-1] = m.merges.find(ids[at-1], id)
		}
	}
}

// mergeLong is mergeShort with the merges in a heap and the symbols in a list,
// so that n symbols take n·log n steps. It starts from s.ids and s.found.
func (m *bpe) mergeLong(s *bpeScratch) []int32 {
	n := len(s.ids)
	if cap(s.prev) < n {
		size := n + n/2
		s.prev, s.next = make([]int32, size), make([]int32, size)
	}
	ids, found, prev, next := s.ids, s.found[:n], s.prev[:n], s.next[:n]
	q := queue(s.queue[:0])
	for i := range n {
		prev[i], next[i] = int32(i)-1, int32(i)+1
		if found[i] != noMerge {
			q = append(q, found[i]&^math.MaxUint32|uint64(i))
		}
	}
	q.init()
	for len(q) > 0 {
		top := q.pop()
		at := int32(uint32(top))
		if found[at]>>32 != top>>32 { // merged meanwhile, or paired otherwise
			continue
		}
		right := next[at]
		ids[at] = int32(uint32(found[at]))
		ids[right] = -1
		found[right] = noMerge
		next[at] = next[right]
		found[at] = noMerge
		if r := next[at]; int(r) < n {
			prev[r] = at
			if f := m.merges.find(ids[at], ids[r]); f != noMerge {
				found[at] = f
				q.push(f&^math.MaxUint32 | uint64(at))
			}
		}
		if l := prev[at]; l >= 0 {
			f := m.merges.find(ids[l], ids[at])
			found[l] = f
			if f != noMerge {
				q.push(f&^math.MaxUint32 | uint64(l))
			}
		}
	}
	s.queue = q[:0]
	out := ids[:0]
	for _, id := range ids {
		if id >= 0 {
			out = append(out, id)
		}
	}
	return out
}

// A queue is a heap of ranks in the high and positions in the low half.
type queue []uint64

func (q queue) init() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.down(i)
	}
}

func (q queue) down(i int) {
	v := q[i]
	for {
		c := 2*i + 1
		if c >= len(q) {
			break
		}
		if c+1 < len(q) && q[c+1] < q[c] {
			c++
		}
		if v <= q[c] {
			break
		}
		q[i] = q[c]
		i = c
	}
	q[i] = v
}

func (q *queue) pop() uint64 {
	h := *q
	top := h[0]
	h[0] = h[len(h)-1]
	*q = h[:len(h)-1]
	if len(*q) > 0 {
		q.down(0)
	}
	return top
}

func (q *queue) push(v uint64) {
	*q = append(*q, v)
	h := *q
	i := len(h) - 1
	for i > 0 {
		p := (i - 1) / 2
		if h[p] <= v {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = v
}

// A mergeTable finds what a pair of symbols becomes: the rank of the merge in
// the high half, the id of the result in the low half.
type mergeTable struct {
	slots []mergeSlot // open addressing, a power of two, never full
	shift uint8
}

type mergeSlot struct{ pair, merge uint64 }

const (
	noMerge = math.MaxUint64
)

func newMergeTable(count int) mergeTable {
	t := mergeTable{shift: 64 - 4}
	for 1<<(64-t.shift) < count+count/2 {
		t.shift--
	}
	t.slots = make([]mergeSlot, 1<<(64-t.shift))
	for i := range t.slots {
		t.slots[i].merge = noMerge
	}
	return t
}

func (t *mergeTable) slot(pair uint64) int {
	return int(pair * 0x9e3779b97f4a7c15 >> t.shift)
}

// add puts a merge in; a pair that is there already takes the new one.
func (t *mergeTable) add(a, b int32, rank uint32, id int32) {
	pair := uint64(uint32(a))<<32 | uint64(uint32(b))
	i := t.slot(pair)
	for t.slots[i].merge != noMerge && t.slots[i].pair != pair {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = mergeSlot{pair, uint64(rank)<<32 | uint64(uint32(id))}
}

// find is the merge of a and b, or noMerge.
func (t *mergeTable) find(a, b int32) uint64 {
	pair := uint64(uint32(a))<<32 | uint64(uint32(b))
	i := t.slot(pair)
	for {
		s := &t.slots[i&(len(t.slots)-1)]
		if s.pair == pair || s.merge == noMerge {
			return s.merge
		}
		i++
	}
}

// A stringTable finds a string among those that lie end to end in a text. Of
// equal ones it finds the last.
type stringTable struct {
	packed
	slots []stringSlot // open addressing, a power of two, never full
	twice bool         // some are equal
}

type stringSlot struct{ hash, number uint32 } // number: one more than the string's, 0: free

var hashSeed = maphash.MakeSeed()

func newStringTable(p packed) stringTable {
	t := stringTable{packed: p}
	size := 16
	for size < len(p.ends)+len(p.ends)/2 {
		size *= 2
	}
	t.slots = make([]stringSlot, size)
	for i := range p.ends {
		hash := maphash.Bytes(hashSeed, t.at(i))
		slot := t.seek(t.at(i), hash)
		t.twice = t.twice || t.slots[slot].number != 0
		t.slots[slot] = stringSlot{uint32(hash >> 32), uint32(i + 1)}
	}
	return t
}

// seek is the slot of s, or the free one where it would be.
func (t *stringTable) seek(s []byte, hash uint64) int {
	mask := len(t.slots) - 1
	i := int(hash) & mask
	for {
		slot := t.slots[i]
		if slot.number == 0 || slot.hash == uint32(hash>>32) && bytes.Equal(t.at(int(slot.number-1)), s) {
			return i
		}
		i = (i + 1) & mask
	}
}

// find is the number of s, or -1.
func (t *stringTable) find(s []byte) int { return t.lookUp(s, maphash.Bytes(hashSeed, s)) }

// lookUp is find with the hash of s at hand.
func (t *stringTable) lookUp(s []byte, hash uint64) int {
	return int(t.slots[t.seek(s, hash)].number) - 1
}

// byteSymbols are the symbols of a byte-level vocabulary.
type byteSymbols struct {
	ids [256]int32 // -1: the vocabulary lacks this byte
	all bool       // it lacks none
}

func (b *byteSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	if b.all {
		for _, c := range piece {
			dst = append(dst, b.ids[c])
		}
		return dst
	}
	u := unknowns{m: m, dst: dst}
	for _, c := range piece {
		u.add(b.ids[c], nil)
	}
	return u.end()
}

// runeSymbols are the symbols of a vocabulary of characters.
type runeSymbols struct {
	pages [(utf8.MaxRune + 1) / pageSize]*[pageSize]int32 // id plus one
}

func (p *runeSymbols) set(r rune, id int32) {
	page := &p.pages[r>>pageBits]
	if *page == nil {
		*page = new([pageSize]int32)
	}
	(*page)[r&(pageSize-1)] = id + 1
}

func (p *runeSymbols) of(r rune) int32 {
	if page := p.pages[r>>pageBits]; page != nil {
		return page[r&(pageSize-1)] - 1
	}
	return -1
}

func (p *runeSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	u := unknowns{m: m, dst: dst}
	for i := 0; i < len(piece); {
		r, n := rune(piece[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(piece[i:])
		}
		u.add(p.of(r), piece[i:i+n])
		i += n
	}
	return u.end()
}

// affixSymbols are the symbols of a vocabulary that marks the characters within
// a word by a prefix or the last one by a suffix.
type affixSymbols struct{}

func (affixSymbols) appendSymbols(dst []int32, piece []byte, m *bpe) []int32 {
	u := unknowns{m: m, dst: dst}
	var buf [64]byte
	for i := 0; i < len(piece); {
		_, n := utf8.DecodeRune(piece[i:])
		spelling := buf[:0]
		if i > 0 {
			spelling = append(spelling, m.opts.prefix...)
		}
		spelling = append(spelling, piece[i:i+n]...)
		i += n
		if i == len(piece) {
			spelling = append(spelling, m.opts.suffix...)
		}
		id := int32(-1)
		if i := m.pieces.find(spelling); i >= 0 {
			id = m.idOf(i)
		}
		u.add(id, spelling)
	}
	return u.end()
}

// unknowns collects symbols and deals with those that the vocabulary lacks.
// Like the Hugging Face library it holds an unknown back until the next known
// character, past those that fall back to bytes.
type unknowns struct {
	m       *bpe
	dst     []int32
	pending bool
}

// add appends a symbol; id is -1 if the vocabulary lacks it.
func (u *unknowns) add(id int32, spelling []byte) {
	if id >= 0 {
		if u.pending {
			u.dst = append(u.dst, u.m.unk)
			u.pending = false
		}
		u.dst = append(u.dst, id)
		return
	}
	if u.m.opts.byteFallback && u.fallBack(spelling) {
		return
	}
	if u.m.unk < 0 {
		return
	}
	if u.pending && !u.m.opts.fuseUnk {
		u.dst = append(u.dst, u.m.unk)
	}
	u.pending = true
}

// fallBack appends the pieces of the bytes of spelling, if all are there.
func (u *unknowns) fallBack(spelling []byte) bool {
	n := len(u.dst)
	for _, b := range spelling {
		id := u.m.bytes[b]
		if id < 0 {
			u.dst = u.dst[:n]
			return false
		}
		u.dst = append(u.dst, id)
	}
	return true
}

func (u *unknowns) end() []int32 {
	if u.pending {
		u.dst = append(u.dst, u.m.unk)
	}
	return u.dst
}

func (m *bpe) id(piece string) (int32, bool) {
	if i := m.pieces.find([]byte(piece)); i >= 0 {
		return m.idOf(i), true
	}
	return 0, false
}
