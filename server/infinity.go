package server

import (
	"net/http"
	"time"
)

// infinity is the dialect of the Infinity server. Its requests look like Jina's but its
// replies differ: documents are plain strings. It therefore has a path of its own, and a
// client's base URL is the server's followed by /infinity.
var infinity = &rankDialect{
	documents: "documents",
	top:       []string{"top_n"},
	give:      []string{"return_documents"},
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return infinityReply{Object: "rerank", Results: a.relevance(document.asText), Model: a.modelName(), Usage: usageOf(a.tokens),
			ID: "infinity-" + a.id, Created: time.Now().Unix()}
	},
}

type infinityReply struct {
	Object  string         `json:"object"`
	Results []rerankResult `json:"results"`
	Model   string         `json:"model"`
	Usage   usage          `json:"usage"`
	ID      string         `json:"id"`
	Created int64          `json:"created"`
}
