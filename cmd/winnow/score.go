package main

import (
	"context"

	"github.com/winnow-rerank/winnow"
)

// rankPiece is the number of documents ranked between two progress reports.
const rankPiece = 256

// scoreDocuments scores documents for one query and counts the truncated ones. It works
// in pieces, after each of which it calls done with the number of documents scored so
// far; a listwise model scores all at once.
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
