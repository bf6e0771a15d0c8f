package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// Completion of text, in the dialects of llama.cpp and OpenAI.

// A Completer is a Model that continues text.
type Completer interface {
	// Complete continues a prompt of tokens.
	Complete(ctx context.Context, prompt []int, o winnow.CompleteOptions) (*winnow.Completion, error)
}

// A completionAsk is a request for completions.
type completionAsk struct {
	view
	completer Completer
	asked     string // the model's name in the request
	prompts   [][]int
	many      bool // prompts came as a list
	options   winnow.CompleteOptions
	seed      int64
	tokens    bool // the reply tells the tokens
	stream    bool
	usage     bool // the stream ends with the usage
	id        string
}

// completion answers POST /completion.
func (s *Server) completion(w http.ResponseWriter, r *http.Request) error {
	a, release, err := s.completionAsk(w, r, false)
	if err != nil {
		return err
	}
	defer release()
	if a.stream {
		return a.streamed(w, r, a.partial, a.final, false)
	}
	replies, err := a.all(r.Context(), a.final)
	if err != nil {
		return err
	}
	if !a.many {
		writeJSON(w, http.StatusOK, replies[0])
		return nil
	}
	writeJSON(w, http.StatusOK, replies)
	return nil
}

// completionOpenAI answers POST /v1/completions.
func (s *Server) completionOpenAI(w http.ResponseWriter, r *http.Request) error {
	a, release, err := s.completionAsk(w, r, true)
	if err != nil {
		return err
	}
	defer release()
	if a.stream {
		return a.streamed(w, r, a.partialChoice, a.finalChoice, true)
	}
	var choices []any
	var usage completionUsage
	var last *winnow.Completion
	_, err = a.all(r.Context(), func(i int, c *winnow.Completion) any {
		choices = append(choices, a.choice(i, c, c.Text))
		usage.add(c)
		last = c
		return nil
	})
	if err != nil {
		return err
	}
	reply := a.textCompletion(choices)
	reply["usage"] = usage
	reply["timings"] = timingsOf(last)
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// chat answers for the routes of conversations, which a reranker has no use for.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) error {
	return s.without(w, r, "chat", "hold a conversation: send the prompt to /completion")
}

// completionAsk reads a request. release is to be called when it is answered.
func (s *Server) completionAsk(w http.ResponseWriter, r *http.Request, openAI bool) (a *completionAsk, release func(), err error) {
	f, err := s.body(w, r)
	if err != nil {
		return nil, nil, err
	}
	a = &completionAsk{}
	if a.asked, err = f.str("model"); err != nil {
		return nil, nil, err
	}
	v, free, err := s.open(r, f)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			free()
		}
	}()
	a.view = v
	var ok bool
	if a.completer, ok = v.model.(Completer); !ok || !slices.Contains(v.info.Tasks, "complete") {
		return nil, nil, notSupported("model %q cannot complete text: it has no language-model head", v.name)
	}
	if a.asked == "" {
		a.asked = v.name
	}
	a.id = noteOf(r.Context()).id
	if err := a.read(f, openAI); err != nil {
		return nil, nil, err
	}
	if err := a.readPrompts(f["prompt"], f); err != nil {
		return nil, nil, err
	}
	work := int64(0)
	for _, p := range a.prompts {
		most := a.options.MaxTokens
		if room := v.info.MaxLength - len(p); most < 0 || most > room {
			most = max(room, 0)
		}
		work += int64(len(p) + most)
	}
	noteOf(r.Context()).tokens = int(work)
	ticket, err := v.scheduler.admit(work)
	if err != nil {
		return nil, nil, err
	}
	return a, func() { ticket.release(); free() }, nil
}

// withoutSampling are the sampling options of llama.cpp that winnow does not have, with
// the values that mean that they are off.
var withoutSampling = map[string][]float64{
	"mirostat": {0}, "repeat_penalty": {1}, "presence_penalty": {0}, "frequency_penalty": {0}, "dry_multiplier": {0},
	"xtc_probability": {0}, "typical_p": {1}, "top_n_sigma": {0, -1}, "dynatemp_range": {0}, "n": {1}, "n_cmpl": {1}, "best_of": {1},
}

