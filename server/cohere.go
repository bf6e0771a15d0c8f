package server

import "net/http"

// cohere is the dialect of Cohere's API version 2.
var cohere = &rankDialect{
	documents: "documents",
	top:       []string{"top_n"},
	give:      []string{"return_documents"},
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return cohereReply{ID: a.id, Results: a.relevance(document.asObject), Meta: cohereMeta{apiVersion{"2"}, billedUnits{1}}}
	},
}

type cohereReply struct {
	ID      string         `json:"id"`
	Results []rerankResult `json:"results"`
	Meta    cohereMeta     `json:"meta"`
}

type cohereMeta struct {
	APIVersion  apiVersion  `json:"api_version"`
	BilledUnits billedUnits `json:"billed_units"`
}

type apiVersion struct {
	Version string `json:"version"`
}

type billedUnits struct {
	SearchUnits int `json:"search_units"`
}
