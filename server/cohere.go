package server

import "net/http"

// The dialect of Cohere's version 2.

type cohereReply struct {
	ID      string         `json:"id"`
	Results []rerankResult `json:"results"`
	Meta    cohereMeta     `json:"meta"`
}

type cohereMeta struct {
	APIVersion  apiVersion  `json:"api_version"`
	BilledUnits billedUnits `json:"billed_units"`
}

// vllmFields are those by which a request to /v2/rerank is known as vLLM's.
var vllmFields = []string{"truncate_prompt_tokens", "truncation_side", "max_tokens_per_query", "use_activation", "activation",
	"chat_template_kwargs", "chat_template", "mm_processor_kwargs", "add_special_tokens"}

func (s *Server) rerankV2(w http.ResponseWriter, r *http.Request) error {
	f, err := s.body(w, r)
	if err != nil {
		return err
	}
	if f.has(vllmFields...) {
		return s.rerankVLLM(w, r, f)
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
	reply := cohereReply{ID: noteOf(r.Context()).id, Results: make([]rerankResult, 0, len(documents)),
		Meta: cohereMeta{apiVersion{"2"}, billedUnits{1}}}
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
