package main

import (
	"context"

	"github.com/winnow-rerank/winnow"
)

// A scored pair is what the commands that read files keep of a pair.
type scored struct {
	score, logit float64
	tokens       int
	cut          bool // something of it was left out
}

// scoreEncoded scores pairs that are encoded.
func scoreEncoded(ctx context.Context, m *winnow.Model, pairs []winnow.Encoding, raw bool) ([]scored, error) {
	results, err := m.ScoreEncoded(ctx, pairs)
	if err != nil {
		return nil, err
	}
	list := make([]scored, len(results))
	for i, r := range results {
		list[i] = scored{r.Score, r.Logit, r.Tokens, pairs[i].Truncated()}
		if raw {
			list[i].score = r.Logit
		}
	}
	return list, nil
}

// rankPiece is how many documents are ranked between two signs of progress.
const rankPiece = 256

// scoreDocuments scores documents for one query, in pieces between which done is
// told how many are behind; a listwise model takes all at once.
func scoreDocuments(ctx context.Context, m *winnow.Model, query string, documents []string, raw bool, done func(n int)) ([]scored, error) {
	piece := rankPiece
	if m.Info().Listwise {
		piece = len(documents)
	}
	list := make([]scored, 0, len(documents))
	for len(list) < len(documents) {
		next := documents[len(list):min(len(list)+piece, len(documents))]
		pairs, err := m.Encode(ctx, query, next, winnow.EncodeOptions{})
		if err != nil {
			return nil, err
		}
		results, err := scoreEncoded(ctx, m, pairs, raw)
		if err != nil {
			return nil, err
		}
		list = append(list, results...)
		done(len(list))
	}
	return list, nil
}
