package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

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

// characters counts those of texts.
func characters(texts []string) (n int) {
	for _, t := range texts {
		n += utf8.RuneCountInString(t)
	}
	return n
}

func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeJSON sends v. What cannot be encoded is a mistake of this package.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = encodeJSON(w, v) // an error means that the client has gone
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
