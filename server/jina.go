package server

import "net/http"

// jina is the dialect of llama.cpp, Jina and Cohere's version 1, and of most self-hosted
// servers.
var jina = &rankDialect{
	documents: "documents",
	top:       []string{"top_n"},
	give:      []string{"return_documents", "return_text"},
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return jinaReply{ID: "rerank-" + a.id, Model: a.modelName(), Object: "list", Usage: usageOf(a.tokens),
			Results: a.relevance(document.asObject), Meta: metaOf(a.activation(), a.name, a.truncated, len(a.chunks), a.info.Listwise)}
	},
}

type jinaReply struct {
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Object  string         `json:"object"`
	Usage   usage          `json:"usage"`
	Results []rerankResult `json:"results"`
	Meta    rerankMeta     `json:"meta"`
}

type rerankMeta struct {
	Activation  string      `json:"activation"`
	Model       string      `json:"model"`
	Truncated   int         `json:"truncated"`
	Chunked     int         `json:"chunked,omitempty"`  // number of documents scored by windows
	Listwise    bool        `json:"listwise,omitempty"` // a score depends on the other documents
	APIVersion  apiVersion  `json:"api_version"`
	BilledUnits billedUnits `json:"billed_units"`
}

func metaOf(activation, model string, truncated, chunked int, listwise bool) rerankMeta {
	return rerankMeta{Activation: activation, Model: model, Truncated: truncated, Chunked: chunked, Listwise: listwise, APIVersion: apiVersion{"1"}, BilledUnits: billedUnits{1}}
}
