package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// Embeddings, in the dialects of OpenAI, llama.cpp and TEI.

// An embedRequest is what every dialect of embedding comes down to.
type embedRequest struct {
	asked      string // the model, by the name that the client has for it
	field      string // that holds the texts
	texts      []string
	options    winnow.TextOptions
	dimensions int
	unit       bool     // vectors of length 1
	formats    []string // "float" or "base64", in which they are to come
	kind       string   // "query" or "document", for which the model may have a prompt; or ""
}

// embedded is the answer to an embedRequest.
type embedded struct {
	*embedRequest
	view
	id      string // of the request
	start   time.Time
	vectors [][]float32
	tokens  int // of all texts
}

// An embedDialect is how one kind of client asks for vectors and what it reads as the
// answer.
type embedDialect struct {
	// unwrap gives the fields of a request that has them elsewhere than at the top; or nil.
	unwrap func(f fields) (fields, error)

	input []string // names of the field that has the texts
	// more reads what else the dialect has, if it is not nil.
	more  func(f fields, q *embedRequest) error
	reply func(a *embedded, h http.Header) any
	// fail writes an error; nil: writeError does.
	fail func(w http.ResponseWriter, e *apiError)
}

var openAIEmbeddings = &embedDialect{
	input: []string{"input", "content"},
	more: func(f fields, q *embedRequest) error {
		format, err := f.oneOf("encoding_format", "float", "base64")
		q.formats = []string{format}
		return err
	},
	reply: func(a *embedded, _ http.Header) any {
		type entry struct {
			Object    string `json:"object"`
			Index     int    `json:"index"`
			Embedding any    `json:"embedding"`
		}
		data := make([]entry, len(a.vectors))
		for i, v := range a.vectors {
			data[i] = entry{"embedding", i, v}
			if a.formats[0] == "base64" {
				data[i].Embedding = base64Of(v)
			}
		}
		return map[string]any{"object": "list", "model": orElse(a.asked, a.name), "data": data, "usage": usageOf(a.tokens)}
	},
}

// base64Of is the numbers in little-endian order, in base64.
func base64Of(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

var llamaEmbeddings = &embedDialect{
	input: []string{"content", "input"},
	more: func(f fields, q *embedRequest) error {
		// llama.cpp's numbers of norms: -1 none, 2 the Euclidean one.
		kind, err := f.integer("embd_normalize", -1, 2)
		if err == nil && kind != -1 && kind != 2 {
			return invalid("%q is %d: expected -1 (none) or 2 (length 1)", "embd_normalize", kind)
		}
		q.unit = q.unit && kind == 2
		return err
	},
	reply: func(a *embedded, _ http.Header) any {
		type entry struct {
			Index     int         `json:"index"`
			Embedding [][]float32 `json:"embedding"`
		}
		list := make([]entry, len(a.vectors))
		for i, v := range a.vectors {
			list[i] = entry{i, [][]float32{v}}
		}
		return list
	},
}

var teiEmbed = &embedDialect{
	input: []string{"inputs", "input"},
	reply: func(a *embedded, h http.Header) any {
		computeHeaders(h, characters(a.texts), a.tokens)
		return a.vectors
	},
	fail: writeTEIError,
}

// embedding answers a route on which this dialect is spoken.
func (s *Server) embedding(d *embedDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		start := time.Now()
		reply, err := func() (any, error) {
			var q *embedRequest
			err := s.read(w, r, func(f fields) (err error) {
				q, err = d.request(f, s.options.MaxDocuments)
				return err
			})
			if err != nil {
				return nil, err
			}
			out, err := s.embed(r, q, start)
			if err != nil {
				return nil, err
			}
			return d.reply(out, w.Header()), nil
		}()
		return answer(w, start, reply, err, d.fail)
	}
}