// read reads the options.
func (a *completionAsk) read(f fields, openAI bool) (err error) {
	for name, off := range withoutSampling {
		value, err := f.number(name, math.Inf(-1), math.Inf(1), off[0])
		if err != nil {
			return err
		}
		if value != off[0] && value != off[len(off)-1] {
			return invalid("%q is %v: winnow does not have this option; leave it out", name, value)
		}
	}
	for _, name := range []string{"grammar", "json_schema", "logit_bias", "lora"} {
		if v := string(f[name]); f.has(name) && v != `""` && v != "[]" && v != "{}" {
			return invalid("%q: winnow does not have this option; leave it out", name)
		}
	}
	o := &a.options
	if o.MaxTokens, err = f.integer(f.first("n_predict", "max_completion_tokens", "max_tokens"), -1, -1); err != nil {
		return err
	}
	if o.Temperature, err = f.number("temperature", 0, math.Inf(1), 0.8); err != nil {
		return err
	}
	if o.TopK, err = f.integer("top_k", math.MinInt32, 40); err != nil {
		return err
	}
	if o.TopP, err = f.number("top_p", 0, 1, 0.95); err != nil {
		return err
	}
	if o.TopP == 0 {
		o.TopP = math.SmallestNonzeroFloat64 // the most probable one only
	}
	if o.MinP, err = f.number("min_p", 0, 1, 0.05); err != nil {
		return err
	}
	seed, err := f.number("seed", -1, 1<<53, -1)
	if err != nil {
		return err
	}
	a.seed = int64(seed)
	if a.seed == -1 || a.seed == math.MaxUint32 {
		a.seed = int64(rand.Uint32())
	}
	o.Seed = uint64(a.seed)
	const mostProbs = 10000
	if o.Probs, err = f.integer(f.first("n_probs", "logprobs"), 0, 0); err != nil {
		return err
	}
	o.Probs = min(o.Probs, mostProbs)
	if o.IgnoreEnd, err = f.boolean("ignore_eos", false); err != nil {
		return err
	}
	cache, err := f.boolean("cache_prompt", true)
	if err != nil {
		return err
	}
	o.NoCache = !cache
	if a.tokens, err = f.boolean("return_tokens", false); err != nil {
		return err
	}
	if a.stream, err = f.boolean("stream", false); err != nil {
		return err
	}
	if options, ok := jsonObject(f["stream_options"]); ok && openAI {
		if a.usage, err = options.boolean("include_usage", false); err != nil {
			return err
		}
	}
	if f.has("stop") {
		const mostStops = 64
		if o.Stop, _, err = f.textOrTexts("stop", mostStops); err != nil {
			if string(f["stop"]) == "[]" {
				return nil
			}
			return err
		}
	}
	return nil
}

// mostPrompts bounds the prompts of a request.
const mostPrompts = 128

// readPrompts reads the prompt: text, tokens, both mixed, or a list of these.
func (a *completionAsk) readPrompts(raw json.RawMessage, f fields) error {
	const want = "a string, an array of tokens, or an array of prompts"
	if !f.has("prompt") {
		return f.wrong("prompt", want)
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		p, err := a.prompt(raw)
		if err != nil {
			return err
		}
		a.prompts = [][]int{p}
		return nil
	}
	texts, numbers := 0, 0
	for _, v := range list {
		switch {
		case v[0] == '"':
			texts++
		case v[0] != '[':
			numbers++
		}
	}
	if len(list) == 0 {
		return invalid("\"prompt\" is an empty array: expected tokens or prompts")
	}
	if numbers > 0 {
		p, err := a.prompt(raw)
		if err != nil {
			return err
		}
		a.prompts = [][]int{p}
		return nil
	}
	if len(list) > mostPrompts {
		return invalid("\"prompt\" has %d prompts: expected at most %d", len(list), mostPrompts)
	}
	a.many = len(list) > 1
	for _, v := range list {
		p, err := a.prompt(v)
		if err != nil {
			return err
		}
		a.prompts = append(a.prompts, p)
	}
	return nil
}

