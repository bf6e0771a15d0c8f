package server

import (
	"net/http"
	"time"
)

// vllm is vLLM's dialect of reranking, distinguished from Cohere's by fields of its own.
var vllm = &rankDialect{
	is: func(f fields, _ http.Header) bool {
		return f.has("truncate_prompt_tokens", "truncation_side", "max_tokens_per_query", "use_activation", "activation",
			"chat_template_kwargs", "chat_template", "mm_processor_kwargs", "add_special_tokens")
	},
	documents: "documents",
	top:       []string{"top_n"},
	more:      func(_ *reader, q *rankRequest) { q.give = true },
	marks:     true,
	reply: func(a *ranked, _ http.Header) any {
		return vllmReply{ID: "rerank-" + a.id, Model: a.modelName(), Usage: usageOf(a.tokens), Results: a.relevance(document.asObject)}
	},
}

type vllmReply struct {
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Usage   usage          `json:"usage"`
	Results []rerankResult `json:"results"`
}

// vllmScore is vLLM's dialect of scoring: each text of one side with its counterpart on
// the other, or one query with all documents.
var vllmScore = &rankDialect{
	read: readScores,
	reply: func(a *ranked, _ http.Header) any {
		reply := scoreReply{ID: "score-" + a.id, Object: "list", Created: time.Now().Unix(), Model: a.modelName(), Data: make([]scoreResult, len(a.results)), Usage: usageOf(a.tokens)}
		for i, r := range a.results {
			reply.Data[i] = scoreResult{i, "score", r.Score}
		}
		return reply
	},
}

type scoreReply struct {
	ID      string        `json:"id"`
	Object  string        `json:"object"`
	Created int64         `json:"created"`
	Model   string        `json:"model"`
	Data    []scoreResult `json:"data"`
	Usage   usage         `json:"usage"`
}

type scoreResult struct {
	Index  int     `json:"index"`
	Object string  `json:"object"`
	Score  float64 `json:"score"`
}

// scoreNames are vLLM's pairs of names for the two sides.
var scoreNames = [][2]string{{"text_1", "text_2"}, {"queries", "documents"}, {"queries", "items"}, {"data_1", "data_2"}, {"query", "documents"}}

func readScores(f *reader, q *rankRequest, most int) {
	names := scoreNames[0]
	for _, n := range scoreNames {
		if f.has(n[0]) && f.has(n[1]) {
			names = n
			break
		}
	}
	queries, documents := f.textOrTexts(names[0], most), f.textOrTexts(names[1], most)
	switch {
	case len(queries) == 1:
		q.questions = []question{{queries[0], documents}}
	case len(queries) == len(documents):
		for i, text := range queries {
			q.questions = append(q.questions, question{text, documents[i : i+1]})
		}
	default:
		f.fail(invalid("%q has %d elements and %q %d: expected one query, or as many as documents", names[0], len(queries), names[1], len(documents)))
	}
}