// request reads a request whose list may have so many texts.
func (d *embedDialect) request(f fields, most int) (q *embedRequest, err error) {
	if d.unwrap != nil {
		if f, err = d.unwrap(f); err != nil {
			return nil, err
		}
	}
	q = &embedRequest{field: f.first(d.input...)}
	if q.asked, err = f.str("model"); err != nil {
		return nil, err
	}
	if f.tokens(q.field) {
		return nil, f.wrong(q.field, "a string or an array of strings; tokens are not taken (in LangChain: check_embedding_ctx_length=False)")
	}
	if q.texts, _, err = f.textOrTexts(q.field, most); err != nil {
		return nil, err
	}
	if q.dimensions, err = f.integer(f.first("dimensions", "output_dimension"), 1, 0); err != nil {
		return nil, err
	}
	if q.unit, err = f.boolean("normalize", true); err != nil {
		return nil, err
	}
	// vLLM's name for it.
	on, err := f.boolean("use_activation", true)
	if err != nil {
		return nil, err
	}
	q.unit = q.unit && on
	if q.options.Truncation, err = f.truncation(); err != nil {
		return nil, err
	}
	if q.options.MaxTokens, err = f.promptTokens(); err != nil {
		return nil, err
	}
	if q.options.Prompt, err = f.str("prompt_name"); err != nil {
		return nil, err
	}
	// Cohere and Voyage have input_type, Jina task: "search_query", "document",
	// "retrieval.passage" …
	kind, err := f.str(f.first("input_type", "task"))
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasSuffix(kind, "query"):
		q.kind = "query"
	case strings.HasSuffix(kind, "document"), strings.HasSuffix(kind, "passage"):
		q.kind = "document"
	}
	if d.more != nil {
		err = d.more(f, q)
	}
	return q, err
}

// tokens says whether a field begins with a number or a list: OpenAI's clients may send
// tokens, of OpenAI's own vocabularies.
func (f fields) tokens(name string) bool {
	first := json.RawMessage(nil)
	_ = f.list(name, 1, "", func(_ int, v json.RawMessage) error { first = v; return nil })
	return len(first) > 0 && (first[0] == '[' || first[0] >= '0' && first[0] <= '9')
}

// promptFor is the name of the model's prompt for queries or documents, "" if it has none.
func promptFor(kind string, info winnow.Info) string {
	names := []string{"query", "search_query", "retrieval.query", "s2p_query"}
	if kind == "document" {
		names = []string{"document", "passage", "search_document", "retrieval.passage"}
	}
	for _, name := range names {
		if _, ok := info.Prompts[name]; ok {
			return name
		}
	}
	return ""
}

// embed answers a request that came then.
func (s *Server) embed(r *http.Request, q *embedRequest, start time.Time) (*embedded, error) {
	c, err := s.prepare(r, q.asked, "embed", "embed: it has neither an embedding head nor pooling")
	if err != nil {
		return nil, err
	}
	defer c.close()
	c.note.documents = len(q.texts)
	if q.dimensions > c.info.Dimensions {
		return nil, invalid("%q is %d: the model's vectors have %d", "dimensions", q.dimensions, c.info.Dimensions)
	}
	if p := q.options.Prompt; p != "" {
		if _, ok := c.info.Prompts[p]; !ok {
			return nil, invalid("%q is %q: the model has the prompts %q", "prompt_name", p, slices.Sorted(maps.Keys(c.info.Prompts)))
		}
	}
	if q.options.Prompt == "" && q.kind != "" {
		q.options.Prompt = promptFor(q.kind, c.info)
	}
	sizes := make([]int, len(q.texts))
	for i, t := range q.texts {
		sizes[i] = len(t)
	}
	out := &embedded{embedRequest: q, view: c.view, id: c.note.id, start: start, vectors: make([][]float32, len(q.texts))}
	var texts []winnow.Encoding
	err = c.encode(sizes, 0, 0, false, func(ctx context.Context, from, to int) (tokens int, err error) {
		part, err := c.model.EncodeTexts(ctx, q.texts[from:to], q.options)
		var long *winnow.TooLongError
		if errors.As(err, &long) {
			return 0, tooLong(q.field, from+long.Index, "", long)
		}
		for _, t := range part {
			tokens += t.Tokens()
		}
		texts = append(texts, part...)
		out.tokens += tokens
		return tokens, err
	})
	if err != nil {
		return nil, err
	}
	c.note.tokens = out.tokens
	span := s.tracer.start(c.ctx, "score")
	vectors, err := c.scheduler.embed(c.ctx, c.note.client, texts)
	span.end()
	if err != nil {
		return nil, err
	}
	for i, v := range vectors {
		out.vectors[i] = winnow.Shorten(v.Vector, q.dimensions, q.unit)
	}
	return out, nil
}
