package tokenizer

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// A trie finds byte strings and all their prefixes in a fixed set of keys, each with a
// non-negative value. It is a double array: the child of node n by byte c is
// units[n].base^c if the check of that unit is n.
//
// With exclusive or, all children of a node are within one block of 256 units, so
// building the trie amounts to finding room within a block.
type trie struct {
	units []unit
}

type unit struct {
	base  uint32
	check uint32 // parent; free if the unit is unused
	value int32  // of the key that ends here, or -1
}

const free = 1<<32 - 1

// step returns the child of node by c. ok is false if there is none.
func (t *trie) step(node uint32, c byte) (child uint32, ok bool) {
	child = t.units[node].base ^ uint32(c)
	return child, t.units[child].check == node
}

// find returns the value of key, or -1.
func (t *trie) find(key string) int32 {
	if node, ok := t.walk(key); ok {
		return t.units[node].value
	}
	return -1
}

// longest returns the longest key that text begins with, starting at node: its value
// and its length, -1 and 0 if there is none.
func (t *trie) longest(node uint32, text []byte) (value int32, n int) {
	value = -1
	units := t.units
	for i, c := range text {
		child := units[node].base ^ uint32(c)
		if units[child].check != node {
			break
		}
		node = child
		if v := units[node].value; v >= 0 {
			value, n = v, i+1
		}
	}
	return value, n
}

// walk returns the node that key leads to.
func (t *trie) walk(key string) (node uint32, ok bool) {
	for i := 0; i < len(key); i++ {
		if node, ok = t.step(node, key[i]); !ok {
			return 0, false
		}
	}
	return node, true
}

// sortKey is a key that is being sorted; its first eight bytes are almost always
// decisive.
type sortKey struct {
	prefix uint64
	index  uint32
}

func prefix8(key string) uint64 {
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// newTrie builds a trie of n keys. The last value of duplicate keys counts; empty keys
// are skipped.
func newTrie(n int, key func(i int) string, value func(i int) int32) *trie {
	order := make([]sortKey, 0, n)
	total := 0
	for i := range n {
		if k := key(i); k != "" {
			order = append(order, sortKey{prefix8(k), uint32(i)})
			total += len(k)
		}
	}
	slices.SortFunc(order, func(a, b sortKey) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return cmp.Or(strings.Compare(key(int(a.index)), key(int(b.index))), cmp.Compare(a.index, b.index))
	})
	b := trieBuilder{}
	b.grow()
	b.take(0)
	b.units[0] = unit{check: free, value: -1}
	b.build(order, key, value)
	return &trie{units: slices.Clone(b.units)} // without spare capacity
}

// trieBuilder records which units of each block of 256 are free.
type trieBuilder struct {
	units []unit
	free  [][4]uint64
	first int // blocks before this one are full
}

func (b *trieBuilder) grow() int {
	block := len(b.free)
	b.free = append(b.free, [4]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)})
	if cap(b.units)-len(b.units) < 256 {
		b.units = slices.Grow(b.units, max(256, len(b.units)))
	}
	for range 256 {
		b.units = append(b.units, unit{check: free, value: -1})
	}
	return block
}

func (b *trieBuilder) take(u uint32) {
	b.free[u>>8][u>>6&3] &^= 1 << (u & 63)
}

// tries is how many of the last blocks are searched for room for a node's children
// before a block is added; nodes with one child fill the remaining holes.
const tries = 12

// place returns a base for which all labels are free.
func (b *trieBuilder) place(labels []byte) uint32 {
	if len(labels) == 1 {
		for ; b.first < len(b.free); b.first++ {
			for w, f := range b.free[b.first] {
				if f != 0 {
					u := uint32(b.first<<8 + w<<6 + bits.TrailingZeros64(f))
					return u ^ uint32(labels[0])
				}
			}
		}
		return uint32(b.grow()<<8) ^ uint32(labels[0])
	}
	for block := max(b.first, len(b.free)-tries); block < len(b.free); block++ {
		room := &b.free[block]
		if n := bits.OnesCount64(room[0]) + bits.OnesCount64(room[1]) + bits.OnesCount64(room[2]) + bits.OnesCount64(room[3]); n < len(labels) {
			continue
		}
		for w := range room {
			for f := room[w]; f != 0; f &= f - 1 {
				x := byte(w<<6+bits.TrailingZeros64(f)) ^ labels[0]
				fits := true
				for _, l := range labels[1:] {
					if s := x ^ l; room[s>>6]>>(s&63)&1 == 0 {
						fits = false
						break
					}
				}
				if fits {
					return uint32(block<<8) | uint32(x)
				}
			}
		}
	}
	return uint32(b.grow() << 8)
}

func (b *trieBuilder) build(order []sortKey, key func(i int) string, value func(i int) int32) {
	type task struct {
		node   uint32
		lo, hi uint32 // in order
		depth  uint32
	}
	stack := []task{{0, 0, uint32(len(order)), 0}}
	var labels []byte
	var starts []uint32
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		lo := t.lo
		for lo < t.hi {
			k := key(int(order[lo].index))
			if len(k) > int(t.depth) {
				break
			}
			b.units[t.node].value = value(int(order[lo].index))
			lo++
		}
		if lo == t.hi {
			continue
		}
		labels, starts = labels[:0], starts[:0]
		for i := lo; i < t.hi; i++ {
			var c byte
			if t.depth < 8 {
				c = byte(order[i].prefix >> (56 - 8*t.depth))
			} else {
				c = key(int(order[i].index))[t.depth]
			}
			if len(labels) == 0 || labels[len(labels)-1] != c {
				labels = append(labels, c)
				starts = append(starts, i)
			}
		}
		starts = append(starts, t.hi)
		base := b.place(labels)
		b.units[t.node].base = base
		for i, l := range labels {
			child := base ^ uint32(l)
			b.take(child)
			b.units[child].check = t.node
			stack = append(stack, task{child, starts[i], starts[i+1], t.depth + 1})
		}
	}
}
