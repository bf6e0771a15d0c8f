package winnow

import (
	"context"
	"fmt"

	"github.com/winnow-rerank/winnow/engine"
)

// An Embedding is the vector of one text.
type Embedding struct {
	Vector []float32
	Tokens int // number of tokens computed, special tokens included

	// States are the last hidden states of every token, special tokens included, neither
	// pooled nor normalised. They replace Vector for texts encoded with EveryToken.
	States [][]float32
}

// Embed returns the vector of each text, in the order of texts. A text's vector does not
// depend on the other texts. Embed fails with ErrCannotEmbed if the model does not embed,
// and with an *UnknownPromptError if it lacks the requested prompt.
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

// Shorten returns the first dimensions numbers of v, or all of them if dimensions is 0 or
// larger than len(v). If unit is true it scales them to length 1, unless their length is
// 0. It modifies v in place.
func Shorten(v []float32, dimensions int, unit bool) []float32 {
	if dimensions > 0 && dimensions < len(v) {
		v = v[:dimensions:dimensions]
	}
	if unit {
		engine.Normalize(v)
	}
	return v
}
