package server

import "net/http"

// mixedbread is the dialect of Mixedbread: documents are called input and come back as
// they were given.
var mixedbread = &rankDialect{
	is:        func(f fields, _ http.Header) bool { return f.has("input") && !f.has("documents") },
	documents: "input",
	top:       []string{"top_k", "top_n"},
	give:      []string{"return_input", "return_documents"},
	reply: func(a *ranked, _ http.Header) any {
		reply := mixedbreadReply{Usage: usageOf(a.tokens), Model: a.modelName(), Data: []mixedbreadEntry{}, Object: "list", ReturnInput: a.give}
		for _, r := range a.best() {
			entry := mixedbreadEntry{Index: r.Index, Score: r.Score, Object: "rank_result"}
			if a.give {
				entry.Input = a.documents[r.Index].asGiven()
			}
			reply.Data = append(reply.Data, entry)
		}
		reply.TopK = len(reply.Data)
		return reply
	},
}

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
