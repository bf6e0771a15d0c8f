package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// Embeddings.

// An embedRequest is a request for vectors, in any dialect.
type embedRequest struct {
	asked      string // the model's name in the request
	field      string // name of the field with the texts
	texts      []string
	tokens     map[int]json.RawMessage // of texts given as tokens, or as tokens mixed with texts
	options    winnow.TextOptions
	dimensions int
	unit       bool     // vectors of length 1
	formats    []string // formats of the vectors: "float" or "base64"
	kind       string   // "query", "document" or "": selects one of the model's prompts
}

// embedded is the answer to an embedRequest.
type embedded struct {
	*embedRequest
	*instance
	id      string // of the request
	start   time.Time
	vectors [][]float32
	states  [][][]float32 // of every token of each text, if requested
	tokens  int           // of all texts
}

// An embedDialect describes how one kind of client requests vectors and what reply it
// reads.
type embedDialect struct {
	// unwrap, if not nil, returns the fields of a request that nests them.
	unwrap func(f fields) (fields, error)

	input  []string // names of the field with the texts
	tokens bool     // the texts may be token ids
	// more, if not nil, reads the dialect's further fields.
	more func(f *reader, q *embedRequest)
	// states, if not nil, applies Options.EveryToken.
	states func(q *embedRequest) error
	reply  func(a *embedded, h http.Header) any
	// fail writes an error; nil: writeError does.
	fail func(w http.ResponseWriter, e *apiError)
}

// embedding returns the handler of routes of a dialect.
func (s *Server) embedding(d *embedDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		start := time.Now()
		reply, err := func() (any, error) {
			var q *embedRequest
			err := s.read(w, r, func(f fields) (err error) {
				if q, err = d.request(f, s.options.MaxDocuments); err == nil && s.options.EveryToken && d.states != nil {
					err = d.states(q)
				}
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

// request reads a request of up to most texts.
func (d *embedDialect) request(all fields, most int) (*embedRequest, error) {
	if d.unwrap != nil {
		var err error
		if all, err = d.unwrap(all); err != nil {
			return nil, err
		}
	}
	q, f := &embedRequest{field: all.first(d.input...)}, &reader{fields: all}
	q.asked = f.str("model")
	if d.tokens {
		if f.err == nil {
			f.err = q.readPrompts(all, most)
		}
	} else {
		q.texts = f.textOrTexts(q.field, most)
	}
	q.dimensions = f.integer(f.first("dimensions", "output_dimension"), 1, 0)
	q.unit = f.boolean("normalize", true)
	q.unit = f.boolean("use_activation", true) && q.unit // vLLM's name for it
	q.options.Truncation = f.truncation()
	q.options.MaxTokens = f.promptTokens()
	q.options.Prompt = f.str("prompt_name")
	// Cohere and Voyage have input_type, Jina task: "search_query", "document",
	// "retrieval.passage" …
	switch kind := f.str(f.first("input_type", "task")); {
	case strings.HasSuffix(kind, "query"):
		q.kind = "query"
	case strings.HasSuffix(kind, "document"), strings.HasSuffix(kind, "passage"):
		q.kind = "document"
	}
	if d.more != nil {
		d.more(f, q)
	}
	return q, f.err
}

// readPrompts reads texts, each of which may also be tokens, tokens mixed with texts, or
// one of llama.cpp's objects.
func (q *embedRequest) readPrompts(f fields, most int) error {
	const want = "a string, an array of tokens, or an array of these"
	list, err := f.prompts(q.field, want)
	if err != nil {
		return err
	}
	if len(list) > most {
		return tooMany(q.field, most)
	}
	for i, raw := range list {
		text, ok := jsonString(raw)
		if o, isObject := jsonObject(raw); isObject {
			if text, err = promptString(q.field, o); err != nil {
				return err
			}
		} else if !ok && raw[0] == '[' {
			if q.tokens == nil {
				q.tokens = make(map[int]json.RawMessage)
			}
			q.tokens[i] = raw
		} else if !ok {
			return f.wrong(q.field, want)
		}
		q.texts = append(q.texts, text)
	}
	return nil
}

// encode converts the texts of a range into tokens.
func (q *embedRequest) encode(ctx context.Context, c *call, from, to int) ([]winnow.Encoding, error) {
	var list []winnow.Encoding
	for from < to {
		if raw, ok := q.tokens[from]; ok {
			e, err := q.encodeTokens(c, from, raw)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
			from++
			continue
		}
		end := from + 1
		for ; end < to && q.tokens[end] == nil; end++ {
		}
		part, err := c.model.EncodeTexts(ctx, q.texts[from:end], q.options)
		var long *winnow.TooLongError
		if errors.As(err, &long) {
			return nil, tooLong(q.field, from+long.Index, "", long)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
		from = end
	}
	return list, nil
}

// encodeTokens uses text i as the tokens that it was given as. None are added or dropped:
// which of them are special is the client's responsibility.
func (q *embedRequest) encodeTokens(c *call, i int, raw json.RawMessage) (e winnow.Encoding, err error) {
	name := q.field
	if len(q.texts) > 1 {
		name = fmt.Sprintf("%s[%d]", q.field, i)
	}
	ids, err := c.tokensOf(name, raw)
	var refused *apiError
	if errors.As(err, &refused) {
		// The ids of OpenAI's own vocabularies are not those of this model.
		return e, invalid("%s (in LangChain: check_embedding_ctx_length=False)", refused.Message)
	}
	switch limit := c.info.MaxLength; {
	case err != nil:
		return e, err
	case len(ids) == 0:
		return e, invalid("%s is empty: expected tokens", name)
	case len(ids) > limit:
		return e, contextSize(len(ids), limit, "%s has %d tokens, which is too large: at most %d are accepted, and tokens are not truncated", name, len(ids), limit)
	}
	e = winnow.Encoding{IDs: make([]int32, len(ids)), Full: len(ids), EveryToken: q.options.EveryToken}
	for n, id := range ids {
		e.IDs[n] = int32(id)
	}
	return e, nil
}

// promptFor returns the name of the model's prompt for queries or documents, or "".
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

// maxStates bounds the numbers in a reply with the states of every token.
const maxStates = 1 << 26

// embed answers a request that arrived at start.
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
		sizes[i] = len(t) + len(q.tokens[i])
	}
	out := &embedded{embedRequest: q, instance: c.instance, id: c.note.id, start: start, vectors: make([][]float32, len(q.texts))}
	var texts []winnow.Encoding
	err = c.encode(sizes, 0, 0, false, func(ctx context.Context, from, to int) (tokens int, err error) {
		part, err := q.encode(ctx, c, from, to)
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
	if numbers := out.tokens * c.info.Hidden; q.options.EveryToken && numbers > maxStates {
		return nil, invalid("%q has %d tokens, whose states are %d numbers: expected at most %d", q.field, out.tokens, numbers, maxStates)
	}
	span := s.tracer.start(c.ctx, "score")
	vectors, err := c.scheduler.embed(c.ctx, c.note.client, texts)
	span.end()
	if err != nil {
		return nil, err
	}
	for i, v := range vectors {
		if q.options.EveryToken {
			out.states = append(out.states, v.States)
			continue
		}
		out.vectors[i] = winnow.Shorten(v.Vector, q.dimensions, q.unit)
	}
	return out, nil
}
