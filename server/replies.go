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

	// Present if details are requested.
	Logit *float64 `json:"logit,omitempty"`
	Read  *extent  `json:"read,omitempty"` // of a truncated document

	Highlights []highlight `json:"highlights,omitempty"`
}

type textReply struct {
	ID   string `json:"id,omitempty"`
	Text string `json:"text"`
}

// relevance returns the results, with each document as give returns it if the client
// asked for documents.
func (a *ranked) relevance(give func(d document) any) []rerankResult {
	best := a.best()
	list := make([]rerankResult, len(best))
	for i, r := range best {
		list[i] = rerankResult{Index: r.Index, Score: r.Score, Highlights: a.highlights[r.Index]}
		list[i].Chunk, list[i].Read = copyOf(a.chunks, r.Index), copyOf(a.read, r.Index)
		if a.details {
			list[i].Logit = new(r.Logit)
		}
		if a.give {
			list[i].Document = give(a.documents[r.Index])
		}
	}
	return list
}

// copyOf returns a copy of what m has for key, or nil.
func copyOf[V any](m map[int]V, key int) *V {
	if v, ok := m[key]; ok {
		return new(v)
	}
	return nil
}

// characters counts the characters of texts.
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

// writeJSON sends v as the reply. A failure to encode v is a bug in this package.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = encodeJSON(w, v) // on error the client has gone
}

// answer sends a dialect's reply, or its error using fail, if not nil.
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
