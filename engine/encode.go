package engine

import (
	"fmt"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// A Pairs is a query with documents, as tokens.
type Pairs struct {
	Sequences []Sequence
	Full      []int // their lengths before anything was cut
	Limit     int   // the length that they were cut to
}

// encodePiece is how many documents a worker encodes at a time.
const encodePiece = 16

// EncodePairs turns the query with each of the documents into tokens, cut to
// the length that the model takes, or to maxLength if that is lower and not 0.
func (m *Model) EncodePairs(query string, documents []string, maxLength int) (Pairs, error) {
	return m.EncodePairsAs(query, documents, Reading{MaxLength: maxLength})
}

// A Reading says how the texts of a call are read.
type Reading struct {
	MaxLength   int    // of a pair in tokens; 0: what the model takes
	Instruction string // to a causal model, in place of its own
	Plain       bool   // what spells a special token stays text
}

// EncodePairsAs is EncodePairs in a certain reading.
func (m *Model) EncodePairsAs(query string, documents []string, o Reading) (Pairs, error) {
	limit := m.maxLength
	if o.MaxLength > 0 {
		limit = min(limit, o.MaxLength)
	}
	switch {
	case m.vectors != nil:
		return Pairs{}, fmt.Errorf("%s: %w", m.path, ErrCannotRerank)
	case m.late != nil:
		return m.encodeLate(query, documents, o, limit)
	case m.listwise != nil:
		return m.encodeList(query, documents, o, limit)
	case m.pasts != nil || m.prompt != nil:
		return m.encodePrompts(query, documents, o, limit)
	}
	if added := m.tokenizer.Added(true); limit <= added {
		return Pairs{}, fmt.Errorf("at most %d tokens: no room for a query and a document beside %d special tokens", limit, added)
	}
	e := &encoder{model: m, documents: documents,
		pairs: Pairs{Sequences: make([]Sequence, len(documents)), Full: make([]int, len(documents)), Limit: limit},
		plain: o.Plain || m.plain}
	e.query = e.tokens(nil, query)
	if len(documents) <= encodePiece {
		e.tile(0, 0)
	} else {
		m.pool.run(&e.job, e, (len(documents)+encodePiece-1)/encodePiece)
	}
	return e.pairs, e.err
}

// An encoder encodes documents in pieces.
type encoder struct {
	model     *Model
	job       job
	query     []int32
	documents []string
	plain     bool
	pairs     Pairs
	err       error
}

func (e *encoder) tokens(dst []int32, text string) []int32 {
	if e.plain {
		return e.model.tokenizer.PlainTokens(dst, text)
	}
	return e.model.tokenizer.Tokens(dst, text)
}

func (e *encoder) tile(i, _ int) {
	var document []int32
	var out tokenizer.Encoding
	t := e.model.tokenizer
	for d := i * encodePiece; d < min((i+1)*encodePiece, len(e.documents)); d++ {
		document = e.tokens(document[:0], e.documents[d])
		e.pairs.Full[d] = len(e.query) + len(document) + t.Added(true)
		if err := t.Pair(&out, e.query, document, e.pairs.Limit, tokenizer.LongestFirst); err != nil {
			e.model.mu.Lock()
			e.err = err
			e.model.mu.Unlock()
			return
		}
		e.pairs.Sequences[d] = e.model.sequence(&out)
	}
}

// sequence copies an encoding.
func (m *Model) sequence(e *tokenizer.Encoding) Sequence {
	s := Sequence{IDs: append([]int32(nil), e.IDs...)}
	if m.oneType {
		return s
	}
	for _, t := range e.Types {
		if t != 0 {
			s.Types = append([]int32(nil), e.Types...)
			break
		}
	}
	return s
}

// Tokenize gives the tokens of a text, uncut.
func (m *Model) Tokenize(text string, special bool) Sequence {
	if !special {
		return Sequence{IDs: m.tokenizer.Tokens(nil, text)}
	}
	var e tokenizer.Encoding
	m.tokenizer.Encode(&e, text, 0)
	return m.sequence(&e)
}

// Piece is the spelling of a token in the vocabulary, "" if there is none.
func (m *Model) Piece(id int32) string {
	return m.tokenizer.Piece(id)
}

// Detokenize is the text that tokens spell, without special ones.
func (m *Model) Detokenize(ids []int) string {
	list := make([]int32, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && id < m.vocab {
			list = append(list, int32(id))
		}
	}
	return m.tokenizer.Decode(list, true)
}
