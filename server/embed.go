package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/winnow-rerank/winnow"
)

// Embeddings, in the dialects of OpenAI, llama.cpp and TEI.

// An Embedder is a Model that makes vectors of texts: Score gives them for what
// EncodeTexts has encoded, see Output.Vector.
type Embedder interface {
	EncodeTexts(texts []string, o TextOptions) ([]Pair, error)
}

// TextOptions is what a request may say about the reading of texts. The zero value
// cuts at the end what is longer than the model takes.
type TextOptions struct {
	Prompt  string // name of the prompt that is put before them; "": the model's default one
	Refuse  bool   // a text that is too long is an error, of type *TooLongError
	CutLeft bool   // cut at the beginning
}

// An embedAsk is a request for vectors.
type embedAsk struct {
	model      string
	field      string // that holds the texts
	texts      []string
	options    TextOptions
	dimensions int
	unit       bool // of length 1
}

// An embedAnswer is the vectors of all texts.
type embedAnswer struct {
	view
	vectors [][]float32
	tokens  []int // of each text
	total   int
}

// embeddings answers POST /v1/embeddings, the dialect of OpenAI.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	a, err := s.embedAsk(f, f.first("input", "content"))
	if err != nil {
		return err
	}
	format, err := f.oneOf("encoding_format", "float", "base64")
	if err != nil {
		return err
	}
	out, err := s.embed(r, a)
	if err != nil {
		return err
	}
	type entry struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	data := make([]entry, len(out.vectors))
	for i, v := range out.vectors {
		data[i] = entry{"embedding", i, v}
		if format == "base64" {
			data[i].Embedding = base64Of(v)
		}
	}
	name := a.model
	if name == "" {
		name = out.name
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "model": name, "data": data,
		"usage": map[string]int{"prompt_tokens": out.total, "total_tokens": out.total}})
	return nil
}

