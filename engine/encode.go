package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// Encoded is what Encode or EncodeTexts made of documents or texts.
type Encoded struct {
	Sequences []Sequence
	Full      []int // their lengths before anything was truncated
	Limit     int   // the length that they were truncated to
}

// EncodeOptions says how Encode reads a query and its documents. The zero value
// truncates as the model's tokenizer does what is longer than the model takes.
type EncodeOptions struct {
	MaxLength   int    // tokens of a pair, special ones included; 0: what the model takes
	MaxQuery    int    // tokens of the query, before it is paired; 0: no bound of its own
	MaxDocument int    // tokens of a document, before it is paired; 0: no bound of its own
	Instruction string // replaces that of a causal model's prompt
	Plain       bool   // the spelling of a special token stays text
	Side        Side   // of what is too long, where it is truncated
}

// A Side is the end of a text at which it is truncated.
type Side uint8

// The sides.
const (
	ModelSide Side = iota // what the tokenizer's configuration says, the right one as a rule
	RightSide             // drop the end
	LeftSide              // drop the beginning
)

// side is the end that s stands for.
func (m *Model) side(s Side) Side {
	switch {
	case s != ModelSide:
		return s
	case m.tokenizer.TruncationSide() == tokenizer.Left:
		return LeftSide
	}
	return RightSide
}

// cut is the same for the tokenizer.
func (s Side) cut() tokenizer.Side {
	if s == LeftSide {
		return tokenizer.Left
	}
	return tokenizer.Right
}

// TextOptions says how EncodeTexts reads texts. The zero value truncates as the
// model's tokenizer does what is longer than the model takes.
type TextOptions struct {
	MaxLength int    // tokens of a text, special ones included; 0: what the model takes
	Prompt    string // the name of the prompt that is put before them; "": the model's default one
	Plain     bool   // the spelling of a special token stays text
	Side      Side   // of what is too long, where it is truncated
}

// ErrTooMuch is the error of a text on which the model's tokenizer gives up.
var ErrTooMuch = tokenizer.ErrTooMuch

// ErrNoRoom is the error of a call whose length leaves no room for texts, because of it
// or of what else it asks for.
var ErrNoRoom = errors.New("no room for the texts")

// A roomError is an ErrNoRoom that says why.
type roomError struct{ text string }

func noRoom(format string, args ...any) error { return &roomError{fmt.Sprintf(format, args...)} }

func (e *roomError) Error() string { return e.text }

func (e *roomError) Is(target error) bool { return target == ErrNoRoom }

func newEncoded(n, limit int) Encoded {
	return Encoded{Sequences: make([]Sequence, n), Full: make([]int, n), Limit: limit}
}

// tokens appends those of a text, uncut.
func (o *EncodeOptions) tokens(t *tokenizer.Tokenizer, dst []int32, text string) ([]int32, error) {
	if o.Plain {
		return t.PlainTokens(dst, text)
	}
	return t.Tokens(dst, text)
}

// truncate keeps most tokens (0: all) of the side that o keeps.
func (o *EncodeOptions) truncate(tokens []int32, most int) []int32 {
	if most <= 0 {
		return tokens
	}
	return o.Side.cut().Cut(tokens, most)
}

// bound truncates a text to most tokens (0: all of it); dropped is how many went.
func (m *Model) bound(text string, most int, o EncodeOptions) (kept string, dropped int, err error) {
	if most <= 0 || len(text) <= most { // no token is shorter than a byte
		return text, 0, nil
	}
	kept, _, dropped, err = m.cut(text, most, o)
	return kept, dropped, err
}

// cut truncates a text to most tokens; tokens is how many it then has, and dropped how
// many went.
func (m *Model) cut(text string, most int, o EncodeOptions) (kept string, tokens, dropped int, err error) {
	ids, err := o.tokens(m.tokenizer, nil, text)
	if err != nil || len(ids) <= most {
		return text, len(ids), 0, err
	}
	kept, err = m.tokenizer.Decode(o.truncate(ids, most), false)
	return kept, most, len(ids) - most, err
}

// encodePiece is how many documents a worker encodes between two looks at the context.
const encodePiece = 16

// encodePieces calls encode with ranges of 0 … n-1, on the workers if there are several,
// until one fails or ctx is done.
func (m *Model) encodePieces(ctx context.Context, n int, encode func(from, to int) error) error {
	w := &pieceEncoder{n: n, encode: encode}
	if n <= encodePiece {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return encode(0, n)
	}
	if err := m.runner.Run(ctx, w, (n+encodePiece-1)/encodePiece); err != nil {
		return err
	}
	if err := w.err.Load(); err != nil {
		return *err
	}
	return nil
}

// A pieceEncoder is the work of encodePieces.
type pieceEncoder struct {
	n      int
	encode func(from, to int) error
	err    atomic.Pointer[error]
}

func (e *pieceEncoder) Tile(_ *compute.Context, i int) {
	if e.err.Load() != nil {
		return
	}
	if err := e.encode(i*encodePiece, min((i+1)*encodePiece, e.n)); err != nil {
		e.err.CompareAndSwap(nil, &err)
	}
}

// sequence copies an encoding.
func (m *Model) sequence(e *tokenizer.Encoding) Sequence {
	s := Sequence{IDs: append([]int32(nil), e.IDs...)}
	if m.network.OneType {
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
func (m *Model) Tokenize(text string, special bool) (Sequence, error) {
	if !special {
		ids, err := m.tokenizer.Tokens(nil, text)
		return Sequence{IDs: ids}, err
	}
	var e tokenizer.Encoding
	if err := m.tokenizer.Encode(&e, text, 0); err != nil {
		return Sequence{}, err
	}
	return m.sequence(&e), nil
}

// PromptTokens are the tokens of a prompt, with the special ones that the model
// wants at the beginning.
func (m *Model) PromptTokens(text string) ([]int32, error) {
	s, err := m.Tokenize(text, true)
	return s.IDs, err
}

// Piece is the spelling of a token in the vocabulary, "" if there is none.
func (m *Model) Piece(id int32) string {
	return m.tokenizer.Piece(id)
}

// Detokenize is the text that tokens spell, without special ones.
func (m *Model) Detokenize(ids []int) (string, error) {
	list := make([]int32, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && id < m.network.Spec.VocabSize {
			list = append(list, int32(id))
		}
	}
	return m.tokenizer.Decode(list, true)
}

// shareBeginning finds the tokens that all prompts begin with. head is the prompt of
// an empty document.
func shareBeginning(head []int32, sequences []Sequence) {
	n := len(head)
	for _, s := range sequences {
		n = min(n, compute.CommonPrefix(head, s.IDs), len(s.IDs)-1)
	}
	if n < compute.MinPrefix {
		return
	}
	for i := range sequences {
		sequences[i].shared = n
	}
}
