package server

import "net/http"

// isaacus is the dialect of Isaacus.
var isaacus = &rankDialect{
	is:        func(f fields, _ http.Header) bool { return f.has("texts") || !f.has("documents") && !f.has("input") },
	documents: "texts",
	strings:   true,
	top:       []string{"top_n"},
	reply: func(a *ranked, _ http.Header) any {
		return isaacusReply{Results: a.scores(), Usage: isaacusUsage{a.tokens}}
	},
}

type isaacusReply struct {
	Results []teiResult  `json:"results"`
	Usage   isaacusUsage `json:"usage"`
}

type isaacusUsage struct {
	InputTokens int `json:"input_tokens"`
}
