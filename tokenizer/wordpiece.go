package tokenizer

import (
	"fmt"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// wordPiece takes the longest piece that a word begins with, then the longest
// continuation, and so on; a word that cannot be completed this way is unknown.
type wordPiece struct {
	vocabulary
	unknown  int32
	inner    uint32 // trie node at which the continuation pieces begin
	hasInner bool
	maxChars int
}

// maxWordChars is the default maximum length of a word.
const maxWordChars = 100

func newWordPiece(r *jsonReader) (model, error) {
	m := &wordPiece{maxChars: maxWordChars}
	unknown, prefix := "[UNK]", "##"
	r.object(func(key []byte) {
		switch string(key) {
		case "unk_token":
			r.field = "model.unk_token"
			unknown = string(r.str())
		case "continuing_subword_prefix":
			r.field = "model.continuing_subword_prefix"
			prefix = string(r.str())
		case "max_input_chars_per_word":
			r.field = "model.max_input_chars_per_word"
			m.maxChars = int(r.id())
		case "vocab":
			m.vocabulary.readJSON(r)
		default:
			r.raw()
		}
		r.field = "model"
	})
	if r.err != nil {
		return nil, r.err
	}
	return m, m.finish(r.path, "model", unknown, prefix)
}

// finish indexes the vocabulary after it is read. field names it in errors.
func (m *wordPiece) finish(path, field, unknown, prefix string) error {
	m.index()
	m.inner, m.hasInner = m.trie.walk(prefix)
	var ok bool
	if m.unknown, ok = m.id(unknown); !ok {
		return &fault.FormatError{Path: path, Field: field + ".vocab", Offset: -1,
			Found: fmt.Sprintf("%d pieces without the unknown token", m.count()), Want: fmt.Sprintf("%q", unknown)}
	}
	return nil
}

func (m *wordPiece) encode(dst []int32, piece []byte, _ *scratch) []int32 {
	if len(piece) > m.maxChars && utf8.RuneCountInString(view(piece)) > m.maxChars {
		return append(dst, m.unknown)
	}
	begin := len(dst)
	id, n := m.trie.longest(0, piece)
	for {
		if id < 0 {
			return append(dst[:begin], m.unknown)
		}
		dst = append(dst, id)
		if piece = piece[n:]; len(piece) == 0 {
			return dst
		}
		if !m.hasInner {
			id = -1
			continue
		}
		id, n = m.trie.longest(m.inner, piece)
	}
}

// readJSON reads an object of pieces and ids.
func (v *vocabulary) readJSON(r *jsonReader) {
	r.field = "model.vocab"
	limit := len(r.data) // tables are as long as the highest id
	v.reserve(limit)
	r.object(func(key []byte) {
		id := r.id()
		if r.err == nil && int(id) > limit {
			r.fail(fmt.Sprintf("the id %d", id), fmt.Sprintf("an id plausible for a file of %d bytes", limit))
		}
		v.add(key, id)
	})
}
