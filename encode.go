package winnow

import (
	"context"
	"slices"

	"github.com/winnow-rerank/winnow/engine"
)

// An Encoding is a query with a document, or a text, as the model's tokens. Encode and
// EncodeTexts return encodings; only the model that made one can compute it. A model that
// reads each pair or text independently (neither listwise nor late interaction) also
// accepts an Encoding assembled from IDs and Types.
type Encoding struct {
	IDs   []int32 // special tokens included
	Types []int32 // token type (segment) of each token; nil: all 0
	Full  int     // number of tokens before truncation

	// EveryToken makes EmbedEncoded return the states of every token. EncodeTexts copies
	// it from its options.
	EveryToken bool

	sequence engine.Sequence // task-specific state in addition to IDs and Types
}

// Tokens returns the number of tokens, special tokens included.
func (e Encoding) Tokens() int { return len(e.IDs) }

// Truncated reports whether tokens were dropped.
func (e Encoding) Truncated() bool { return e.Full > len(e.IDs) }

// Truncation selects what happens to a text that is longer than the model takes.
type Truncation uint8

const (
	// TruncateAsModel drops what the model's tokenizer configuration says, usually the
	// end.
	TruncateAsModel Truncation = iota
	// TruncateRight drops the end.
	TruncateRight
	// TruncateLeft drops the beginning.
	TruncateLeft
	// TruncateNever makes such a text an error that wraps ErrTooLong.
	TruncateNever
)

func (t Truncation) side() engine.Side {
	switch t {
	case TruncateRight:
		return engine.RightSide
	case TruncateLeft:
		return engine.LeftSide
	}
	return engine.ModelSide
}

// EncodeOptions controls how Encode reads a query and its documents.
type EncodeOptions struct {
	MaxTokens         int        // of a pair, special tokens included; 0: the model's limit
	MaxQueryTokens    int        // of the query, before pairing; 0: no separate limit
	MaxDocumentTokens int        // of a document, before pairing; 0: no separate limit
	Instruction       string     // replaces the instruction in a causal model's prompt
	PlainText         bool       // spellings of special tokens stay text
	Truncation        Truncation // of pairs that are too long
}

// Encode converts the query with each of the documents into tokens. Encode followed by
// ScoreEncoded is Score in two steps, for callers that schedule work by the number of
// tokens: except for listwise models, a pair's score does not depend on the other pairs.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) ([]Encoding, error) {
	encoded, err := use(m, func(e *engine.Model) (engine.Encoded, error) {
		return e.Encode(ctx, query, documents, engine.EncodeOptions{MaxLength: o.MaxTokens, MaxQuery: o.MaxQueryTokens,
			MaxDocument: o.MaxDocumentTokens, Instruction: o.Instruction, Plain: o.PlainText, Side: o.Truncation.side()})
	})
	if err != nil {
		return nil, err
	}
	return encodings(encoded, o.Truncation, false)
}

// TextOptions controls how EncodeTexts reads texts.
type TextOptions struct {
	MaxTokens  int        // of a text, special tokens included; 0: the model's limit
	Prompt     string     // name of the prompt to prepend; "": the model's default prompt
	PlainText  bool       // spellings of special tokens stay text
	Truncation Truncation // of texts that are too long
	EveryToken bool       // return the hidden states of every token instead of one vector
}

// EncodeTexts converts texts into tokens. EncodeTexts followed by EmbedEncoded is Embed
// in two steps, without Dimensions and Normalize.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) ([]Encoding, error) {
	encoded, err := use(m, func(e *engine.Model) (engine.Encoded, error) {
		return e.EncodeTexts(ctx, texts, engine.TextOptions{MaxLength: o.MaxTokens, Prompt: o.Prompt,
			Plain: o.PlainText, Side: o.Truncation.side()})
	})
	if err != nil {
		return nil, err
	}
	list, err := encodings(encoded, o.Truncation, true)
	for i := range list {
		list[i].EveryToken = o.EveryToken
	}
	return list, err
}