// base64Of is the numbers in little-endian order, in base64.
func base64Of(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// embedding answers POST /embedding, the dialect of llama.cpp.
func (s *Server) embedding(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	a, err := s.embedAsk(f, f.first("content", "input"))
	if err != nil {
		return err
	}
	// llama.cpp's numbers of norms: -1 none, 2 the Euclidean one.
	kind, err := f.integer("embd_normalize", -1, 2)
	if err != nil {
		return err
	}
	if kind != -1 && kind != 2 {
		return invalid("%q is %d: expected -1 (none) or 2 (length 1)", "embd_normalize", kind)
	}
	a.unit = a.unit && kind == 2
	out, err := s.embed(r, a)
	if err != nil {
		return err
	}
	type entry struct {
		Index     int         `json:"index"`
		Embedding [][]float32 `json:"embedding"`
	}
	list := make([]entry, len(out.vectors))
	for i, v := range out.vectors {
		list[i] = entry{i, [][]float32{v}}
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// embedTEI answers POST /embed, the dialect of TEI.
func (s *Server) embedTEI(w http.ResponseWriter, r *http.Request) error {
	start := time.Now()
	f, err := s.body(w, r)
	if err != nil {
		writeTEIError(w, asAPIError(err))
		return nil
	}
	if err := s.answerTEI(w, r, f, start); err != nil {
		writeTEIError(w, asAPIError(err))
	}
	return nil
}

func (s *Server) answerTEI(w http.ResponseWriter, r *http.Request, f fields, start time.Time) error {
	a, err := s.embedAsk(f, f.first("inputs", "input"))
	if err != nil {
		return err
	}
	out, err := s.embed(r, a)
	if err != nil {
		return err
	}
	characters := 0
	for _, t := range a.texts {
		characters += len([]rune(t))
	}
	h := w.Header()
	h.Set("X-Compute-Type", "cpu")
	h.Set("X-Compute-Characters", strconv.Itoa(characters))
	h.Set("X-Compute-Tokens", strconv.Itoa(out.total))
	h.Set("X-Total-Time", strconv.FormatInt(time.Since(start).Milliseconds(), 10))
	writeJSON(w, http.StatusOK, out.vectors)
	return nil
}

// embedAsk reads what the dialects have in common; input names the texts.
func (s *Server) embedAsk(f fields, input string) (a embedAsk, err error) {
	a.field = input
	if a.model, err = f.str("model"); err != nil {
		return a, err
	}
	if v := f[input]; len(v) > 1 && v[0] == '[' {
		// OpenAI's clients may send tokens, of OpenAI's own vocabularies.
		var numbers []json.RawMessage
		if json.Unmarshal(v, &numbers) == nil && len(numbers) > 0 && (numbers[0][0] == '[' || numbers[0][0] >= '0' && numbers[0][0] <= '9') {
			return a, f.wrong(input, "a string or an array of strings; tokens are not taken (in LangChain: check_embedding_ctx_length=False)")
		}
	}
	if a.texts, _, err = f.textOrTexts(input, s.options.MaxDocuments); err != nil {
		return a, err
	}
	if a.dimensions, err = f.integer("dimensions", 1, 0); err != nil {
		return a, err
	}
	if a.unit, err = f.boolean("normalize", true); err != nil {
		return a, err
	}
	cut, err := f.boolean(f.first("truncate", "truncation"), true)
	if err != nil {
		return a, err
	}
	a.options.Refuse = !cut
	side, err := f.oneOf("truncation_direction", "right", "left")
	if err != nil {
		return a, err
	}
	a.options.CutLeft = side == "left"
	a.options.Prompt, err = f.str("prompt_name")
	return a, err
}

// embed answers an ask.
func (s *Server) embed(r *http.Request, a embedAsk) (*embedAnswer, error) {
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
	note := noteOf(ctx)
	note.model, note.documents = v.name, len(a.texts)
	model, ok := v.model.(Embedder)
	if !ok || !slices.Contains(v.info.Tasks, "embed") {
		return nil, notSupported("model %q cannot embed: it has neither an embedding head nor pooling", v.name)
	}
	if a.dimensions > v.info.Dimensions {
		return nil, invalid("%q is %d: the model's vectors have %d", "dimensions", a.dimensions, v.info.Dimensions)
	}
	if p := a.options.Prompt; p != "" && !slices.Contains(v.info.Prompts, p) {
		return nil, invalid("%q is %q: the model has the prompts %q", "prompt_name", p, v.info.Prompts)
	}
	var estimate int64
	for _, t := range a.texts {
		estimate += min(int64(v.info.MaxLength), int64(len(t))/4+4)
	}
	ticket, err := v.scheduler.admit(estimate)
	if err != nil {
		return nil, err
	}
	defer ticket.release()
	span := s.tracer.start(ctx, "tokenize")
	texts, err := encodeTexts(ctx, model, a)
	span.end()
	if err != nil {
		return nil, err
	}
	out := &embedAnswer{view: v, vectors: make([][]float32, len(texts)), tokens: make([]int, len(texts))}
	for i, t := range texts {
		out.tokens[i] = t.Tokens()
		out.total += t.Tokens()
	}
	ticket.correct(int64(out.total))
	note.tokens = out.total
	span = s.tracer.start(ctx, "score")
	outputs, err := v.scheduler.score(ctx, clientOf(ctx), texts)
	span.end()
	if err != nil {
		return nil, err
	}
	for i, o := range outputs {
		vector := o.Vector
		if a.dimensions > 0 {
			vector = vector[:a.dimensions]
		}
		if a.unit {
			winnow.Unit(vector)
		}
		out.vectors[i] = vector
	}
	return out, nil
}

// encodeTexts encodes a part of the texts at a time, so that a client that has gone
// away is noticed.
func encodeTexts(ctx context.Context, m Embedder, a embedAsk) ([]Pair, error) {
	texts := make([]Pair, 0, len(a.texts))
	for part := range slices.Chunk(a.texts, encodeDocuments) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		encoded, err := m.EncodeTexts(part, a.options)
		if err != nil {
			var long *TooLongError
			if !errors.As(err, &long) {
				return nil, err
			}
			return nil, &apiError{Status: http.StatusBadRequest, Type: typeContextSize,
				Message: fmt.Sprintf("%s[%d] has %d tokens; at most %d are taken, and truncation is off", a.field, len(texts)+long.Index, long.Tokens, long.Limit),
				Extra:   map[string]any{"n_prompt_tokens": long.Tokens, "n_ctx": long.Limit}}
		}
		texts = append(texts, encoded...)
	}
	return texts, nil
}
