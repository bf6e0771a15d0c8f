package server

import (
	"net/http"
	"slices"
	"time"
)

// A rankDialect describes how one kind of client requests a ranking and what reply it
// reads. Each has a file of its own.
type rankDialect struct {
	// is reports whether a request is in this dialect, among those that share a route;
	// nil: every request is.
	is func(f fields, h http.Header) bool
	// unwrap, if not nil, returns the fields of a request that nests them.
	unwrap func(f fields) (fields, error)

	documents string   // name of the field with the documents
	strings   bool     // the documents are strings only
	top       []string // names of the field that bounds the results
	give      []string // names of the field that requests the documents in the reply
	marks     bool     // replies can carry highlights and details

	// read, if not nil, replaces readQuery.
	read func(f *reader, q *rankRequest, most int)
	// more, if not nil, reads the dialect's further fields.
	more func(f *reader, q *rankRequest)
	// reply returns the body of the reply and may add headers.
	reply func(a *ranked, h http.Header) any
	// fail writes an error; nil: writeError does.
	fail func(w http.ResponseWriter, e *apiError)
}

// reranking returns the handler of routes on which these dialects are spoken. A request
// is in the first dialect that it matches, or else in the last one.
func (s *Server) reranking(dialects ...*rankDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		start := time.Now()
		var d *rankDialect
		reply, err := func() (any, error) {
			var q *rankRequest
			err := s.read(w, r, func(f fields) (err error) {
				i := slices.IndexFunc(dialects, func(d *rankDialect) bool { return d.is == nil || d.is(f, r.Header) })
				if i < 0 {
					i = len(dialects) - 1
				}
				d = dialects[i]
				q, err = d.request(f, s.options.MaxDocuments)
				return err
			})
			if err != nil {
				return nil, err
			}
			out, err := s.rank(r, q)
			if err != nil {
				return nil, err
			}
			return d.reply(out, w.Header()), nil
		}()
		if d == nil { // not a JSON object, and so in no dialect
			return err
		}
		return answer(w, start, reply, err, d.fail)
	}
}

// request reads a request of up to most documents.
func (d *rankDialect) request(all fields, most int) (*rankRequest, error) {
	if d.unwrap != nil {
		var err error
		if all, err = d.unwrap(all); err != nil {
			return nil, err
		}
	}
	q, f := &rankRequest{}, &reader{fields: all}
	q.common(f)
	read := d.read
	if read == nil {
		read = d.readQuery
	}
	if f.err == nil {
		read(f, q, most)
	}
	if d.top != nil {
		q.topN = f.integer(f.first(d.top...), 0, 0)
	}
	if d.give != nil {
		q.give = f.boolean(f.first(d.give...), false)
	}
	if q.most = f.integer("highlights", 0, 0); q.most > 0 && !d.marks {
		f.fail(invalid("\"highlights\" is %d: not available in this dialect's replies; use /v1/rerank", q.most))
	}
	if q.details = f.boolean("details", false); q.details && !d.marks {
		f.fail(invalid("\"details\" is true: not available in this dialect's replies; use /v1/rerank"))
	}
	if d.more != nil {
		d.more(f, q)
	}
	return q, f.err
}

// readQuery reads one query and its documents.
func (d *rankDialect) readQuery(f *reader, q *rankRequest, most int) {
	query := f.text("query")
	if d.strings {
		texts, err := f.texts(d.documents, most)
		f.fail(err)
		for _, t := range texts {
			q.documents = append(q.documents, document{text: t})
		}
	} else {
		q.documents = f.documents(d.documents, most)
	}
	texts := make([]string, len(q.documents))
	for i, d := range q.documents {
		texts[i] = d.text
	}
	q.questions = []question{{query, texts}}
}

// common reads the fields that mean the same in every dialect.
func (q *rankRequest) common(f *reader) {
	o := &q.options
	q.asked = f.str("model")
	o.Instruction = f.str(f.first("instruction", "instruct"))
	o.PlainText = f.boolean("plain_text", false)
	q.raw = f.boolean("raw_scores", false)
	q.fresh = !f.boolean("use_cache", true)
	for _, name := range []string{"use_activation", "activation"} {
		q.raw = !f.boolean(name, true) || q.raw
	}
	o.Truncation = f.truncation()
	o.MaxTokens = f.promptTokens()
	o.MaxQueryTokens = f.integer("max_tokens_per_query", 0, 0)
	o.MaxDocumentTokens = f.integer("max_tokens_per_doc", 0, 0)
	// Cohere's version 1 splits a document that is too long into this many windows at
	// most.
	q.chunks = f.integer("max_chunks_per_doc", 1, 0)
	overflow := f.oneOf("overflow", "", "truncate", "chunk")
	q.chunk = overflow == "chunk" || overflow == "" && q.chunks > 0
}
