package server

import (
	"net/http"
	"regexp"
	"strings"
)

// voyage is the dialect of Voyage AI. It is recognised by top_k or, without it, by the
// client's user agent or the model's name.
var voyage = &rankDialect{
	is: func(f fields, h http.Header) bool {
		model, _ := jsonString(f["model"])
		return f.hasKey("top_k") || strings.HasPrefix(h.Get("User-Agent"), "voyageai/") || voyageModels.MatchString(model) && !f.hasKey("top_n")
	},
	documents: "documents",
	top:       []string{"top_k"},
	give:      []string{"return_documents", "return_input"},
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return voyageReply{Object: "list", Data: a.relevance(document.asGiven), Model: a.modelName(), Usage: voyageUsage{a.tokens}}
	},
}

// voyageModels matches the names of Voyage's rerankers. (Cohere's continue with a v or a
// word.)
var voyageModels = regexp.MustCompile(`^(voyageai/)?rerank-(lite-)?\d`)

type voyageReply struct {
	Object string         `json:"object"`
	Data   []rerankResult `json:"data"`
	Model  string         `json:"model"`
	Usage  voyageUsage    `json:"usage"`
}

type voyageUsage struct {
	TotalTokens int `json:"total_tokens"`
}