// prompt is one prompt as tokens.
func (a *completionAsk) prompt(raw json.RawMessage) ([]int, error) {
	text := func(s string, special bool) ([]int, error) {
		tokens, err := a.model.Tokenize(s, special)
		if err != nil {
			return nil, err
		}
		ids := make([]int, len(tokens))
		for i, t := range tokens {
			ids[i] = t.ID
		}
		return ids, nil
	}
	if s, ok := jsonString(raw); ok {
		// Of an empty text there is what the model wants before any, if that is something.
		return text(s, true)
	}
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, invalid("\"prompt\" is %s: expected a string, an array of tokens, or an array of prompts", describe(raw))
	}
	if len(list) > maxTokens {
		return nil, invalid("\"prompt\" has %d elements: expected at most %d", len(list), maxTokens)
	}
	var ids []int
	for i, v := range list {
		if s, ok := jsonString(v); ok {
			// As llama.cpp does, the special tokens come before the first part only.
			part, err := text(s, i == 0)
			if err != nil {
				return nil, err
			}
			ids = append(ids, part...)
			continue
		}
		var id int
		if json.Unmarshal(v, &id) != nil || id < 0 || id >= a.info.Vocabulary {
			return nil, invalid("prompt[%d] is %s: expected a token id from 0 to %d", i, describe(v), a.info.Vocabulary-1)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// number is a number from low to high.
func (f fields) number(name string, low, high, otherwise float64) (float64, error) {
	if !f.has(name) {
		return otherwise, nil
	}
	var number float64
	if v := f[name]; v[0] == '"' || json.Unmarshal(v, &number) != nil || number < low || number > high {
		want := "a number"
		switch {
		case !math.IsInf(low, 0) && !math.IsInf(high, 0):
			want = fmt.Sprintf("a number from %g to %g", low, high)
		case !math.IsInf(low, 0):
			want = fmt.Sprintf("a number of at least %g", low)
		}
		return 0, f.wrong(name, want)
	}
	return number, nil
}

// run makes the completion of prompt i.
func (a *completionAsk) run(ctx context.Context, i int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	c, err := a.completer.Complete(ctx, a.prompts[i], o)
	if errors.Is(err, winnow.ErrPromptTooLong) {
		return nil, &apiError{Status: http.StatusBadRequest, Type: typeContextSize,
			Message: fmt.Sprintf("the prompt has %d tokens and leaves no room in the window of %d", len(a.prompts[i]), a.info.MaxLength),
			Extra:   map[string]any{"n_prompt_tokens": len(a.prompts[i]), "n_ctx": a.info.MaxLength}}
	}
	return c, err
}

func (a *completionAsk) all(ctx context.Context, reply func(i int, c *winnow.Completion) any) ([]any, error) {
	var replies []any
	for i := range a.prompts {
		c, err := a.run(ctx, i, a.options)
		if err != nil {
			return nil, err
		}
		replies = append(replies, reply(i, c))
	}
	return replies, nil
}

// streamed answers with server-sent events.
func (a *completionAsk) streamed(w http.ResponseWriter, r *http.Request, partial func(i, n int, text string, t winnow.CompletionToken) any,
	final func(i int, c *winnow.Completion) any, openAI bool) error {
	started := false
	event := func(v any) error {
		if !started {
			started = true
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusOK)
		}
		var b strings.Builder
		b.WriteString("data: ")
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return err
		}
		b.WriteString("\n")
		if _, err := w.Write([]byte(b.String())); err != nil {
			return errClientGone
		}
		return http.NewResponseController(w).Flush()
	}
	var usage completionUsage
	for i := range a.prompts {
		o, n := a.options, 0
		o.Emit = func(text string, t winnow.CompletionToken) error {
			n++
			return event(partial(i, n, text, t))
		}
		c, err := a.run(r.Context(), i, o)
		if err != nil {
			if !started {
				return err
			}
			// The status has been sent: the error is an event.
			e := asAPIError(err)
			noteError(w, e)
			_ = event(map[string]any{"error": map[string]any{"code": e.Status, "message": e.Message, "type": e.Type}})
			return nil
		}
		usage.add(c)
		if err := event(final(i, c)); err != nil {
			return nil
		}
	}
	if !openAI {
		return nil
	}
	if a.usage {
		last := a.textCompletion([]any{})
		last["usage"] = usage
		if err := event(last); err != nil {
			return nil
		}
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
	return nil
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
	// llama.cpp cuts off what is only part of a character; Bytes has it.
	p := tokenProbability{ID: t.ID, Token: strings.ToValidUTF8(t.Bytes, ""), Bytes: make([]int, len(t.Bytes)), Logprob: math.Max(t.Logprob, -math.MaxFloat32)}
	for i := range len(t.Bytes) {
		p.Bytes[i] = int(t.Bytes[i])
	}
	return p
}

func probabilitiesOf(tokens ...winnow.CompletionToken) []stepProbabilities {
	list := []stepProbabilities{}
	for _, t := range tokens {
		step := stepProbabilities{tokenProbability: probabilityOf(t.TokenProbability), Top: []tokenProbability{}}
		for _, c := range t.Top {
			step.Top = append(step.Top, probabilityOf(c))
		}
		list = append(list, step)
	}
	return list
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
	if t.PredictedN > 0 && t.PredictedMS > 0 {
		t.PredictedPerToken, t.PredictedPerSecond = t.PredictedMS/float64(t.PredictedN), 1000*float64(t.PredictedN)/t.PredictedMS
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

// final is llama.cpp's reply to a prompt.
func (a *completionAsk) final(i int, c *winnow.Completion) any {
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
		return reply
	}
	if a.tokens {
		reply["tokens"] = tokenIDs(c)
	}
	if o.Probs > 0 {
		reply["completion_probabilities"] = probabilitiesOf(c.Tokens...)
	}
	return reply
}

// partial is an event of llama.cpp's stream, the n-th of prompt i.
func (a *completionAsk) partial(i, n int, text string, t winnow.CompletionToken) any {
	event := map[string]any{"index": i, "content": text, "tokens": []int{}, "stop": false, "id_slot": 0, "tokens_predicted": n,
		"tokens_evaluated": len(a.prompts[i])}
	if t.ID >= 0 {
		event["tokens"] = []int{t.ID}
		if a.options.Probs > 0 {
			event["completion_probabilities"] = probabilitiesOf(t)
		}
	}
	return event
}

type completionUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

func (u *completionUsage) add(c *winnow.Completion) {
	u.PromptTokens += c.PromptTokens
	u.CompletionTokens += len(c.Tokens)
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
}

// textCompletion is the frame of OpenAI's replies.
func (a *completionAsk) textCompletion(choices []any) map[string]any {
	return map[string]any{"id": "cmpl-" + a.id, "object": "text_completion", "created": time.Now().Unix(), "model": a.asked,
		"system_fingerprint": "winnow", "choices": choices}
}

// choice is one of OpenAI's choices.
func (a *completionAsk) choice(i int, c *winnow.Completion, text string) map[string]any {
	reason := "length"
	if c.Stop == winnow.StopEnd || c.Stop == winnow.StopWord {
		reason = "stop"
	}
	choice := map[string]any{"text": text, "index": i, "logprobs": nil, "finish_reason": reason}
	if a.options.Probs > 0 && !a.stream {
		choice["logprobs"] = map[string]any{"content": probabilitiesOf(c.Tokens...)}
	}
	return choice
}

func (a *completionAsk) finalChoice(i int, c *winnow.Completion) any {
	return a.textCompletion([]any{a.choice(i, c, "")})
}

func (a *completionAsk) partialChoice(i, _ int, text string, t winnow.CompletionToken) any {
	choice := map[string]any{"text": text, "index": i, "logprobs": nil, "finish_reason": nil}
	if a.options.Probs > 0 && t.ID >= 0 {
		choice["logprobs"] = map[string]any{"content": probabilitiesOf(t)}
	}
	return a.textCompletion([]any{choice})
}
