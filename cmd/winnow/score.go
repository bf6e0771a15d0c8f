package main

import (
	"context"

	"github.com/winnow-rerank/winnow"
)

// rankPiece is how many documents are ranked between two signs of progress.
const rankPiece = 256

// scoreDocuments scores documents for one query, in pieces between which done is
// told how many are behind; a listwise model takes all at once. It counts those of which
// something was left out.
func scoreDocuments(ctx context.Context, m *winnow.Model, query string, documents []string, done func(n int)) (list []winnow.Result, truncated int, err error) {
	piece := rankPiece
	if m.Info().Listwise {
		piece = len(documents)
	}
	for len(list) < len(documents) {
		first := len(list)
		pairs, err := m.Encode(ctx, query, documents[first:min(first+piece, len(documents))], winnow.EncodeOptions{})
		if err != nil {
			return nil, 0, err
		}
		results, err := m.ScoreEncoded(ctx, pairs)
		if err != nil {
			return nil, 0, err
		}
		for i, r := range results {
			if pairs[i].Truncated() {
				truncated++
			}
			r.Index += first
			r.Document = documents[r.Index]
			list = append(list, r)
		}
		done(len(list))
	}
	return list, truncated, nil
}
