package server

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"time"

	"github.com/winnow-rerank/winnow"
)

// openAIEmbeddings is the dialect of OpenAI's /v1/embeddings.
var openAIEmbeddings = &embedDialect{
	input:  []string{"input", "content"},
	tokens: true,
	more:   func(f *reader, q *embedRequest) { q.formats = []string{f.oneOf("encoding_format", "float", "base64")} },
	states: func(*embedRequest) error {
		return invalid("vectors per token (--pooling none) cannot be represented in this dialect: use /embeddings or /embed_all, or another pooling")
	},
	reply: func(a *embedded, _ http.Header) any {
		type entry struct {
			Object    string `json:"object"`
			Index     int    `json:"index"`
			Embedding any    `json:"embedding"`
		}
		data := make([]entry, len(a.vectors))
		for i, v := range a.vectors {
			data[i] = entry{"embedding", i, v}
			if a.formats[0] == "base64" {
				data[i].Embedding = base64Of(v)
			}
		}
		return map[string]any{"object": "list", "model": cmp.Or(a.asked, a.name), "data": data, "usage": usageOf(a.tokens)}
	},
}

// base64Of encodes the numbers in little-endian order in base64.
func base64Of(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// openAICompletions is the dialect of OpenAI's /v1/completions.
var openAICompletions = &completionDialect{
	cannot:   "complete text" + noHead,
	envelope: textCompletion,
	partial: func(a *completion, i, _ int, text string, t winnow.CompletionToken) any {
		choice := a.choice(i, eventTokens(t), nil)
		choice["text"] = text
		return textCompletion(a, []any{choice})
	},
	final: func(a *completion, i int, c *winnow.Completion) any {
		if a.stream {
			choice := a.choice(i, nil, finishReason(c))
			choice["text"] = ""
			return textCompletion(a, []any{choice})
		}
		choice := a.choice(i, c.Tokens, finishReason(c))
		choice["text"] = c.Text
		return choice
	},
	frame: func(a *completion, choices []any, all []*winnow.Completion) any { return a.withUsage(choices, all) },
}

// textCompletion is the envelope of OpenAI's completions.
func textCompletion(a *completion, choices []any) map[string]any {
	return a.envelope("cmpl-", "text_completion", choices)
}

// envelope returns the members that OpenAI's replies have in common.
func (a *completion) envelope(prefix, object string, choices []any) map[string]any {
	return map[string]any{"id": prefix + a.note.id, "object": object, "created": time.Now().Unix(), "model": a.asked,
		"system_fingerprint": "build-" + a.server.options.Version, "choices": choices}
}

// withUsage returns the envelope with the usage of all completions of the request.
func (a *completion) withUsage(choices []any, all []*winnow.Completion) map[string]any {
	var usage completionUsage
	for _, c := range all {
		usage.PromptTokens += c.PromptTokens
		usage.CompletionTokens += len(c.Tokens)
		usage.Prompt.CachedTokens += c.CachedTokens
	}
	usage.TotalTokens = usage.PromptTokens + usage.CompletionTokens
	reply := a.dialect.envelope(a, choices)
	reply["usage"] = usage
	reply["timings"] = timingsOf(all[len(all)-1])
	return reply
}

// choice returns one of OpenAI's choices without its text. reason is nil until the last
// event.
func (a *completion) choice(i int, tokens []winnow.CompletionToken, reason any) map[string]any {
	choice := map[string]any{"index": i, "logprobs": nil, "finish_reason": reason}
	if a.options.Probs > 0 && len(tokens) > 0 {
		choice["logprobs"] = map[string]any{"content": steps(tokens)}
	}
	return choice
}

// eventTokens returns the tokens whose probabilities an event reports: none for an event that
// only delivers the rest of the text.
func eventTokens(t winnow.CompletionToken) []winnow.CompletionToken {
	if t.ID < 0 {
		return nil
	}
	return []winnow.CompletionToken{t}
}

type completionUsage struct {
	PromptTokens     int           `json:"prompt_tokens"`
	CompletionTokens int           `json:"completion_tokens"`
	TotalTokens      int           `json:"total_tokens"`
	Prompt           promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// finishReason returns OpenAI's word for why a completion ended.
func finishReason(c *winnow.Completion) string {
	if c.Stop == winnow.StopEnd || c.Stop == winnow.StopWord {
		return "stop"
	}
	return "length"
}
