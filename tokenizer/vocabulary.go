package tokenizer

import "slices"

// packed strings are concatenated in one buffer: a quarter of a million small strings
// would burden the garbage collector.
type packed struct {
	text []byte
	ends []uint32 // string i is text[ends[i-1]:ends[i]]
}

func (p *packed) at(i int) []byte {
	start := uint32(0)
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.text[start:p.ends[i]]
}

// A vocabulary maps pieces to ids and back.
type vocabulary struct {
	packed
	ids  []int32 // of piece i; nil: i itself
	rank []int32 // piece of an id, -1: none; nil: the id itself
	trie *trie   // spelling → id
}

// reserve makes room for the pieces of a tokenizer.json of that size: about 60 bytes
// each.
func (v *vocabulary) reserve(size int) {
	v.text = make([]byte, 0, size/8)
	v.ends = make([]uint32, 0, size/64)
	v.ids = make([]int32, 0, size/64)
}

// add appends a piece.
func (v *vocabulary) add(piece []byte, id int32) {
	v.text = append(v.text, piece...)
	v.ends = append(v.ends, uint32(len(v.text)))
	v.ids = append(v.ids, id)
}

// spelling returns the i-th piece.
func (v *vocabulary) spelling(i int) string { return view(v.at(i)) }

// idOf returns the id of the i-th piece.
func (v *vocabulary) idOf(i int) int32 {
	if v.ids == nil {
		return int32(i)
	}
	return v.ids[i]
}

// index builds the tables after all pieces are added.
func (v *vocabulary) index() {
	v.invert()
	v.trie = newTrie(len(v.ends), v.spelling, v.idOf)
}

// invert builds the mapping from ids to pieces.
func (v *vocabulary) invert() {
	dense := true
	size := int32(0)
	for i, id := range v.ids {
		dense = dense && int(id) == i
		size = max(size, id+1)
	}
	if dense {
		v.ids = nil
		return
	}
	v.rank = slices.Repeat([]int32{-1}, int(size))
	for i, id := range v.ids {
		v.rank[id] = int32(i)
	}
}

func (v *vocabulary) id(piece string) (int32, bool) {
	id := v.trie.find(piece)
	return id, id >= 0
}

func (v *vocabulary) piece(id int32) (string, bool) {
	if id < 0 || int(id) >= v.size() {
		return "", false
	}
	if v.rank != nil {
		id = v.rank[id]
	}
	if id < 0 {
		return "", false
	}
	return v.spelling(int(id)), true
}

func (v *vocabulary) count() int { return len(v.ends) }

func (v *vocabulary) size() int {
	if v.rank != nil {
		return len(v.rank)
	}
	return len(v.ends)
}
