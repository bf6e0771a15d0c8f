package server

import (
	"maps"
	"net/http"
	"strings"
)

// dashscope is the dialect of Alibaba's DashScope.
var dashscope = &rankDialect{
	unwrap: func(f fields) (fields, error) {
		input, ok := jsonObject(f["input"])
		if !ok {
			return nil, f.wrong("input", "an object with query and documents")
		}
		parameters := fields{}
		if f.has("parameters") {
			if parameters, ok = jsonObject(f["parameters"]); !ok {
				return nil, f.wrong("parameters", "an object")
			}
		}
		all := fields{"model": f["model"]}
		if !f.has("model") {
			delete(all, "model")
		}
		maps.Copy(all, parameters)
		maps.Copy(all, input)
		return all, nil
	},
	documents: "documents",
	top:       []string{"top_n"},
	give:      []string{"return_documents"},
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return dashscopeReply{Output: dashscopeOutput{a.relevance(document.asObject)}, Usage: voyageUsage{a.tokens}, RequestID: a.id}
	},
	fail: func(w http.ResponseWriter, e *apiError) {
		errorHeader(w, e)
		code := "InvalidParameter"
		if e.Status >= 500 || e.Status == http.StatusTooManyRequests {
			code = strings.ReplaceAll(http.StatusText(e.Status), " ", "")
		}
		writeJSON(w, e.Status, map[string]string{"code": code, "message": e.Message, "request_id": w.Header().Get("X-Request-Id")})
	},
}

type dashscopeReply struct {
	Output    dashscopeOutput `json:"output"`
	Usage     voyageUsage     `json:"usage"`
	RequestID string          `json:"request_id"`
}

type dashscopeOutput struct {
	Results []rerankResult `json:"results"`
}