func encodings(encoded engine.Encoded, t Truncation, texts bool) ([]Encoding, error) {
	list := make([]Encoding, len(encoded.Sequences))
	for i, s := range encoded.Sequences {
		list[i] = Encoding{IDs: s.IDs, Types: s.Types, Full: encoded.Full[i], sequence: s}
		if t == TruncateNever && list[i].Truncated() {
			return nil, &TooLongError{Index: i, Tokens: encoded.Full[i], Limit: encoded.Limit, text: texts}
		}
	}
	return list, nil
}

func (e Encoding) asSequence() engine.Sequence {
	s := e.sequence
	s.IDs, s.Types = e.IDs, e.Types
	return s
}

// ScoreEncoded scores the results of Encode, of one query or of several, in the given
// order.
func (m *Model) ScoreEncoded(ctx context.Context, pairs []Encoding) ([]Result, error) {
	sequences := make([]engine.Sequence, len(pairs))
	for i, p := range pairs {
		sequences[i] = p.asSequence()
	}
	outputs, err := use(m, func(e *engine.Model) ([]engine.Output, error) { return e.Score(ctx, sequences) })
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(pairs))
	for i, out := range outputs {
		results[i] = Result{Index: i, Score: out.Probability, Logit: out.Logit, Tokens: pairs[i].Tokens()}
	}
	return results, nil
}

// EmbedEncoded returns the vectors of the results of EncodeTexts, in the given order and
// at the model's full length; see Shorten.
func (m *Model) EmbedEncoded(ctx context.Context, texts []Encoding) ([]Embedding, error) {
	return use(m, func(e *engine.Model) ([]Embedding, error) {
		list := make([]Embedding, len(texts))
		for _, every := range []bool{false, true} {
			var numbers []int // indexes of the texts
			var sequences []engine.Sequence
			for i, t := range texts {
				if t.EveryToken == every {
					numbers = append(numbers, i)
					sequences = append(sequences, t.asSequence())
				}
			}
			if sequences == nil {
				continue
			}
			embed := e.Embed
			if every {
				embed = e.TokenStates
			}
			vectors, err := embed(ctx, sequences)
			if err != nil {
				return nil, err
			}
			for i, v := range vectors {
				n := numbers[i]
				list[n].Tokens = texts[n].Tokens()
				if every {
					list[n].States = slices.Collect(slices.Chunk(v, e.Info().Hidden))
				} else {
					list[n].Vector = v
				}
			}
		}
		return list, nil
	})
}

// A Token is one unit of text as the model reads it.
type Token struct {
	ID    int    `json:"id"`
	Type  int    `json:"type"` // token type (segment): 0, or 1 for the second text of BERT's pairs
	Piece string `json:"piece"`
}

// Tokenize returns the tokens of text, surrounded by the model's special tokens if
// special is true. Nothing is truncated.
func (m *Model) Tokenize(text string, special bool) ([]Token, error) {
	return use(m, func(e *engine.Model) ([]Token, error) {
		s, err := e.Tokenize(text, special)
		if err != nil {
			return nil, err
		}
		return m.tokens(s.IDs, s.Types), nil
	})
}

// TokenizePair returns the tokens of a query and a document, truncated as Rerank does.
func (m *Model) TokenizePair(query, document string) ([]Token, error) {
	pairs, err := m.Encode(context.Background(), query, []string{document}, EncodeOptions{})
	if err != nil {
		return nil, err
	}
	return m.tokens(pairs[0].IDs, pairs[0].Types), nil
}

func (m *Model) tokens(ids, types []int32) []Token {
	tokens := make([]Token, len(ids))
	for i, id := range ids {
		tokens[i] = Token{ID: int(id), Piece: m.engine.Piece(id)}
		if types != nil {
			tokens[i].Type = int(types[i])
		}
	}
	return tokens
}

// Detokenize returns the text that the tokens spell. Special tokens and ids outside the
// vocabulary are left out.
func (m *Model) Detokenize(ids []int) (string, error) {
	return use(m, func(e *engine.Model) (string, error) { return e.Detokenize(ids) })
}
