package engine

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/tokenizer"
)

// Encoded is what Encode or EncodeTexts made of documents or texts.
type Encoded struct {
	Sequences []Sequence
	Full      []int // their lengths before anything was truncated
	Limit     int   // the length that they were truncated to
}

// EncodeOptions says how Encode reads a query and its documents. The zero value
// truncates at the end what is longer than the model takes.
type EncodeOptions struct {
	MaxLength    int    // tokens of a pair, special ones included; 0: what the model takes
	MaxQuery     int    // tokens of the query, before it is paired; 0: no bound of its own
	MaxDocument  int    // tokens of a document, before it is paired; 0: no bound of its own
	Instruction  string // replaces that of a causal model's prompt
	Plain        bool   // the spelling of a special token stays text
	TruncateLeft bool   // drop the beginning of what is too long, not the end
}

// encodePiece is how many documents a worker encodes between two looks at the context.
const encodePiece = 16

// Encode turns the query with each of the documents into tokens, truncated to the
// length that the model takes. It returns early when ctx is done.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) (Encoded, error) {
	limit := m.maxLength
	if o.MaxLength > 0 {
		limit = min(limit, o.MaxLength)
	}
	o.Plain = o.Plain || m.plain
	switch {
	case m.vectors != nil:
		return Encoded{}, fmt.Errorf("%s: %w", m.path, ErrCannotRerank)
	case m.late != nil:
		return m.encodeLate(ctx, query, documents, o, limit)
	case m.listwise != nil:
		return m.encodeList(ctx, query, documents, o, limit)
	case m.pasts != nil || m.prompt != nil:
		return m.encodePrompts(ctx, query, documents, o, limit)
	}
	t := m.tokenizer
	if added := t.Added(true); limit <= added {
		return Encoded{}, fmt.Errorf("at most %d tokens: no room for a query and a document beside %d special tokens", limit, added)
	}
	whole := o.tokens(t, nil, query)
	head := o.truncate(whole, o.MaxQuery)
	encoded := newEncoded(len(documents), limit)
	err := m.encodePieces(ctx, len(documents), func(from, to int) error {
		var tokens []int32
		var out tokenizer.Encoding
		for d := from; d < to; d++ {
			tokens = o.tokens(t, tokens[:0], documents[d])
			encoded.Full[d] = len(whole) + len(tokens) + t.Added(true)
			document := o.truncate(tokens, o.MaxDocument)
			if err := o.pair(t, &out, head, document, limit); err != nil {
				return err
			}
			encoded.Sequences[d] = m.sequence(&out)
		}
		return nil
	})
	return encoded, err
}

func newEncoded(n, limit int) Encoded {
	return Encoded{Sequences: make([]Sequence, n), Full: make([]int, n), Limit: limit}
}

// tokens appends those of a text, uncut.
func (o *EncodeOptions) tokens(t *tokenizer.Tokenizer, dst []int32, text string) []int32 {
	if o.Plain {
		return t.PlainTokens(dst, text)
	}
	return t.Tokens(dst, text)
}

// truncate keeps most tokens (0: all) of the side that o keeps.
func (o *EncodeOptions) truncate(tokens []int32, most int) []int32 {
	switch {
	case most <= 0 || len(tokens) <= most:
		return tokens
	case o.TruncateLeft:
		return tokens[len(tokens)-most:]
	}
	return tokens[:most]
}

// pair joins two token lists, truncating the longer one first.
func (o *EncodeOptions) pair(t *tokenizer.Tokenizer, out *tokenizer.Encoding, a, b []int32, limit int) error {
	if o.TruncateLeft {
		room := limit - t.Added(true)
		na, nb := longestFirst(len(a), len(b), room)
		a, b = a[len(a)-na:], b[len(b)-nb:]
	}
	return t.Pair(out, a, b, limit, tokenizer.LongestFirst)
}

// longestFirst gives the lengths to which two lists are truncated so that both
// together have at most room.
func longestFirst(a, b, room int) (int, int) {
	switch half := room / 2; {
	case a+b <= room:
		return a, b
	case a <= half:
		return a, room - a
	case b <= half:
		return room - b, b
	case a > b:
		return room - half, half
	default:
		return half, room - half
	}
}

// encodePieces calls encode with ranges of 0 … n-1, on the workers if there are several,
// until one fails or ctx is done.
func (m *Model) encodePieces(ctx context.Context, n int, encode func(from, to int) error) error {
	w := &pieceEncoder{ctx: ctx, n: n, encode: encode}
	pieces := (n + encodePiece - 1) / encodePiece
	if pieces == 1 {
		w.tile(0, 0)
	} else {
		m.pool.run(new(job), w, pieces)
	}
	if err := w.err.Load(); err != nil {
		return *err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// A pieceEncoder is the work of encodePieces.
type pieceEncoder struct {
	ctx    context.Context
	n      int
	encode func(from, to int) error
	err    atomic.Pointer[error]
}

func (e *pieceEncoder) tile(i, _ int) {
	if e.ctx.Err() != nil || e.err.Load() != nil {
		return
	}
	if err := e.encode(i*encodePiece, min((i+1)*encodePiece, e.n)); err != nil {
		e.err.CompareAndSwap(nil, &err)
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
