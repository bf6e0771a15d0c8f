package tokenizer

import (
	"bytes"
	"hash/maphash"
	"math"
)

// A queue is a heap of entries with the rank in the high half and the position in the
// low half.
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

// A mergeTable maps a pair of symbols to the rank of their merge in the high half and
// the id of the result in the low half.
type mergeTable struct {
	slots []mergeSlot // open addressing, length a power of two, never full
	shift uint8
}

type mergeSlot struct{ pair, merge uint64 }

const noMerge = math.MaxUint64

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

// add adds a merge; the last one of a pair counts.
func (t *mergeTable) add(a, b int32, rank uint32, id int32) {
	pair := uint64(uint32(a))<<32 | uint64(uint32(b))
	i := t.slot(pair)
	for t.slots[i].merge != noMerge && t.slots[i].pair != pair {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = mergeSlot{pair, uint64(rank)<<32 | uint64(uint32(id))}
}

// find returns the merge of a and b, or noMerge.
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

// A stringTable finds the indices of packed strings; of equal strings, the last.
type stringTable struct {
	packed
	slots []stringSlot // open addressing, length a power of two, never full
	twice bool         // some strings are equal
}

type stringSlot struct{ hash, number uint32 } // number: index plus one, 0: free

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

// seek returns the slot of s, or the free slot for it.
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

// find returns the index of s, or -1.
func (t *stringTable) find(s []byte) int { return t.lookUp(s, maphash.Bytes(hashSeed, s)) }

// lookUp is find with the hash of s.
func (t *stringTable) lookUp(s []byte, hash uint64) int {
	return int(t.slots[t.seek(s, hash)].number) - 1
}
