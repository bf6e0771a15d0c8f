package winnow

import (
	"context"
	"slices"

	"github.com/winnow-rerank/winnow/engine"
)

// An Encoding is a query and a document, or a text, as the model's tokens. Encode and
// EncodeTexts make them; the model that made one, and only that one, computes it.
// A model that reads each pair or text by itself (not a listwise one, nor one of late
// interaction) also takes one that was put together from IDs and Types.
type Encoding struct {
	IDs   []int32 // special tokens included
	Types []int32 // token type (segment) of each; nil: all are 0
	Full  int     // how many tokens there were before any were truncated

	// EveryToken has EmbedEncoded give the states of every token. EncodeTexts sets it as its
	// options do.
	EveryToken bool

	sequence engine.Sequence // what its task knows beside IDs and Types
}

// Tokens is the number of tokens, special ones included.
func (e Encoding) Tokens() int { return len(e.IDs) }

// Truncated says whether tokens were dropped.
func (e Encoding) Truncated() bool { return e.Full > len(e.IDs) }

// Truncation says what becomes of a text that is longer than the model takes.
type Truncation uint8

const (
	// TruncateAsModel drops what the model's tokenizer does, the end as a rule.
	TruncateAsModel Truncation = iota
	// TruncateRight drops the end.
	TruncateRight
	// TruncateLeft drops the beginning.
	TruncateLeft
	// TruncateNever makes it an error that wraps ErrTooLong.
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

// EncodeOptions says how Encode reads a query and its documents.
type EncodeOptions struct {
	MaxTokens         int        // of a pair, special ones included; 0: what the model takes
	MaxQueryTokens    int        // of the query, before it is paired; 0: no bound of its own
	MaxDocumentTokens int        // of a document, before it is paired; 0: no bound of its own
	Instruction       string     // replaces the instruction in the prompt of a causal model
	PlainText         bool       // the spelling of a special token stays text
	Truncation        Truncation // of what is too long
}

// Encode turns the query with each of the documents into tokens. With
// ScoreEncoded it is Score in two steps, for callers that schedule the work by
// the number of tokens: except for listwise models, a pair's score does not depend on
// the pairs beside it.
func (m *Model) Encode(ctx context.Context, query string, documents []string, o EncodeOptions) ([]Encoding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	encoded, err := m.engine.Encode(ctx, query, documents, engine.EncodeOptions{MaxLength: o.MaxTokens, MaxQuery: o.MaxQueryTokens,
		MaxDocument: o.MaxDocumentTokens, Instruction: o.Instruction, Plain: o.PlainText, Side: o.Truncation.side()})
	if err != nil {
		return nil, public(err)
	}
	return encodings(encoded, o.Truncation, false)
}

// TextOptions says how EncodeTexts reads texts.
type TextOptions struct {
	MaxTokens  int        // of a text, special ones included; 0: what the model takes
	Prompt     string     // name of the prompt that is put before them; "": the model's default one
	PlainText  bool       // the spelling of a special token stays text
	Truncation Truncation // of what is too long
	EveryToken bool       // the hidden states of every token are wanted, not the text's vector
}

// EncodeTexts turns texts into tokens. With EmbedEncoded it is Embed in two steps.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, o TextOptions) ([]Encoding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	encoded, err := m.engine.EncodeTexts(ctx, texts, engine.TextOptions{MaxLength: o.MaxTokens, Prompt: o.Prompt,
		Plain: o.PlainText, Side: o.Truncation.side()})
	if err != nil {
		return nil, public(err)
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

func sequences(list []Encoding) []engine.Sequence {
	sequences := make([]engine.Sequence, len(list))
	for i, e := range list {
		sequences[i] = e.sequence
		sequences[i].IDs, sequences[i].Types = e.IDs, e.Types
	}
	return sequences
}

// ScoreEncoded scores what Encode made, of one query or of several, in the order in
// which it is given.
func (m *Model) ScoreEncoded(ctx context.Context, pairs []Encoding) ([]Result, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	outputs, err := m.engine.Score(ctx, sequences(pairs))
	if err != nil {
		return nil, public(err)
	}
	results := make([]Result, len(pairs))
	for i, out := range outputs {
		results[i] = Result{Index: i, Score: out.Probability, Logit: out.Logit, Tokens: pairs[i].Tokens()}
	}
	return results, nil
}

// EmbedEncoded makes vectors of what EncodeTexts made, in their order. They are as
// long as the model makes them: Shorten gives them the length that is wanted.
func (m *Model) EmbedEncoded(ctx context.Context, texts []Encoding) ([]Embedding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	list := make([]Embedding, len(texts))
	var pooled, whole []int // numbers of the texts
	for i, t := range texts {
		list[i].Tokens = t.Tokens()
		if t.EveryToken {
			whole = append(whole, i)
		} else {
			pooled = append(pooled, i)
		}
	}
	some := func(numbers []int, embed func(context.Context, []engine.Sequence) ([][]float32, error), set func(e *Embedding, v []float32)) error {
		if len(numbers) == 0 {
			return nil
		}
		part := make([]Encoding, len(numbers))
		for i, n := range numbers {
			part[i] = texts[n]
		}
		vectors, err := embed(ctx, sequences(part))
		if err != nil {
			return public(err)
		}
		for i, v := range vectors {
			set(&list[numbers[i]], v)
		}
		return nil
	}
	if err := some(pooled, m.engine.Embed, func(e *Embedding, v []float32) { e.Vector = v }); err != nil {
		return nil, err
	}
	err := some(whole, m.engine.TokenStates, func(e *Embedding, v []float32) {
		e.States = slices.Collect(slices.Chunk(v, len(v)/e.Tokens))
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// A Token is one unit of text as the model sees it.
type Token struct {
	ID    int    `json:"id"`
	Type  int    `json:"type"` // token type (segment): 0, or 1 for the second text of BERT's pairs
	Piece string `json:"piece"`
}

// Tokenize gives the tokens of text, with the special tokens around it if
// special says so. Nothing is truncated.
func (m *Model) Tokenize(text string, special bool) ([]Token, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	s, err := m.engine.Tokenize(text, special)
	if err != nil {
		return nil, public(err)
	}
	return m.tokens(s.IDs, s.Types), nil
}

// TokenizePair gives the tokens of a query and a document, truncated as Rerank does it.
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

// Detokenize is the text that the tokens spell, special ones left out. Ids that
// the vocabulary does not have are left out too.
func (m *Model) Detokenize(ids []int) (string, error) {
	if err := m.enter(); err != nil {
		return "", err
	}
	defer m.leave()
	text, err := m.engine.Detokenize(ids)
	if err != nil {
		return "", public(err)
	}
	return text, nil
}
