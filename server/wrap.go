package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
)

// Wrap makes a loaded model one that a Server serves. Closing it closes m.
func Wrap(m *winnow.Model) Model { return wrapped{m} }

type wrapped struct{ m *winnow.Model }

func (w wrapped) Close() error { return w.m.Close() }

func (w wrapped) Encode(query string, documents []string, o EncodeOptions) ([]Pair, error) {
	cut, err := w.cut(query, documents, o)
	if err != nil {
		return nil, err
	}
	options := []winnow.RerankOption{winnow.MaxTokens(o.MaxTokens), winnow.Truncate(!o.Refuse), winnow.Instruction(o.Instruction)}
	if o.Plain {
		options = append(options, winnow.PlainText())
	}
	encoded, err := w.m.Encode(context.TODO(), query, cut, options...)
	if err != nil {
		var long *winnow.TooLongError
		if errors.As(err, &long) {
			return nil, &TooLongError{Index: long.Index, Tokens: long.Tokens, Limit: long.Limit}
		}
		return nil, err
	}
	pairs := make([]Pair, len(encoded))
	for i, p := range encoded {
		pairs[i] = p
		if len(cut[i]) < len(documents[i]) {
			pairs[i] = cutPair{p}
		}
	}
	return pairs, nil
}

// Complete makes it a Completer.
func (w wrapped) Complete(ctx context.Context, prompt []int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	return w.m.CompleteTokens(ctx, prompt, o)
}

// A cutPair is one whose document was cut before it was encoded.
type cutPair struct{ winnow.Pair }

func (cutPair) Truncated() bool { return true }

// cut shortens the documents that have more tokens than o allows, and those
// that are to lose their beginning rather than their end. It cuts the text, not
// the tokens, so that ids and token types cannot come apart.
func (w wrapped) cut(query string, documents []string, o EncodeOptions) ([]string, error) {
	most := o.MaxDocument
	if o.CutLeft && !o.Refuse {
		room, err := w.room(query, o.MaxTokens)
		if err != nil {
			return nil, err
		}
		if most == 0 || room < most {
			most = room
		}
	}
	if most == 0 {
		return documents, nil
	}
	out := make([]string, len(documents))
	for i, d := range documents {
		var err error
		if out[i], err = w.shorten(d, most, o.CutLeft); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// room is how many tokens a document may have beside the query, at least 1.
func (w wrapped) room(query string, limit int) (int, error) {
	if most := w.m.Info().MaxLength; limit == 0 || limit > most {
		limit = most
	}
	pair, err := w.m.Encode(context.TODO(), query, []string{""}, winnow.Truncate(true))
	if err != nil {
		return 0, err
	}
	return max(1, limit-pair[0].Tokens()), nil
}

// shorten is the longest beginning of the text, or end if left is set, that has
// at most so many tokens.
func (w wrapped) shorten(text string, most int, left bool) (string, error) {
	if len(text) < most {
		return text, nil // no token is shorter than a byte
	}
	var failure error
	fits := func(s string) bool {
		tokens, err := w.m.Tokenize(s, false)
		if err != nil {
			failure = err
		}
		return len(tokens) <= most
	}
	if fits(text) || failure != nil {
		return text, failure
	}
	part := func(n int) string {
		if left {
			at := len(text) - n
			for at < len(text) && !utf8.RuneStart(text[at]) {
				at++
			}
			return text[at:]
		}
		for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		return text[:n]
	}
	n := sort.Search(len(text), func(n int) bool { return !fits(part(n + 1)) })
	return part(n), failure
}

// EncodeTexts makes it an Embedder.
func (w wrapped) EncodeTexts(texts []string, o TextOptions) ([]Pair, error) {
	cut := texts
	if o.CutLeft && !o.Refuse {
		special, err := w.m.Tokenize("", true)
		if err != nil {
			return nil, err
		}
		cut = make([]string, len(texts))
		for i, t := range texts {
			if cut[i], err = w.shorten(t, max(1, w.m.Info().MaxLength-len(special)), true); err != nil {
				return nil, err
			}
		}
	}
	encoded, err := w.m.EncodeTexts(context.TODO(), cut, winnow.Prompt(o.Prompt), winnow.TruncateText(!o.Refuse))
	if err != nil {
		var long *winnow.TooLongError
		if errors.As(err, &long) {
			return nil, &TooLongError{Index: long.Index, Tokens: long.Tokens, Limit: long.Limit}
		}
		return nil, err
	}
	pairs := make([]Pair, len(encoded))
	for i, t := range encoded {
		pairs[i] = t
	}
	return pairs, nil
}

// embed is Score for texts.
func (w wrapped) embed(ctx context.Context, pairs []Pair) ([]Output, error) {
	texts := make([]winnow.Text, len(pairs))
	for i, p := range pairs {
		texts[i] = p.(winnow.Text)
	}
	vectors, err := w.m.EmbedEncoded(ctx, texts, winnow.Normalize(false))
	if err != nil {
		return nil, err
	}
	outputs := make([]Output, len(vectors))
	for i, v := range vectors {
		outputs[i].Vector = v.Vector
	}
	return outputs, nil
}

// Score scores pairs, or makes the vectors of texts: a model does one of the two.
func (w wrapped) Score(ctx context.Context, pairs []Pair) ([]Output, error) {
	if len(pairs) > 0 {
		if _, ok := pairs[0].(winnow.Text); ok {
			return w.embed(ctx, pairs)
		}
	}
	list := make([]winnow.Pair, len(pairs))
	for i, p := range pairs {
		switch p := p.(type) {
		case winnow.Pair:
			list[i] = p
		case cutPair:
			list[i] = p.Pair
		}
	}
	results, err := w.m.ScoreEncoded(ctx, list)
	if err != nil {
		return nil, err
	}
	outputs := make([]Output, len(results))
	for i, r := range results {
		outputs[i] = Output{Logit: r.Logit, Probability: r.Score}
	}
	return outputs, nil
}

func (w wrapped) Tokenize(text string, special bool) ([]Token, error) {
	tokens, err := w.m.Tokenize(text, special)
	if err != nil {
		return nil, err
	}
	list := make([]Token, len(tokens))
	for i, t := range tokens {
		list[i] = Token{ID: t.ID, Piece: t.Piece}
	}
	return list, nil
}

func (w wrapped) Detokenize(ids []int) (string, error) { return w.m.Detokenize(ids) }

func (w wrapped) Info() Info {
	i := w.m.Info()
	return Info{Name: i.Name, Path: i.Path, Format: i.Format, Architecture: i.Architecture, Activation: i.Activation, Labels: i.Labels,
		Tasks: i.Tasks, Tokenizer: i.Tokenizer, Precision: i.Precision.String(), MaxLength: i.MaxLength, Vocabulary: i.Vocabulary,
		Hidden: i.Hidden, Parameters: i.Parameters, FileBytes: i.FileBytes, MemoryBytes: i.WeightBytes + i.ActivationBytes, Threads: i.Threads, Listwise: i.Listwise,
		Dimensions: i.Dimensions, Pooling: i.Pooling, Prompts: slices.Sorted(maps.Keys(i.Prompts))}
}
