package server

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The dialect of Hugging Face text-embeddings-inference.

type teiResult struct {
	Index int     `json:"index"`
	Score float64 `json:"score"`
	Text  *string `json:"text,omitempty"`
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

// handleTEI answers /rerank where the request has texts.
func (s *Server) handleTEI(w http.ResponseWriter, r *http.Request, f fields) {
	start := time.Now()
	if err := s.rerankTEI(w, r, f, start); err != nil {
		writeTEIError(w, asAPIError(err))
	}
}

func (s *Server) rerankTEI(w http.ResponseWriter, r *http.Request, f fields, start time.Time) error {
	a, raw, err := s.common(f)
	if err != nil {
		return err
	}
	query, err := f.text("query")
	if err != nil {
		return err
	}
	list, err := f.texts("texts", s.options.MaxDocuments)
	if err != nil {
		return err
	}
	give, err := f.boolean(f.first("return_text", "return_documents"), false)
	if err != nil {
		return err
	}
	topN, err := f.integer("top_n", 0, 0)
	if err != nil {
		return err
	}
	side, err := f.oneOf("truncation_direction", "right", "left")
	if err != nil {
		return err
	}
	a.options.CutLeft = side == "left"
	a.questions = []question{{query, list}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	results := make([]teiResult, 0, len(list))
	for _, p := range out.ranking(raw, topN) {
		result := teiResult{Index: p.index, Score: p.score}
		if give {
			result.Text = &list[p.index]
		}
		results = append(results, result)
	}
	characters := len([]rune(query)) * len(list)
	for _, t := range list {
		characters += len([]rune(t))
	}
	h := w.Header()
	h.Set("X-Compute-Type", "cpu")
	h.Set("X-Compute-Characters", strconv.Itoa(characters))
	h.Set("X-Compute-Tokens", strconv.Itoa(out.tokens))
	h.Set("X-Total-Time", strconv.FormatInt(time.Since(start).Milliseconds(), 10))
	h.Set("X-Activation", out.activation(raw))
	writeJSON(w, http.StatusOK, results)
	return nil
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
