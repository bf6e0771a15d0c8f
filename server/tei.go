package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// tei is the dialect of Hugging Face text-embeddings-inference (TEI), recognised by
// texts.
var tei = &rankDialect{
	is:        func(f fields, _ http.Header) bool { return f.has("texts") && !f.has("documents") },
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

// scores returns the results in TEI's form.
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

// computeHeaders sets the headers that tell TEI's clients what a request cost.
func computeHeaders(h http.Header, characters, tokens int) {
	h.Set("X-Compute-Type", "cpu")
	h.Set("X-Compute-Characters", strconv.Itoa(characters))
	h.Set("X-Compute-Tokens", strconv.Itoa(tokens))
}

// teiError returns TEI's name for the kind of an error.
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

// teiSimilarity is the dialect of /similarity: the cosines of one text with others.
var teiSimilarity = &embedDialect{
	unwrap: func(f fields) (fields, error) {
		inputs, ok := jsonObject(f["inputs"])
		if !ok {
			return nil, f.wrong("inputs", "an object with source_sentence and sentences")
		}
		source, ok := jsonString(inputs["source_sentence"])
		if !ok {
			return nil, inputs.wrong("source_sentence", "a string")
		}
		list := []string{source}
		sentences, err := inputs.texts("sentences", math.MaxInt)
		if err != nil {
			return nil, err
		}
		all, _ := jsonObject(f["parameters"])
		if all == nil {
			all = fields{}
		}
		if all["inputs"], err = json.Marshal(append(list, sentences...)); err != nil {
			return nil, err
		}
		if f.has("model") {
			all["model"] = f["model"]
		}
		return all, nil
	},
	input: []string{"inputs"},
	reply: func(a *embedded, h http.Header) any {
		computeHeaders(h, characters(a.texts), a.tokens)
		list := make([]float32, len(a.vectors)-1)
		for i, v := range a.vectors[1:] {
			list[i] = cosine(a.vectors[0], v)
		}
		return list
	},
	fail: writeTEIError,
}

// cosine returns the cosine of two vectors, or 0 if one of them is zero.
func cosine(a, b []float32) float32 {
	var ab, aa, bb float64
	for i, x := range a {
		ab += float64(x) * float64(b[i])
		aa += float64(x) * float64(x)
		bb += float64(b[i]) * float64(b[i])
	}
	if ab == 0 {
		return 0
	}
	return float32(ab / math.Sqrt(aa*bb))
}

// teiPredict is the dialect of /predict: pairs of texts, each answered with the
// classifier's relevant label and its score.
var teiPredict = &rankDialect{
	read: func(f *reader, q *rankRequest, most int) {
		const want = "two texts, or an array of such pairs"
		pair := func(v json.RawMessage) (texts []string, ok bool) {
			err := json.Unmarshal(v, &texts)
			return texts, err == nil && len(texts) == 2
		}
		if texts, ok := pair(f.fields["inputs"]); ok {
			q.questions = []question{{texts[0], texts[1:]}}
			return
		}
		q.many = true
		f.fail(f.list("inputs", most, "pairs of texts", func(i int, v json.RawMessage) error {
			texts, ok := pair(v)
			if !ok {
				return invalid("inputs[%d] is %s: expected %s", i, describe(v), want)
			}
			q.questions = append(q.questions, question{texts[0], texts[1:]})
			return nil
		}))
	},
	reply: func(a *ranked, h http.Header) any {
		label := cmp.Or(a.info.Relevant, "LABEL_0")
		list := make([][]teiPrediction, len(a.results))
		n := 0
		for i, r := range a.results {
			list[i] = []teiPrediction{{r.Score, label}}
			n += utf8.RuneCountInString(a.questions[i].query) + characters(a.questions[i].documents)
		}
		computeHeaders(h, n, a.tokens)
		if !a.many {
			return list[0]
		}
		return list
	},
	fail: writeTEIError,
}

type teiPrediction struct {
	Score float64 `json:"score"`
	Label string  `json:"label"`
}

// root answers POST /, where TEI does what its model is for.
func (s *Server) root() handler {
	rank, embed, similar := s.reranking(tei), s.embedding(teiEmbed), s.embedding(teiSimilarity)
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := readBody(w, r, s.options.MaxBody)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Del("Content-Encoding")
		f, _ := parseObject(body)
		switch {
		case f.has("texts", "query"):
			return rank(w, r)
		case bytes.HasPrefix(f["inputs"], []byte("{")):
			return similar(w, r)
		}
		return embed(w, r)
	}
}

// teiEmbedAll is the dialect of /embed_all: the states of every token.
var teiEmbedAll = &embedDialect{
	input: []string{"inputs"},
	more:  func(_ *reader, q *embedRequest) { q.options.EveryToken = true },
	reply: func(a *embedded, h http.Header) any {
		computeHeaders(h, characters(a.texts), a.tokens)
		return a.states
	},
	fail: writeTEIError,
}

// embedSparse answers POST /embed_sparse, which requires a SPLADE model.
func (s *Server) embedSparse(w http.ResponseWriter, r *http.Request) error {
	return s.read(w, r, func(f fields) error {
		c, err := s.named(r, f, "", "")
		if err == nil {
			defer c.close()
			err = notSupported("model %q is not a SPLADE model: it has dense vectors only (/embed)", c.name)
		}
		writeTEIError(w, asAPIError(err))
		return nil
	})
}

// info answers GET /info.
func (s *Server) info(w http.ResponseWriter, r *http.Request) error {
	st, err := s.firstModel()
	if err != nil {
		return err
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

var teiEmbed = &embedDialect{
	input: []string{"inputs", "input"},
	reply: func(a *embedded, h http.Header) any {
		computeHeaders(h, characters(a.texts), a.tokens)
		return a.vectors
	},
	fail: writeTEIError,
}
