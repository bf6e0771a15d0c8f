package server

import (
	"encoding/json"
	"io"
	"net/http"

	"github.com/winnow-rerank/winnow"
)

// The dialects that share the routes /v1/rerank, /rerank, /v1/reranking and
// /reranking are told apart by a field that only one of them has.
func (s *Server) rerank(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	switch {
	case !f.has("documents") && f.has("texts"):
		s.handleTEI(w, r, f)
		return nil
	case !f.has("documents") && f.has("input"):
		return s.rerankMixedbread(w, r, f)
	case hasKey(f, "top_k"):
		return s.rerankVoyage(w, r, f)
	}
	return s.rerankJina(w, r, f)
}

// hasKey says whether the field is there, null or not: clients that have a
// field of their own send it even where it says nothing.
func hasKey(f fields, name string) bool {
	_, ok := f[name]
	return ok
}

// common reads the fields that most dialects have.
func (s *Server) common(f fields) (a ask, raw bool, err error) {
	if a.model, err = f.str("model"); err != nil {
		return a, false, err
	}
	if a.options.Instruction, err = f.str("instruction"); err != nil {
		return a, false, err
	}
	if a.options.Plain, err = f.boolean("plain_text", false); err != nil {
		return a, false, err
	}
	if raw, err = f.boolean("raw_scores", false); err != nil {
		return a, false, err
	}
	for _, name := range []string{"truncate", "truncation"} {
		cut, err := f.boolean(name, true)
		if err != nil {
			return a, false, err
		}
		if !cut {
			a.options.Refuse = true
		}
	}
	if a.options.MaxDocument, err = f.integer("max_tokens_per_doc", 1, 0); err != nil {
		return a, false, err
	}
	// Clients of Cohere v1 send it; documents are cut, not split into chunks.
	if _, err = f.integer("max_chunks_per_doc", 1, 0); err != nil {
		return a, false, err
	}
	return a, raw, nil
}

type rerankReply struct {
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Object  string         `json:"object"`
	Usage   usage          `json:"usage"`
	Results []rerankResult `json:"results"`
	Meta    rerankMeta     `json:"meta"`
}

type usage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

type rerankResult struct {
	Index    int     `json:"index"`
	Score    float64 `json:"relevance_score"`
	Document any     `json:"document,omitempty"`
}

type rerankMeta struct {
	Activation  string      `json:"activation"`
	Model       string      `json:"model"`
	Truncated   int         `json:"truncated"`
	APIVersion  apiVersion  `json:"api_version"`
	BilledUnits billedUnits `json:"billed_units"`
}

type apiVersion struct {
	Version string `json:"version"`
}

type billedUnits struct {
	SearchUnits int `json:"search_units"`
}

func usageOf(a *answer) usage { return usage{a.tokens, a.tokens} }

// rerankJina is the dialect of llama.cpp, Jina and Cohere's version 1.
func (s *Server) rerankJina(w http.ResponseWriter, r *http.Request, f fields) error {
	a, raw, err := s.common(f)
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
	give, err := f.boolean(f.first("return_documents", "return_text"), false)
	if err != nil {
		return err
	}
	a.questions = []question{{query, texts(documents)}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := newReply(noteOf(r.Context()).id, out.modelName(a.model), out.name, out.tokens, out.truncated, out.activation(raw))
	for _, p := range out.ranking(raw, topN) {
		result := rerankResult{Index: p.index, Score: p.score}
		if give {
			result.Document = documents[p.index].reply()
		}
		reply.Results = append(reply.Results, result)
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}

type textReply struct {
	Text string `json:"text"`
}

// reply is what return_documents gives back: the object that came, or one made
// of the string.
func (d document) reply() any {
	if d.object != nil {
		return json.RawMessage(d.object)
	}
	return textReply{d.text}
}

// A Ranking is what WriteRanking writes.
type Ranking struct {
	Model      string
	Activation string // of probabilities
	Raw        bool   // the scores are logits
	Tokens     int    // of all pairs
	Truncated  int    // documents that were cut
	Results    []winnow.Result
}

// WriteRanking writes the reply of /v1/rerank with the documents in it.
func WriteRanking(w io.Writer, r Ranking) error {
	if r.Raw {
		r.Activation = "none"
	}
	reply := newReply(requestID(nil), r.Model, r.Model, r.Tokens, r.Truncated, r.Activation)
	for _, result := range r.Results {
		reply.Results = append(reply.Results, rerankResult{result.Index, result.Score, textReply{result.Document}})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(reply)
}

func newReply(id, asked, model string, tokens, truncated int, activation string) rerankReply {
	return rerankReply{ID: "rerank-" + id, Model: asked, Object: "list", Usage: usage{tokens, tokens}, Results: []rerankResult{},
		Meta: rerankMeta{Activation: activation, Model: model, Truncated: truncated, APIVersion: apiVersion{"1"}, BilledUnits: billedUnits{1}}}
}
