package server

import "net/http"

// The dialects of Mixedbread, Voyage and Isaacus.

type mixedbreadReply struct {
	Usage       usage             `json:"usage"`
	Model       string            `json:"model"`
	Data        []mixedbreadEntry `json:"data"`
	Object      string            `json:"object"`
	TopK        int               `json:"top_k"`
	ReturnInput bool              `json:"return_input"`
}

type mixedbreadEntry struct {
	Index  int     `json:"index"`
	Score  float64 `json:"score"`
	Input  any     `json:"input,omitempty"`
	Object string  `json:"object"`
}

// rerankMixedbread is for requests with input; the documents come back as they
// were given.
func (s *Server) rerankMixedbread(w http.ResponseWriter, r *http.Request, f fields) error {
	a, raw, err := s.common(f)
	if err != nil {
		return err
	}
	query, err := f.text("query")
	if err != nil {
		return err
	}
	documents, err := f.documents("input", s.options.MaxDocuments)
	if err != nil {
		return err
	}
	topK, err := f.integer(f.first("top_k", "top_n"), 0, 0)
	if err != nil {
		return err
	}
	give, err := f.boolean(f.first("return_input", "return_documents"), false)
	if err != nil {
		return err
	}
	a.questions = []question{{query, texts(documents)}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := mixedbreadReply{Usage: usageOf(out), Model: out.modelName(a.model), Data: make([]mixedbreadEntry, 0, len(documents)),
		Object: "list", ReturnInput: give}
	for _, p := range out.ranking(raw, topK) {
		entry := mixedbreadEntry{Index: p.index, Score: p.score, Object: "rank_result"}
		if give {
			entry.Input = documents[p.index].given()
		}
		reply.Data = append(reply.Data, entry)
	}
	reply.TopK = len(reply.Data)
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// given is the document as it came.
func (d document) given() any {
	if d.object != nil {
		return d.object
	}
	return d.text
}

type voyageReply struct {
	Object string         `json:"object"`
	Data   []rerankResult `json:"data"`
	Model  string         `json:"model"`
	Usage  voyageUsage    `json:"usage"`
}

type voyageUsage struct {
	TotalTokens int `json:"total_tokens"`
}

// rerankVoyage is for requests with documents and top_k.
func (s *Server) rerankVoyage(w http.ResponseWriter, r *http.Request, f fields) error {
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
	topK, err := f.integer("top_k", 0, 0)
	if err != nil {
		return err
	}
	give, err := f.boolean(f.first("return_documents", "return_input"), false)
	if err != nil {
		return err
	}
	a.questions = []question{{query, texts(documents)}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := voyageReply{Object: "list", Data: make([]rerankResult, 0, len(documents)), Model: out.modelName(a.model), Usage: voyageUsage{out.tokens}}
	for _, p := range out.ranking(raw, topK) {
		result := rerankResult{Index: p.index, Score: p.score}
		if give {
			result.Document = documents[p.index].given()
		}
		reply.Data = append(reply.Data, result)
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}

type isaacusReply struct {
	Results []teiResult  `json:"results"`
	Usage   isaacusUsage `json:"usage"`
}

type isaacusUsage struct {
	InputTokens int `json:"input_tokens"`
}

// rerankings answers POST /v1/rerankings, which is Isaacus's. What other
// vendors' clients would send to /v1/rerank is understood here too.
func (s *Server) rerankings(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	switch {
	case f.has("texts"):
		return s.rerankIsaacus(w, r, f)
	case f.has("input"):
		return s.rerankMixedbread(w, r, f)
	case f.has("documents") && hasKey(f, "top_k"):
		return s.rerankVoyage(w, r, f)
	case f.has("documents"):
		return s.rerankJina(w, r, f)
	}
	return s.rerankIsaacus(w, r, f)
}

func (s *Server) rerankIsaacus(w http.ResponseWriter, r *http.Request, f fields) error {
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
	topN, err := f.integer("top_n", 0, 0)
	if err != nil {
		return err
	}
	a.questions = []question{{query, list}}
	out, err := s.rank(r, a)
	if err != nil {
		return err
	}
	reply := isaacusReply{Results: make([]teiResult, 0, len(list)), Usage: isaacusUsage{out.tokens}}
	for _, p := range out.ranking(raw, topN) {
		reply.Results = append(reply.Results, teiResult{Index: p.index, Score: p.score})
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}
