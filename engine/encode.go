package engine

import (
	"context"
	"sync/atomic"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/tokenizer"
)

// side is the end that s stands for.
func (m *backbone) side(s Side) Side {
	switch {
	case s != ModelSide:
		return s
	case m.tokenizer.TruncationSide() == tokenizer.Left:
		return LeftSide
	}
	return RightSide
}

// bound truncates a text to most tokens (0: all of it); dropped is how many went.
func (m *backbone) bound(text string, most int, o EncodeOptions) (kept string, dropped int, err error) {
	if most <= 0 || len(text) <= most { // no token is shorter than a byte
		return text, 0, nil
	}
	kept, _, dropped, err = m.cut(text, most, o)
	return kept, dropped, err
}

// cut truncates a text to most tokens; tokens is how many it then has, and dropped how
// many went.
func (m *backbone) cut(text string, most int, o EncodeOptions) (kept string, tokens, dropped int, err error) {
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
func (m *backbone) encodePieces(ctx context.Context, n int, encode func(from, to int) error) error {
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
func (m *backbone) sequence(e *tokenizer.Encoding) Sequence {
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
func (m *backbone) Tokenize(text string, special bool) (Sequence, error) {
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
func (m *backbone) PromptTokens(text string) ([]int32, error) {
	s, err := m.Tokenize(text, true)
	return s.IDs, err
}

// Piece is the spelling of a token in the vocabulary, "" if there is none.
func (m *backbone) Piece(id int32) string {
	return m.tokenizer.Piece(id)
}

// Detokenize is the text that tokens spell, without special ones.
func (m *backbone) Detokenize(ids []int) (string, error) {
	list := make([]int32, 0, len(ids))
	for _, id := range ids {
		if id >= 0 && id < m.network.Spec.VocabSize {
			list = append(list, int32(id))
		}
	}
	return m.tokenizer.Decode(list, true)
}
