package bulk

import (
	"context"
	"strconv"

	"github.com/winnow-rerank/winnow"
)

// Encode tokenizes pairs. Consecutive pairs with the same query share its tokens,
// except in listwise models, where documents encoded together influence each other:
// here a pair's score is independent of its neighbours.
func Encode(ctx context.Context, m *winnow.Model, pairs []Pair) ([]winnow.Encoding, error) {
	listwise := m.Info().Listwise
	encoded := make([]winnow.Encoding, 0, len(pairs))
	var documents []string
	for i := 0; i < len(pairs); {
		documents = documents[:0]
		query := pairs[i].Query
		for i < len(pairs) && pairs[i].Query == query && (!listwise || len(documents) == 0) {
			documents = append(documents, pairs[i].Document)
			i++
		}
		e, err := m.Encode(ctx, query, documents, winnow.EncodeOptions{})
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, e...)
	}
	return encoded, nil
}

// Score scores the encodings: probabilities, or logits if raw is set.
func Score(ctx context.Context, m *winnow.Model, encoded []winnow.Encoding, raw bool) ([]float64, error) {
	results, err := m.ScoreEncoded(ctx, encoded)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(results))
	for i, r := range results {
		scores[i] = r.Score
		if raw {
			scores[i] = r.Logit
		}
	}
	return scores, nil
}

// AppendLine appends a line of the output without its line break.
func AppendLine(dst, id []byte, score float64) []byte {
	return append(strconv.AppendFloat(appendHead(dst, id), score, 'g', -1, 64), '}')
}
