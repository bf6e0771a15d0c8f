package server

import (
	"net/http"
	"slices"
	"time"
)

// A rankDialect is how one kind of client asks for a ranking and what it reads as the
// answer. Each stands in a file of its own.
type rankDialect struct {
	// is says whether a request is in this dialect, of those that share a route; nil: any
	// request is.
	is func(f fields, h http.Header) bool
	// unwrap gives the fields of a request that has them elsewhere than at the top; or nil.
	unwrap func(f fields) (fields, error)

	documents string   // the field that has the documents
	strings   bool     // which are strings only
	top       []string // names of the field that bounds the results
	give      []string // names of the field that asks for the documents back
	marks     bool     // replies have a place for highlights and details

	// read replaces the reading of query and documents, if it is not nil.
	read func(f fields, q *rankRequest, most int) error
	// more reads what else the dialect has, if it is not nil.
	more func(f *reader, q *rankRequest)
	// reply makes what is sent; it may add headers.
	reply func(a *ranked, h http.Header) any
	// fail writes an error; nil: writeError does.
	fail func(w http.ResponseWriter, e *apiError)
}

// reranking answers a route on which these dialects are spoken: a request is in the first
// that it fits, and any request fits the last.
func (s *Server) reranking(dialects ...*rankDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		start := time.Now()
		var d *rankDialect
		reply, err := func() (any, error) {
			var q *rankRequest
			err := s.read(w, r, func(f fields) (err error) {
				d = dialects[slices.IndexFunc(dialects, func(d *rankDialect) bool { return d.is == nil || d.is(f, r.Header) })]
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
		if d == nil { // it is no JSON, and so in no dialect
			return err
		}
		return answer(w, start, reply, err, d.fail)
	}
}

// request reads a request whose list may have so many documents.
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
		f.err = read(all, q, most)
	}
	if d.top != nil {
		q.topN = f.integer(f.first(d.top...), 0, 0)
	}
	if d.give != nil {
		q.give = f.boolean(f.first(d.give...), false)
	}
	if q.most = f.integer("highlights", 0, 0); q.most > 0 && !d.marks {
		f.fail(invalid("\"highlights\" is %d: replies in this dialect have no place for them; use /v1/rerank", q.most))
	}
	if q.details = f.boolean("details", false); q.details && !d.marks {
		f.fail(invalid("\"details\" is true: replies in this dialect have no place for them; use /v1/rerank"))
	}
	if d.more != nil {
		d.more(f, q)
	}
	return q, f.err
}

// readQuery reads one query and its documents.
func (d *rankDialect) readQuery(f fields, q *rankRequest, most int) error {
	query, err := f.text("query")
	if err != nil {
		return err
	}
	if d.strings {
		texts, err := f.texts(d.documents, most)
		if err != nil {
			return err
		}
		for _, t := range texts {
			q.documents = append(q.documents, document{text: t})
		}
	} else if q.documents, err = f.documents(d.documents, most); err != nil {
		return err
	}
	texts := make([]string, len(q.documents))
	for i, d := range q.documents {
		texts[i] = d.text
	}
	q.questions = []question{{query, texts}}
	return nil
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
	// Cohere's version 1 splits what is too long into at most so many windows.
	q.chunks = f.integer("max_chunks_per_doc", 1, 0)
	overflow := f.oneOf("overflow", "", "truncate", "chunk")
	q.chunk = overflow == "chunk" || overflow == "" && q.chunks > 0
}

// Members that several dialects' replies share.
