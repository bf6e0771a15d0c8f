package server

import (
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// tei is the dialect of Hugging Face text-embeddings-inference, known by texts.
var tei = &rankDialect{
	is:        func(f fields) bool { return f.has("texts") && !f.has("documents") },
	documents: "texts",
	strings:   true,
	top:       []string{"top_n"},
	give:      []string{"return_text", "return_documents"},
	reply: func(a *ranked, h http.Header) any {
		q := a.questions[0]
		computeHeaders(h, utf8.RuneCountInString(q.query)*len(q.documents)+characters(q.documents), a.tokens)
		h.Set("X-Activation", a.activation())
		return a.scores()
	},
	fail: writeTEIError,
}

type teiResult struct {
	Index int     `json:"index"`
	Score float64 `json:"score"`
	Text  *string `json:"text,omitempty"`
}

// scores are a ranking's results as TEI has them.
func (a *ranked) scores() []teiResult {
	best := a.best()
	list := make([]teiResult, len(best))
	for i, r := range best {
		list[i] = teiResult{Index: r.Index, Score: r.Score}
		if a.give {
			list[i].Text = &a.documents[r.Index].text
		}
	}
	return list
}

// computeHeaders tell TEI's clients what a request cost.
func computeHeaders(h http.Header, characters, tokens int) {
	h.Set("X-Compute-Type", "cpu")
	h.Set("X-Compute-Characters", strconv.Itoa(characters))
	h.Set("X-Compute-Tokens", strconv.Itoa(tokens))
}

// teiError is TEI's name for a kind of error.
func teiError(e *apiError) string {
	switch {
	case e.Empty:
		return "Empty"
	case e.Status == http.StatusTooManyRequests:
		return "Overloaded"
	case e.Status == http.StatusServiceUnavailable:
		return "Unhealthy"
	case e.Status >= 500:
		return "Backend"
	}
	return "Validation"
}

func writeTEIError(w http.ResponseWriter, e *apiError) {
	errorHeader(w, e)
	writeJSON(w, e.Status, map[string]any{"error": e.Message, "error_type": teiError(e)})
}

// info answers GET /info.
func (s *Server) info(w http.ResponseWriter, r *http.Request) error {
	st := s.registry.status()[0]
	if !st.known {
		return errLoading(st.err)
	}
	labels := st.info.Labels
	if len(labels) == 0 {
		labels = []string{"LABEL_0"}
	}
	byID, byLabel := map[string]string{}, map[string]int{}
	for i, l := range labels {
		byID[strconv.Itoa(i)] = l
		byLabel[l] = i
	}
	kind := map[string]any{"reranker": map[string]any{"id2label": byID, "label2id": byLabel}}
	if slices.Contains(st.info.Tasks, "embed") {
		kind = map[string]any{"embedding": map[string]any{"pooling": st.info.Pooling}}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"model_id":                st.info.Path,
		"model_sha":               nil,
		"model_dtype":             st.info.Precision,
		"served_model_name":       st.spec.Name,
		"model_type":              kind,
		"max_concurrent_requests": s.options.QueueTokens / max(1, st.info.MaxLength),
		"max_input_length":        st.info.MaxLength,
		"max_batch_tokens":        s.batchTokens(st.info.Threads),
		"max_batch_requests":      nil,
		"max_client_batch_size":   s.options.MaxDocuments,
		"auto_truncate":           true,
		"tokenization_workers":    st.info.Threads,
		"version":                 s.options.Version,
		"sha":                     nil,
		"docker_label":            nil,
	})
	return nil
}
