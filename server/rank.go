package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
)

// An ask is what every dialect of reranking comes down to.
type ask struct {
	model     string
	questions []question
	options   EncodeOptions
}

// A question is a query with the documents that are to be scored against it.
type question struct {
	query     string
	documents []string
}

// An answer is the scores of all documents in the order in which they came.
type answer struct {
	view
	outputs   []Output
	tokens    int // of all pairs
	truncated int // documents that were cut
}

// Documents are encoded a part at a time, so that a client that has gone away
// is noticed between two parts.
const (
	encodeDocuments = 256
	encodeBytes     = 256 << 10
)

// rank answers an ask.
func (s *Server) rank(r *http.Request, a ask) (*answer, error) {
	ctx := r.Context()
	slot, err := s.registry.find(a.model)
	if err != nil {
		return nil, err
	}
	v, release, err := s.registry.open(ctx, slot)
	if err != nil {
		return nil, err
	}
	defer release()
	if !slices.Contains(v.info.Tasks, "rerank") {
		return nil, notSupported("model %q cannot rerank", v.name)
	}
	note := noteOf(ctx)
	note.model = v.name

	total := 0
	for _, q := range a.questions {
		total += len(q.documents)
	}
	note.documents = total
	out := &answer{view: v, outputs: make([]Output, total)}

	cache := s.cache
	if v.info.Listwise {
		cache = nil
	}
	// What is not in the cache remains to be done.
	rest := &remainder{}
	var estimate int64
	first := 0
	for _, q := range a.questions {
		var keys keyer
		if cache != nil {
			keys = newKeyer(v.name, q.query, a.options)
		}
		for i, d := range q.documents {
			n := first + i
			var key cacheKey
			if cache != nil {
				key = keys.key(d)
				if hit, ok := cache.get(key); ok {
					out.outputs[n] = hit.output
					out.tokens += hit.tokens
					if hit.truncated {
						out.truncated++
					}
					s.metrics.cacheHits.Inc()
					continue
				}
				s.metrics.cacheMisses.Inc()
			}
			rest.add(n, q.query, d, key)
			estimate += min(int64(v.info.MaxLength), int64(len(q.query)+len(d))/4+4)
		}
		first += len(q.documents)
	}
	if len(rest.numbers) == 0 {
		note.tokens = out.tokens
		return out, nil
	}
	ticket, err := v.scheduler.admit(estimate)
	if err != nil {
		return nil, err
	}
	defer ticket.release()

	span := s.tracer.start(ctx, "tokenize")
	pairs, err := rest.encode(ctx, v.model, a.options, v.info.Listwise)
	span.end()
	if err != nil {
		return nil, err
	}
	computed := 0
	for _, p := range pairs {
		computed += p.Tokens()
		if p.Truncated() {
			out.truncated++
		}
	}
	ticket.correct(int64(computed))
	out.tokens += computed
	note.tokens = out.tokens

	span = s.tracer.start(ctx, "score")
	outputs, err := v.scheduler.score(ctx, clientOf(ctx), pairs)
	span.end()
	if err != nil {
		return nil, err
	}
	for i, n := range rest.numbers {
		out.outputs[n] = outputs[i]
		if cache != nil {
			cache.put(cached{rest.keys[i], outputs[i], pairs[i].Tokens(), pairs[i].Truncated()})
		}
	}
	return out, nil
}

// A remainder is the pairs of a request that are not in the cache.
type remainder struct {
	numbers   []int // of the documents, all questions counted through
	documents []string
	keys      []cacheKey
	runs      []run
}

// A run is the documents of one query.
type run struct {
	query    string
	from, to int
}

func (r *remainder) add(number int, query, document string, key cacheKey) {
	if last := len(r.runs) - 1; last < 0 || r.runs[last].query != query {
		r.runs = append(r.runs, run{query, len(r.numbers), len(r.numbers)})
	}
	r.numbers = append(r.numbers, number)
	r.documents = append(r.documents, document)
	r.keys = append(r.keys, key)
	r.runs[len(r.runs)-1].to = len(r.numbers)
}

// encode encodes a part of the documents of a query at a time, or all if whole
// says so.
func (r *remainder) encode(ctx context.Context, m Model, o EncodeOptions, whole bool) ([]Pair, error) {
	pairs := make([]Pair, 0, len(r.documents))
	for _, q := range r.runs {
		for from := q.from; from < q.to; {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			to, size := from, 0
			for to < q.to && (whole || to-from < encodeDocuments && (to == from || size+len(r.documents[to]) <= encodeBytes)) {
				size += len(r.documents[to])
				to++
			}
			part, err := m.Encode(q.query, r.documents[from:to], o)
			if err != nil {
				var long *TooLongError
				if errors.As(err, &long) {
					return nil, &TooLongError{Index: r.numbers[from+long.Index], Tokens: long.Tokens, Limit: long.Limit}
				}
				return nil, err
			}
			pairs = append(pairs, part...)
			from = to
		}
	}
	return pairs, nil
}

// A place is one row of a ranking.
type place struct {
	index int
	score float64
}

// ranking is the answer best first, by logit: probabilities may round to the
// same number. Equal logits keep the order of the input. topN of 0 means all.
func (a *answer) ranking(raw bool, topN int) []place {
	order := make([]int, len(a.outputs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(a.outputs[j].Logit, a.outputs[i].Logit), cmp.Compare(i, j))
	})
	if topN > 0 && topN < len(order) {
		order = order[:topN]
	}
	places := make([]place, len(order))
	for i, n := range order {
		places[i] = place{n, a.score(n, raw)}
	}
	return places
}

func (a *answer) score(i int, raw bool) float64 {
	if raw {
		return a.outputs[i].Logit
	}
	return a.outputs[i].Probability
}

// activation names what was applied to the logits.
func (a *answer) activation(raw bool) string {
	if raw {
		return "none"
	}
	return a.info.Activation
}

// modelName is what the reply calls the model: as the client called it.
func (a *answer) modelName(asked string) string {
	if asked == "" {
		return a.name
	}
	return asked
}

func texts(documents []document) []string {
	list := make([]string, len(documents))
	for i, d := range documents {
		list[i] = d.text
	}
	return list
}
