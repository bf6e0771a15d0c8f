package tokenizer

// UnknownID returns the id of the unknown token; ok is false if there is none.
func (t *Tokenizer) UnknownID() (id int32, ok bool) {
	id = -1
	switch m := t.model.(type) {
	case *wordPiece:
		id = m.unknown
	case *unigram:
		id = m.unknown
	case *bpe:
		id = m.unk
	}
	return id, id >= 0
}
