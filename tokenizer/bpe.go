package tokenizer

import (
	"hash/maphash"
	"math"
	"sync/atomic"
)

// bpe is byte-pair encoding: a piece starts out as its characters (or bytes), and the
// adjacent pair with the lowest rank in the list of merges is joined, the leftmost
// first, until no pair is in the list.
//
// Most words of a text are pieces of the vocabulary, so a word is looked up first.
// Merges cannot produce every piece of the vocabulary: whether they can is determined
// once for each piece and remembered.
type bpe struct {
	vocabulary
	pieces stringTable // spelling → index of the piece
	merges mergeTable
	opts   bpeOptions
	unk    int32      // -1: characters that are not in the vocabulary are dropped
	bytes  [256]int32 // the pieces <0x00> to <0xFF> for byte fallback, -1: missing

	words   *stringTable // spellings to look words up in; nil: none
	longest int          // length of the longest entry of words
	reached []atomic.Uint32
	symbols symbolizer
	reach   *reach // nil: merges can join anything
}

// bpeOptions are the settings of a BPE model, named as in tokenizer.json.
type bpeOptions struct {
	unkToken     string // "": none
	prefix       string // continuing_subword_prefix
	suffix       string // end_of_word_suffix
	fuseUnk      bool
	byteFallback bool
	ignoreMerges bool // pieces of the vocabulary are not split
}

// bpeScratch holds the buffers for encoding a piece.
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

// underscore is ▁, U+2581, which SentencePiece writes for a space.
const underscore = "\u2581"

// find returns the index of text in words, or -1.
func (m *bpe) find(text []byte) int {
	if m.words == nil || len(text) > m.longest {
		return -1
	}
	return m.words.find(text)
}

// word appends the ids of a text whose ends merges cannot cross.
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

// whole returns the id of text if it is a piece that merges produce, or -1.
func (m *bpe) whole(text []byte, hash uint64, s *bpeScratch) int32 {
	if m.words == nil || len(text) > m.longest {
		return -1
	}
	i := m.words.lookUp(text, hash)
	if i < 0 {
		return -1
	}
	// Two bits for each piece: whether the answer is known, and the answer.
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

// maxScanned is the largest number of symbols that are merged by scanning all of them
// at each step. Above it a queue is faster.
const maxScanned = 48

// merge returns the ids of text, valid until the next call.
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

// mergeLong is mergeShort with a heap of merges and a linked list of symbols, so that n
// symbols take O(n log n) time. It starts from s.ids and s.found.
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
		if found[at]>>32 != top>>32 { // merged or paired differently in the meantime
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

// idSpelled returns the id of a piece by its spelling, or -1.
func (m *bpe) idSpelled(spelling []byte) int32 {
	if i := m.pieces.find(spelling); i >= 0 {
		return m.idOf(i)
	}
	return -1
}

func (m *bpe) id(piece string) (int32, bool) {
	id := m.idSpelled([]byte(piece))
	return max(id, 0), id >= 0
}
