package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
)

// A rankRequest is a request for a ranking, in any dialect.
type rankRequest struct {
	asked     string // the model's name in the request
	questions []question
	documents []document // as received, in dialects with one question
	options   winnow.EncodeOptions
	raw       bool // return logits
	topN      int  // 0: all
	give      bool // return the documents
	many      bool // the questions came as a list
	chunk     bool // score documents that are too long by windows
	chunks    int  // at most this many windows of each; 0: all
	most      int  // highlights of each result
	details   bool // return logits, and what was read of truncated documents
	fresh     bool // do not use cached scores
}

// A question is a query with the documents to score against it.
type question struct {
	query     string
	documents []string
}

// ranked is the answer to a rankRequest. Documents are numbered across all questions.
type ranked struct {
	*rankRequest
	*instance
	id        string          // of the request
	results   []winnow.Result // in the order of documents, until best sorts them
	tokens    int             // of all pairs
	chunks    map[int]chunk   // of documents scored by windows
	read      map[int]extent  // of truncated documents, if details are requested
	truncated int             // number of truncated documents

	highlights map[int][]highlight // of the documents in the reply, if requested
}

// rank answers a request.
func (s *Server) rank(r *http.Request, q *rankRequest) (*ranked, error) {
	c, err := s.prepare(r, q.asked, "rerank", "rerank")
	if err != nil {
		return nil, err
	}
	defer c.close()
	if q.most > 0 && c.info.Listwise {
		return nil, invalid("\"highlights\" is %d: model %q ranks a list as a whole and cannot score single sentences", q.most, c.name)
	}
	out, err := c.rank(q)
	if err == nil && q.most > 0 {
		err = c.highlight(out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// rank scores what a request asks for.
func (c *call) rank(q *rankRequest) (*ranked, error) {
	s := c.server
	out := &ranked{rankRequest: q, instance: c.instance, id: c.note.id}
	cache := s.cache
	if c.info.Listwise {
		if q.chunk && q.chunks == 0 {
			return nil, invalid("%q is %q: model %q ranks a list as a whole and cannot score windows", "overflow", "chunk", c.name)
		}
		cache, q.chunk = nil, false
	}
	documents := 0
	for _, ask := range q.questions {
		documents += len(ask.documents)
	}
	out.results = make([]winnow.Result, 0, documents)
	rest := make(remainder, 0, documents) // the pairs that are not cached
	for _, ask := range q.questions {
		var keys keyer
		if cache != nil {
			keys = newKeyer(c.serial, ask.query, q)
		}
		for _, d := range ask.documents {
			n := len(out.results)
			out.results = append(out.results, winnow.Result{})
			p := pending{number: n, query: ask.query, document: d}
			if cache != nil {
				p.key = keys.key(d)
				if hit, ok := cache.get(p.key); ok && hit.answers(q) {
					out.set(n, hit)
					s.metrics.cacheHits.Inc()
					continue
				}
				s.metrics.cacheMisses.Inc()
			}
			rest = append(rest, p)
		}
	}
	c.note.documents = len(out.results)
	if len(rest) > 0 {
		pairs, err := rest.encode(c, q)
		if err != nil {
			return nil, err
		}
		span := s.tracer.start(c.ctx, "score")
		results, err := c.scheduler.score(c.ctx, c.note.client, pairs)
		span.end()
		if err != nil {
			return nil, err
		}
		at := 0
		for _, p := range rest {
			n := max(1, len(p.chunks))
			scored := p.best(results[at:at+n], pairs[at:at+n])
			at += n
			out.set(p.number, scored)
			if cache != nil {
				cache.put(scored)
			}
		}
	}
	c.note.tokens = out.tokens
	return out, nil
}

// set stores the result of document n.
func (a *ranked) set(n int, s cached) {
	s.result.Index = n
	if a.raw {
		s.result.Score = s.result.Logit
	}
	a.results[n] = s.result
	a.tokens += s.result.Tokens
	if s.truncated {
		a.truncated++
	}
	if s.chunk.Of > 0 {
		if a.chunks == nil {
			a.chunks = make(map[int]chunk)
		}
		a.chunks[n] = s.chunk
	}
	if s.read != nil && a.details {
		if a.read == nil {
			a.read = make(map[int]extent)
		}
		a.read[n] = *s.read
	}
}

// A remainder is the pairs of a request that have to be computed.
type remainder []pending

type pending struct {
	number          int // of the document, across all questions
	query, document string
	key             cacheKey
	chunks          []chunk // if scored by windows
	read            *extent // if truncated, and details are requested
}

// best returns the result of a document's best window, with the tokens of all windows.
func (p *pending) best(results []winnow.Result, pairs []winnow.Encoding) cached {
	s := cached{key: p.key, read: p.read}
	best, tokens := 0, 0
	for i, r := range results {
		tokens += r.Tokens
		s.truncated = s.truncated || pairs[i].Truncated()
		if r.Logit > results[best].Logit {
			best = i
		}
	}
	s.result = results[best]
	s.result.Tokens = tokens
	if n := len(p.chunks); n > 0 {
		s.chunk = p.chunks[best]
		s.truncated = s.truncated || p.chunks[n-1].End < utf8.RuneCountInString(p.document)
	}
	return s
}

// encode converts the pairs into tokens.
func (r remainder) encode(c *call, q *rankRequest) ([]winnow.Encoding, error) {
	o := q.options
	if q.chunk {
		o.Truncation = winnow.TruncateRight // shows which documents are too long
	}
	sizes := make([]int, len(r))
	more := int64(0)
	for i, p := range r {
		sizes[i] = len(p.query) + len(p.document)
		if q.chunk { // may be many times longer than the model takes
			more += max(0, int64(len(p.document)/4-c.info.MaxLength))
		}
	}
	pairs := make([]winnow.Encoding, 0, len(r))
	err := c.encode(sizes, more, 0, c.info.Listwise, func(ctx context.Context, from, to int) (tokens int, err error) {
		for from < to {
			// Consecutive documents of one query are encoded together.
			query := r[from].query
			documents := make([]string, 0, to-from)
			for _, p := range r[from:to] {
				if p.query != query {
					break
				}
				documents = append(documents, p.document)
			}
			part, err := c.model.Encode(ctx, query, documents, o)
			if err != nil {
				return tokens, r.tooLong(err, from)
			}
			for i, p := range part {
				list := []winnow.Encoding{p}
				if q.chunk && p.Truncated() {
					if list, r[from+i].chunks, err = c.chunks(ctx, query, documents[i], p, o, q.chunks); err != nil {
						return tokens, err
					}
				}
				if q.details && p.Truncated() && r[from+i].chunks == nil && !c.info.Listwise {
					if r[from+i].read, err = c.readPart(ctx, query, documents[i], p, o); err != nil {
						return tokens, err
					}
				}
				for _, p := range list {
					tokens += p.Tokens()
				}
				pairs = append(pairs, list...)
			}
			from += len(documents)
		}
		return tokens, nil
	})
	if err != nil {
		return nil, err // an abandoned batch may still append to pairs
	}
	return pairs, nil
}

// tooLong converts err, if it says that a document is too long, to name that document of
// the request. from is the index in r of the first document encoded.
func (r remainder) tooLong(err error, from int) error {
	var long *winnow.TooLongError
	if !errors.As(err, &long) {
		return err
	}
	return tooLong("documents", r[from+long.Index].number, " with the query", long)
}

// best sorts the results and returns the first topN, or all for 0.
func (a *ranked) best() []winnow.Result {
	winnow.Rank(a.results)
	if a.topN > 0 && a.topN < len(a.results) {
		return a.results[:a.topN]
	}
	return a.results
}

// activation names the function applied to the logits.
func (a *ranked) activation() string {
	if a.raw {
		return "none"
	}
	return a.info.Activation
}

// modelName returns the model's name for the reply: the one that the client used.
func (a *ranked) modelName() string { return cmp.Or(a.asked, a.name) }

// A Ranking is the input of WriteRanking.
type Ranking struct {
	Model      string
	Activation string // of probabilities
	Raw        bool   // the scores are logits
	Tokens     int    // of all pairs
	Truncated  int    // number of truncated documents
	Results    []winnow.Result
	IDs        []string // of the documents, by index; nil if they have none
}

// WriteRanking writes a ranking as the reply of /v1/rerank, including the documents.
func WriteRanking(w io.Writer, r Ranking) error {
	if r.Raw {
		r.Activation = "none"
	}
	reply := jinaReply{ID: "rerank-" + requestID(nil), Model: r.Model, Object: "list", Usage: usageOf(r.Tokens), Results: []rerankResult{},
		Meta: metaOf(r.Activation, r.Model, r.Truncated, 0, false)}
	for _, result := range r.Results {
		document := textReply{Text: result.Document}
		if r.IDs != nil {
			document.ID = r.IDs[result.Index]
		}
		reply.Results = append(reply.Results, rerankResult{Index: result.Index, Score: result.Score, Document: document})
	}
	return encodeJSON(w, reply)
}
