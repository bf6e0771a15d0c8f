package server

import (
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// llamaCompletions is the completion dialect of llama.cpp's server.
var llamaCompletions = &completionDialect{
	cannot: "complete text" + noHead,
	partial: func(a *completion, i, n int, text string, t winnow.CompletionToken) any {
		event := map[string]any{"index": i, "content": text, "tokens": []int{}, "stop": false, "id_slot": 0, "tokens_predicted": n,
			"tokens_evaluated": len(a.prompts[i])}
		if t.ID >= 0 {
			event["tokens"] = []int{t.ID}
			if a.options.Probs > 0 {
				event["completion_probabilities"] = []any{probabilitiesOf(t)}
			}
		}
		return event
	},
	final: func(a *completion, i int, c *winnow.Completion) any {
		prompt, err := a.model.Detokenize(a.prompts[i])
		if err != nil {
			prompt = ""
		}
		o := &a.options
		reply := map[string]any{
			"index": i, "content": c.Text, "tokens": []int{}, "id_slot": 0, "stop": true, "model": a.asked,
			"tokens_predicted": len(c.Tokens), "tokens_evaluated": c.PromptTokens, "prompt": prompt,
			"generation_settings": map[string]any{"seed": a.seed, "temperature": o.Temperature, "top_k": o.TopK, "top_p": o.TopP, "min_p": o.MinP,
				"stop": append([]string{}, o.Stop...), "max_tokens": o.MaxTokens, "n_predict": o.MaxTokens, "ignore_eos": o.IgnoreEnd,
				"stream": a.stream, "n_probs": o.Probs, "samplers": []string{"top_k", "top_p", "min_p", "temperature"}},
			"has_new_line": strings.Contains(c.Text, "\n"), "truncated": c.Truncated, "stop_type": c.Stop, "stopping_word": c.StoppingWord,
			"tokens_cached": max(0, c.PromptTokens+len(c.Tokens)-1), "timings": timingsOf(c),
		}
		if a.stream {
			reply["content"] = ""
			return a.selected(reply)
		}
		if a.tokens {
			reply["tokens"] = tokenIDs(c)
		}
		if o.Probs > 0 {
			reply["completion_probabilities"] = steps(c.Tokens)
		}
		return a.selected(reply)
	},
	frame: func(a *completion, finals []any, _ []*winnow.Completion) any {
		if a.many {
			return finals
		}
		return finals[0]
	},
}

// selected returns the reply with the requested members only. Nested ones are named by
// paths such as generation_settings/n_predict.
func (a *completion) selected(reply map[string]any) map[string]any {
	if a.only == nil {
		return reply
	}
	few := make(map[string]any)
	for _, path := range a.only {
		var v any = reply
		for name := range strings.SplitSeq(path, "/") {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if v != nil {
			few[path] = v
		}
	}
	return few
}

type tokenProbability struct {
	ID      int     `json:"id"`
	Token   string  `json:"token"`
	Bytes   []int   `json:"bytes"`
	Logprob float64 `json:"logprob"`
}

type stepProbabilities struct {
	tokenProbability
	Top []tokenProbability `json:"top_logprobs"`
}

func probabilityOf(t winnow.TokenProbability) tokenProbability {
	// llama.cpp drops incomplete characters, which Bytes contains.
	return tokenProbability{ID: t.ID, Token: strings.ToValidUTF8(t.Bytes, ""), Bytes: byteList(t.Bytes), Logprob: max(t.Logprob, -math.MaxFloat32)}
}

func probabilitiesOf(t winnow.CompletionToken) stepProbabilities {
	step := stepProbabilities{tokenProbability: probabilityOf(t.TokenProbability), Top: make([]tokenProbability, len(t.Top))}
	for i, c := range t.Top {
		step.Top[i] = probabilityOf(c)
	}
	return step
}

type completionTimings struct {
	CacheN             int     `json:"cache_n"`
	PromptN            int     `json:"prompt_n"`
	PromptMS           float64 `json:"prompt_ms"`
	PromptPerTokenMS   float64 `json:"prompt_per_token_ms"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms"`
	PredictedPerToken  float64 `json:"predicted_per_token_ms"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
}

func timingsOf(c *winnow.Completion) completionTimings {
	t := completionTimings{CacheN: c.CachedTokens, PromptN: c.PromptTokens - c.CachedTokens, PromptMS: milliseconds(c.PromptTime),
		PredictedN: len(c.Tokens), PredictedMS: milliseconds(c.Time)}
	if t.PromptN > 0 && t.PromptMS > 0 {
		t.PromptPerTokenMS, t.PromptPerSecond = t.PromptMS/float64(t.PromptN), 1000*float64(t.PromptN)/t.PromptMS
	}
	// The first token results from reading the prompt and takes no time of its own.
	if steps := float64(t.PredictedN - 1); steps > 0 && t.PredictedMS > 0 {
		t.PredictedPerToken, t.PredictedPerSecond = t.PredictedMS/steps, 1000*steps/t.PredictedMS
	}
	return t
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func tokenIDs(c *winnow.Completion) []int {
	ids := []int{}
	for _, t := range c.Tokens {
		ids = append(ids, t.ID)
	}
	return ids
}

// llamaEmbeddings is the embedding dialect of llama.cpp's server.
var llamaEmbeddings = &embedDialect{
	input:  []string{"content", "input"},
	tokens: true,
	more: func(f *reader, q *embedRequest) {
		// llama.cpp numbers norms: -1 is none, 2 the Euclidean norm.
		kind := f.integer("embd_normalize", -1, 2)
		if kind != -1 && kind != 2 {
			f.fail(invalid("%q is %d: expected -1 (none) or 2 (length 1)", "embd_normalize", kind))
		}
		q.unit = q.unit && kind == 2
	},
	states: func(q *embedRequest) error { q.options.EveryToken = true; return nil },
	reply: func(a *embedded, _ http.Header) any {
		type entry struct {
			Index     int         `json:"index"`
			Embedding [][]float32 `json:"embedding"`
		}
		list := make([]entry, len(a.vectors))
		for i, v := range a.vectors {
			list[i] = entry{i, [][]float32{v}}
			if a.states != nil {
				list[i].Embedding = a.states[i]
			}
		}
		return list
	},
}
