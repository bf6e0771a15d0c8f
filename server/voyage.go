package server

import "net/http"

// voyage is that vendor's dialect, known by top_k.
var voyage = &rankDialect{
	is:        func(f fields) bool { return f.hasKey("top_k") },
	documents: "documents",
	top:       []string{"top_k"},
	give:      []string{"return_documents", "return_input"},
	reply: func(a *ranked, _ http.Header) any {
		return voyageReply{Object: "list", Data: a.relevance(document.asGiven), Model: a.called(), Usage: voyageUsage{a.tokens}}
	},
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
