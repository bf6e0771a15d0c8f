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

// A pair is a query with a document.
type pair struct{ query, document string }

// encodePairs turns pairs into tokens. Neighbours with the same query share its
// tokens, except in listwise models, where those that are encoded together see
// each other: a pair's score is its own here, whatever lies beside it.
func encodePairs(ctx context.Context, m *winnow.Model, pairs []pair) ([]winnow.Encoding, error) {
	listwise := m.Info().Listwise
	encoded := make([]winnow.Encoding, 0, len(pairs))
	var documents []string
	for i := 0; i < len(pairs); {
		documents = documents[:0]
		query := pairs[i].query
		for i < len(pairs) && pairs[i].query == query && (!listwise || len(documents) == 0) {
			documents = append(documents, pairs[i].document)
			i++
		}
		p, err := m.Encode(ctx, query, documents, winnow.EncodeOptions{})
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, p...)
	}
	return encoded, nil
}

// scoreEncoded scores what encodePairs made.
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
