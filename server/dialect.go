package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/winnow-rerank/winnow"
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

// answer sends a dialect's reply, or its error by fail, if it has one of its own.
func answer(w http.ResponseWriter, start time.Time, reply any, err error, fail func(http.ResponseWriter, *apiError)) error {
	switch h := w.Header(); {
	case err == nil:
		if h.Get("X-Compute-Type") != "" {
			h.Set("X-Total-Time", strconv.FormatInt(time.Since(start).Milliseconds(), 10))
		}
		writeJSON(w, http.StatusOK, reply)
	case fail == nil:
		return err
	default:
		fail(w, asAPIError(err))
	}
	return nil
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

// promptTokens is the bound of a pair or text. -1 means the model's own limit, as 0 does
// here.
func (f *reader) promptTokens() int { return max(0, f.integer("truncate_prompt_tokens", -1, -1)) }

// truncation reads whether what is too long is truncated, and on which side.
func (f *reader) truncation() winnow.Truncation {
	t := winnow.TruncateAsModel
	for _, name := range []string{"truncation_side", "truncation_direction"} {
		switch f.oneOf(name, "", "right", "left") {
		case "left":
			t = winnow.TruncateLeft
		case "right":
			t = winnow.TruncateRight
		}
	}
	for _, name := range []string{"truncate", "truncation"} {
		// Cohere and NVIDIA have words for it.
		switch word, _ := jsonString(f.fields[name]); strings.ToUpper(word) {
		case "NONE":
			return winnow.TruncateNever
		case "START":
			return winnow.TruncateLeft
		case "END":
			t = winnow.TruncateRight
			continue
		}
		if !f.boolean(name, true) {
			return winnow.TruncateNever
		}
	}
	return t
}

// hasKey says whether the field is there, null or not: clients that have a
// field of their own send it even where it says nothing.
func (f fields) hasKey(name string) bool {
	_, ok := f[name]
	return ok
}

// Members that several dialects' replies share.

type usage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

func usageOf(tokens int) usage { return usage{tokens, tokens} }

type rerankResult struct {
	Index    int     `json:"index"`
	Score    float64 `json:"relevance_score"`
	Document any     `json:"document,omitempty"`
	Chunk    *chunk  `json:"chunk,omitempty"`

	// What "details" asks for.
	Logit *float64 `json:"logit,omitempty"`
	Read  *extent  `json:"read,omitempty"` // of a document that was cut

	Highlights []highlight `json:"highlights,omitempty"`
}

type textReply struct {
	ID   string `json:"id,omitempty"`
	Text string `json:"text"`
}

// results are a ranking's, each document as give has it, if the client asked for them.
func (a *ranked) relevance(give func(d document) any) []rerankResult {
	best := a.best()
	list := make([]rerankResult, len(best))
	for i, r := range best {
		list[i] = rerankResult{Index: r.Index, Score: r.Score, Highlights: a.highlights[r.Index]}
		if c, ok := a.chunks[r.Index]; ok {
			list[i].Chunk = &c
		}
		if a.details {
			list[i].Logit = &r.Logit
		}
		if read, ok := a.read[r.Index]; ok {
			list[i].Read = &read
		}
		if a.give {
			list[i].Document = give(a.documents[r.Index])
		}
	}
	return list
}

// A document is one of a request's list, with what return_documents gives back.
type document struct {
	text   string
	object json.RawMessage // as it came, if it was an object
}

// asObject is the document as an object: that which came, or one made of the string.
func (d document) asObject() any {
	if d.object != nil {
		return d.object
	}
	return textReply{Text: d.text}
}

// asGiven is the document as it came.
func (d document) asGiven() any {
	if d.object != nil {
		return d.object
	}
	return d.text
}

// asText is the text that was ranked.
func (d document) asText() any { return d.text }

// characters counts those of texts.
func characters(texts []string) (n int) {
	for _, t := range texts {
		n += utf8.RuneCountInString(t)
	}
	return n
}
