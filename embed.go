package winnow

import (
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
)

// An Embedding is the vector of one text.
type Embedding struct {
	Vector []float32
	Tokens int // that were computed, special ones included
}

type embedOptions struct {
	prompt     string
	normalize  *bool
	dimensions int
	truncate   bool
	maxLength  int
	plain      bool
}

// An EmbedOption changes one call of Embed, EncodeTexts or EmbedEncoded.
type EmbedOption func(*embedOptions)

// Prompt puts one of the model's prompts before the texts: "query" or "document",
// say; see Info.Prompts. Without it, it is the model's default one, if it has one.
func Prompt(name string) EmbedOption { return func(o *embedOptions) { o.prompt = name } }

// Normalize says whether vectors are made ones of length 1. Without it they are
// what the model's authors have; see Info.Unit.
func Normalize(unit bool) EmbedOption { return func(o *embedOptions) { o.normalize = &unit } }

// Dimensions keeps the first n numbers of a vector, before it is normalised; 0
// keeps all. It is for models that were trained so (Matryoshka).
func Dimensions(n int) EmbedOption { return func(o *embedOptions) { o.dimensions = n } }

// TruncateText says whether a text that is longer than the model takes is cut
// (true, the default) or is an error that wraps ErrTooLong.
func TruncateText(cut bool) EmbedOption { return func(o *embedOptions) { o.truncate = cut } }

// MaxTextTokens lowers the number of tokens of each text, special tokens included;
// 0 means the model's own limit.
func MaxTextTokens(n int) EmbedOption { return func(o *embedOptions) { o.maxLength = n } }

// PlainTexts is WithPlainText for one call.
func PlainTexts() EmbedOption { return func(o *embedOptions) { o.plain = true } }

func collectEmbed(options []EmbedOption) embedOptions {
	o := embedOptions{truncate: true}
	for _, set := range options {
		set(&o)
	}
	return o
}

// Embed makes a vector of each text, in their order. It fails with ErrCannotEmbed
// where the model is none that embeds. A text's vector does not depend on the texts
// beside it.
func (m *Model) Embed(ctx context.Context, texts []string, options ...EmbedOption) ([]Embedding, error) {
	encoded, err := m.EncodeTexts(ctx, texts, options...)
	if err != nil {
		return nil, err
	}
	return m.EmbedEncoded(ctx, encoded, options...)
}

// Unit makes v a vector of length 1, unless its length is 0.
func Unit(v []float32) { engine.Normalize(v) }

// A Text is a text as the model's tokens. EncodeTexts makes it; the model that made
// it, and only that one, embeds it.
type Text struct {
	sequence  engine.Sequence
	truncated bool
}

// Tokens is the number of tokens, special ones included.
func (t Text) Tokens() int { return t.sequence.Len() }

// Truncated says whether something was cut off.
func (t Text) Truncated() bool { return t.truncated }

// EncodeTexts turns texts into tokens. With EmbedEncoded it is Embed in two steps.
func (m *Model) EncodeTexts(ctx context.Context, texts []string, options ...EmbedOption) ([]Text, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	o := collectEmbed(options)
	encoded, err := m.engine.EncodeTexts(ctx, texts, engine.TextOptions{MaxLength: o.maxLength, Prompt: o.prompt, Plain: o.plain})
	if err != nil {
		return nil, err
	}
	list := make([]Text, len(texts))
	for i, s := range encoded.Sequences {
		full := encoded.Full[i]
		if full > s.Len() && !o.truncate {
			return nil, &TooLongError{Index: i, Tokens: full, Limit: encoded.Limit, text: true}
		}
		list[i] = Text{sequence: s, truncated: full > s.Len()}
	}
	return list, nil
}

// EmbedEncoded makes vectors of texts from EncodeTexts. Of the options it takes
// Normalize and Dimensions.
func (m *Model) EmbedEncoded(ctx context.Context, texts []Text, options ...EmbedOption) ([]Embedding, error) {
	if err := m.enter(); err != nil {
		return nil, err
	}
	defer m.leave()
	o := collectEmbed(options)
	info := m.engine.Info()
	if o.dimensions < 0 || o.dimensions > info.Dimensions {
		return nil, fmt.Errorf("%d dimensions: the model's vectors have %d", o.dimensions, info.Dimensions)
	}
	sequences := make([]engine.Sequence, len(texts))
	for i, t := range texts {
		sequences[i] = t.sequence
	}
	vectors, err := m.engine.Embed(ctx, sequences)
	if err != nil {
		return nil, err
	}
	unit := info.Unit
	if o.normalize != nil {
		unit = *o.normalize
	}
	list := make([]Embedding, len(texts))
	for i, v := range vectors {
		if o.dimensions > 0 {
			v = v[:o.dimensions:o.dimensions]
		}
		if unit {
			Unit(v)
		}
		list[i] = Embedding{Vector: v, Tokens: sequences[i].Len()}
	}
	return list, nil
}

// An UnknownPromptError names a prompt that the model does not have, and those that
// it has.
type UnknownPromptError = engine.UnknownPromptError
