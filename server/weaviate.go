package server

import (
	"encoding/json"
	"net/http"
)

// weaviate is the dialect that Weaviate's module reranker-transformers speaks with its
// container. It is recognised by property, which the module always sends.
var weaviate = &rankDialect{
	is: func(f fields, _ http.Header) bool { return f.hasKey("property") },
	unwrap: func(f fields) (fields, error) {
		if !f.has("documents") { // the module's older form: one text
			f["documents"] = json.RawMessage("[" + string(f["property"]) + "]")
		}
		return f, nil
	},
	documents: "documents",
	strings:   true,
	reply: func(a *ranked, _ http.Header) any {
		reply := weaviateReply{Query: a.questions[0].query, Scores: make([]weaviateScore, len(a.results))}
		for i, r := range a.results {
			reply.Scores[i] = weaviateScore{a.documents[i].text, r.Score}
		}
		if len(a.results) == 1 {
			reply.Property, reply.Score = a.documents[0].text, a.results[0].Score
		}
		return reply
	},
	fail: writeBareError,
}

type weaviateReply struct {
	Query    string          `json:"query"`
	Scores   []weaviateScore `json:"scores"`
	Property string          `json:"property,omitempty"`
	Score    float64         `json:"score,omitempty"`
}

type weaviateScore struct {
	Document string  `json:"document"`
	Score    float64 `json:"score"`
}

// wellKnown answers GET /.well-known/ready, which the module waits for, and
// /.well-known/live.
func (s *Server) wellKnown(w http.ResponseWriter, r *http.Request) error {
	if err := s.readiness(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// meta answers GET /meta.
func (s *Server) meta(w http.ResponseWriter, _ *http.Request) error {
	st, err := s.firstModel()
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]any{"model": st.spec.Name, "type": "cross-encoder"})
	return nil
}
