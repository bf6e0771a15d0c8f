package winnow

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/winnow-rerank/winnow/engine"
)

// A Model is a loaded model. It is safe for concurrent use.
type Model struct {
	engine *engine.Model
	info   Info

	// mu is held for reading while the model computes, so that Close waits for it.
	mu     sync.RWMutex
	closed bool
}

// Open loads the model at path: a GGUF file, or a directory in Hugging Face layout. The
// file stays mapped until Close. Open fails with ErrFormat for broken files and with
// ErrUnsupported for models that winnow does not compute.
func Open(path string, options ...Option) (*Model, error) {
	return load(options, func(o engine.Options) (*engine.Model, error) { return engine.Open(path, o) })
}

// OpenBytes is like Open for a GGUF file in memory, for example an embedded one. The
// model retains data, which must not change. Errors refer to it as name.
func OpenBytes(name string, data []byte, options ...Option) (*Model, error) {
	return load(options, func(o engine.Options) (*engine.Model, error) { return engine.OpenBytes(name, data, o) })
}

func load(options []Option, open func(engine.Options) (*engine.Model, error)) (*Model, error) {
	var o openOptions
	for _, set := range options {
		if err := set(&o); err != nil {
			return nil, public(err)
		}
	}
	e, err := open(o.engine)
	if err != nil {
		return nil, public(err)
	}
	return &Model{engine: e, info: infoOf(e.Info())}, nil
}

// Close waits for running calls, then stops the model's workers and frees its memory.
// Later calls fail with ErrClosed. Closing a closed model does nothing.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return public(m.engine.Close())
}

// use calls do with the model's engine, which stays open until do returns.
func use[T any](m *Model, do func(*engine.Model) (T, error)) (v T, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return v, ErrClosed
	}
	v, err = do(m.engine)
	return v, public(err)
}

// A Result is the score of one document.
type Result struct {
	Index int // position of the document in the call
	// Score is a probability in [0,1], or the logit with RawScores. For models whose
	// score is a cosine, such as jina-reranker-v3, it is that cosine in [-1,1], and
	// Info.Activation is "none".
	Score    float64
	Logit    float64 // determines the ranking
	Document string  // as given; "" from ScoreEncoded
	Tokens   int     // number of tokens computed: query, document and special tokens
}

// Rerank scores each document against the query and returns the results best first. It
// fails with ErrCannotRerank if the model does not score documents.
func (m *Model) Rerank(ctx context.Context, query string, documents []string, options ...RerankOption) ([]Result, error) {
	o, err := collectRerank(options)
	if err != nil {
		return nil, err
	}
	results, err := m.score(ctx, query, documents, &o)
	if err != nil {
		return nil, err
	}
	Rank(results)
	if o.topN > 0 && o.topN < len(results) {
		results = results[:o.topN]
	}
	return results, nil
}

// Score returns the score of each document, in the order of documents. TopN has no
// effect.
func (m *Model) Score(ctx context.Context, query string, documents []string, options ...RerankOption) ([]float64, error) {
	o, err := collectRerank(options)
	if err != nil {
		return nil, err
	}
	results, err := m.score(ctx, query, documents, &o)
	if err != nil {
		return nil, err
	}
	scores := make([]float64, len(results))
	for i, r := range results {
		scores[i] = r.Score
	}
	return scores, nil
}

// streamDocuments is the number of documents that ScoreSeq scores at a time, enough to
// keep all workers busy.
const streamDocuments = 128

// ScoreSeq scores documents as they arrive, any number of them in bounded memory, and
// yields the results in the order of documents. It ends after the first error. TopN has
// no effect. A listwise model (see Info.Listwise) needs all documents before it scores
// the first.
func (m *Model) ScoreSeq(ctx context.Context, query string, documents iter.Seq[string], options ...RerankOption) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		o, err := collectRerank(options)
		if err != nil {
			yield(Result{}, err)
			return
		}
		first := 0
		var list []string
		flush := func() bool {
			results, err := m.score(ctx, query, list, &o)
			if err != nil {
				yield(Result{}, offset(err, first))
				return false
			}
			for _, r := range results {
				r.Index += first
				if !yield(r, nil) {
					return false
				}
			}
			first += len(list)
			list = list[:0]
			return true
		}
		whole := m.info.Listwise
		for d := range documents {
			if list = append(list, d); !whole && len(list) == streamDocuments && !flush() {
				return
			}
		}
		if len(list) > 0 {
			flush()
		}
	}
}

func (m *Model) score(ctx context.Context, query string, documents []string, o *rerankOptions) ([]Result, error) {
	pairs, err := m.Encode(ctx, query, documents, o.encode)
	if err != nil {
		return nil, err
	}
	results, err := m.ScoreEncoded(ctx, pairs)
	if err != nil {
		return nil, err
	}
	for i := range results {
		results[i].Document = documents[i]
		if o.raw {
			results[i].Score = results[i].Logit
		}
	}
	return results, nil
}

// Rank sorts results best first, by logit; equal logits keep the order of Index.
func Rank(results []Result) {
	slices.SortFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(b.Logit, a.Logit), cmp.Compare(a.Index, b.Index))
	})
}
