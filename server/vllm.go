package server

import (
	"fmt"
	"net/http"
	"time"
)

// The dialect of vLLM.

type vllmReply struct {
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Usage   usage          `json:"usage"`
	Results []rerankResult `json:"results"`
}

type scoreReply struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Data    []scoreResult `json:"data"`
	Usage   usage         `json:"usage"`
}

type scoreResult struct {
	Index  int     `json:"index"`
	Object string  `json:"object"`
	Score  float64 `json:"score"`
}

// vllmCommon reads the fields that both of vLLM's requests have.
func (s *Server) vllmCommon(f fields) (a ask, raw bool, err error) {
	if a, raw, err = s.common(f); err != nil {
		return a, false, err
	}
	for _, name := range []string{"use_activation", "activation"} {
		on, err := f.boolean(name, true)
		if err != nil {
			return a, false, err
		}
		if !on {
			raw = true
		}
	}
	// -1 means the model's own limit, as 0 does here.
	n, err := f.integer("truncate_prompt_tokens", -1, -1)
	if err != nil {
		return a, false, err
	}
	a.options.MaxTokens = max(0, n)
	side, err := f.oneOf("truncation_side", "right", "left")
	if err != nil {
		return a, false, err
	}
	a.options.CutLeft = side == "left"
	return a, raw, nil
}

func (s *Server) rerankVLLM(w http.ResponseWriter, r *http.Request, f fields) error {
	a, raw, err := s.vllmCommon(f)
	if err != nil {
		return err
	}
	query, err := f.text("query")
	if err != nil {
		return err
	}
	documents, err := f.documents("documents", s.options.MaxDocuments)
	if err != nil {
		return err
	}
	topN, err := f.integer("top_n", 0, 0)
	if err != nil {
		return err
	}
	a.questions = []question{{query, texts(documents)}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := vllmReply{ID: "rerank-" + noteOf(r.Context()).id, Model: out.modelName(a.model), Usage: usageOf(out),
		Results: make([]rerankResult, 0, len(documents))}
	for _, p := range out.ranking(raw, topN) {
		reply.Results = append(reply.Results, rerankResult{p.index, p.score, documents[p.index].reply()})
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// scoreNames are the pairs of names that vLLM has for the two sides.
var scoreNames = [][2]string{{"text_1", "text_2"}, {"queries", "documents"}, {"queries", "items"}, {"data_1", "data_2"}, {"query", "documents"}}

// score answers POST /v1/score: each text of one side with its counterpart of
// the other, or one query with all documents.
func (s *Server) score(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	a, raw, err := s.vllmCommon(f)
	if err != nil {
		return err
	}
	names := scoreNames[0]
	for _, n := range scoreNames {
		if f.has(n[0]) && f.has(n[1]) {
			names = n
			break
		}
	}
	queries, _, err := f.textOrTexts(names[0], s.options.MaxDocuments)
	if err != nil {
		return err
	}
	documents, _, err := f.textOrTexts(names[1], s.options.MaxDocuments)
	if err != nil {
		return err
	}
	switch {
	case len(queries) == 1:
		a.questions = []question{{queries[0], documents}}
	case len(queries) == len(documents):
		for i, q := range queries {
			a.questions = append(a.questions, question{q, documents[i : i+1]})
		}
	default:
		return invalid("%q has %d elements and %q %d: expected one query, or as many as documents", names[0], len(queries), names[1], len(documents))
	}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := scoreReply{ID: fmt.Sprintf("score-%s", noteOf(r.Context()).id), Object: "list", Created: time.Now().Unix(),
		Model: out.modelName(a.model), Data: make([]scoreResult, len(out.outputs)), Usage: usageOf(out)}
	for i := range out.outputs {
		reply.Data[i] = scoreResult{i, "score", out.score(i, raw)}
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}
