package server

import (
	"net/http"
	"time"
)

// The dialect of infinity. Its requests are those of Jina and its replies are
// not: documents are plain strings. So it has a path of its own, and a client's
// base address is the server's with /infinity behind it.

type infinityReply struct {
	Object  string         `json:"object"`
	Results []rerankResult `json:"results"`
	Model   string         `json:"model"`
	Usage   usage          `json:"usage"`
	ID      string         `json:"id"`
	Created int64          `json:"created"`
}

func (s *Server) rerankInfinity(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
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
	give, err := f.boolean("return_documents", false)
	if err != nil {
		return err
	}
	a.questions = []question{{query, texts(documents)}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := infinityReply{Object: "rerank", Results: make([]rerankResult, 0, len(documents)), Model: out.modelName(a.model),
		Usage: usageOf(out), ID: "infinity-" + noteOf(r.Context()).id, Created: time.Now().Unix()}
	for _, p := range out.ranking(raw, topN) {
		result := rerankResult{Index: p.index, Score: p.score}
		if give {
			result.Document = documents[p.index].text
		}
		reply.Results = append(reply.Results, result)
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}
