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

	// States are the last hidden states of every token, special ones included, neither pooled
	// nor normalised: in the place of Vector, for texts that were encoded with EveryToken.
	States [][]float32
}

// Embed makes a vector of each text, in their order. It fails with ErrCannotEmbed
// where the model is none that embeds. A text's vector does not depend on the texts
// beside it.
func (m *Model) Embed(ctx context.Context, texts []string, options ...EmbedOption) ([]Embedding, error) {
	o, err := collectEmbed(options)
	if err != nil {
		return nil, err
	}
	info := &m.info
	if o.dimensions > info.Dimensions && info.Dimensions > 0 {
		return nil, fmt.Errorf("winnow: Dimensions(%d): the model's vectors have %d", o.dimensions, info.Dimensions)
	}
	encoded, err := m.EncodeTexts(ctx, texts, o.encode)
	if err != nil {
		return nil, err
	}
	list, err := m.EmbedEncoded(ctx, encoded)
	if err != nil {
		return nil, err
	}
	unit := info.Unit
	if o.normalize != nil {
		unit = *o.normalize
	}
	for i := range list {
		list[i].Vector = Shorten(list[i].Vector, o.dimensions, unit)
	}
	return list, nil
}

// Shorten keeps the first numbers of a vector, all of them for 0, and then makes it one
// of length 1 if unit says so, unless its length is 0. It writes to v.
func Shorten(v []float32, dimensions int, unit bool) []float32 {
	if dimensions > 0 && dimensions < len(v) {
		v = v[:dimensions:dimensions]
	}
	if unit {
		engine.Normalize(v)
	}
	return v
}
