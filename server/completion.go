package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-rerank/winnow"
)

// Completion of text, in the dialects of llama.cpp and OpenAI.

// A completionDialect is how one kind of client asks for completions and what it reads as
// the answer.
type completionDialect struct {
	// cannot says of a model without a language model's head what it cannot do, and why.
	cannot string
	// prompts finds the prompts of a request; nil: its field "prompt" has them.
	prompts func(a *completion, f fields) ([]json.RawMessage, error)
	// probs reads how many tokens are told at each step; nil: the fields say the number.
	probs func(f *reader) int
	// envelope is what choices come in; nil: in nothing, as with llama.cpp.
	envelope func(a *completion, choices []any) map[string]any
	// begin is the first event of a stream, if it is not nil. partial is an event for token n
	// of prompt i, or nil for none; final is its last event, or the reply to the prompt.
	begin   func(a *completion) any
	partial func(a *completion, i, n int, text string, t winnow.CompletionToken) any
	final   func(a *completion, i int, c *winnow.Completion) any
	// frame is around what final made of all prompts, of a reply in one piece.
	frame func(a *completion, finals []any, all []*winnow.Completion) any
}

const noHead = ": it has no language-model head"

// A completion is a request for completions.
type completion struct {
	*call
	dialect *completionDialect
	asked   string // the model's name in the request
	prompts [][]int
	many    bool // prompts came as a list
	begun   bool // they begin with the token that texts begin with
	options winnow.CompleteOptions
	seed    int64
	tokens  bool     // the reply tells the tokens
	only    []string // the reply has only these members, whose names may be paths; nil: all
	stream  bool
	usage   bool // the stream ends with the usage
}

// completion answers a route on which this dialect is spoken.
func (s *Server) completion(d *completionDialect) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		a := &completion{dialect: d}
		var prompts []json.RawMessage
		err := s.read(w, r, func(f fields) (err error) {
			if a.call, err = s.named(r, f, "complete", d.cannot); err != nil {
				return err
			}
			if err := a.read(f); err != nil {
				return err
			}
			if d.prompts != nil {
				prompts, err = d.prompts(a, f)
			} else {
				prompts, err = f.prompts("prompt", wantPrompt)
				if len(prompts) > mostPrompts {
					err = invalid("\"prompt\" has more than %d prompts", mostPrompts)
				}
			}
			return err
		})
		if a.call != nil {
			defer a.close()
		}
		if err != nil {
			return err
		}
		if err := a.tokenise(prompts); err != nil {
			return err
		}
		if a.stream {
			return a.streamed(w)
		}
		var finals []any
		var all []*winnow.Completion
		for i := range a.prompts {
			c, err := a.complete(i, a.options)
			if err != nil {
				return err
			}
			finals = append(finals, d.final(a, i, c))
			all = append(all, c)
		}
		reply := d.frame(a, finals, all)
		a.close() // a client that reads slowly keeps neither the model nor a place in its queue
		writeParts(w, reply)
		return nil
	}
}

// A completion keeps its turn at the model for so many tokens at a time. A token takes
// about as long as the reading of tokenCost: all weights are read for each.
const (
	turnTokens = 8
	tokenCost  = 16
)

// complete makes the completion of prompt i, taking turns at the model with what else
// there is to do.
func (a *completion) complete(i int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	prompt := a.prompts[i]
	var had int64
	var end func()
	begin := func(cost int) (err error) {
		end, err = a.scheduler.turn(a.ctx, a.note.client, cost, had)
		had += int64(cost)
		return err
	}
	if err := begin(len(prompt) + tokenCost); err != nil {
		return nil, err
	}
	defer func() {
		if end != nil {
			end()
		}
	}()
	tokens, emit := 0, o.Emit
	o.Emit = func(text string, t winnow.CompletionToken) error {
		if tokens++; emit == nil && tokens%turnTokens != 0 {
			return nil
		}
		end()
		end = nil
		// A client that reads slowly must not keep the model meanwhile.
		if emit != nil {
			if err := emit(text, t); err != nil {
				return err
			}
			return begin(tokenCost)
		}
		return begin(turnTokens * tokenCost)
	}
	c, err := a.model.CompleteTokens(a.ctx, prompt, o)
	if err == nil {
		a.server.metrics.completion(c)
	}
	if errors.Is(err, winnow.ErrPromptTooLong) {
		return nil, contextSize(len(prompt), a.info.MaxLength, "the prompt has %d tokens and leaves no room in the window of %d", len(prompt), a.info.MaxLength)
	}
	return c, err
}

// withoutSampling are the sampling options of llama.cpp that winnow does not have, with
// the values that mean that they are off.
var withoutSampling = map[string][]float64{
	"mirostat": {0}, "repeat_penalty": {1}, "presence_penalty": {0}, "frequency_penalty": {0}, "dry_multiplier": {0},
	"xtc_probability": {0}, "typical_p": {1}, "top_n_sigma": {0, -1}, "dynatemp_range": {0}, "n": {1}, "n_cmpl": {1}, "best_of": {1},
	"n_indent": {0}, "t_max_predict_ms": {-1, 0}, "t_max_prompt_ms": {-1, 0},
}

// read reads the options.
func (a *completion) read(all fields) error {
	f := &reader{fields: all}
	a.asked = cmp.Or(f.str("model"), a.name)
	refuseOptions(f)
	a.sampling(f)
	a.tokens = f.boolean("return_tokens", false)
	a.stream = f.boolean("stream", false)
	if options, ok := jsonObject(all["stream_options"]); ok && a.dialect.envelope != nil {
		usage, err := options.boolean("include_usage", false)
		a.usage = usage
		f.fail(err)
	}
	if f.has("response_fields") && a.dialect.envelope == nil && string(all["response_fields"]) != "[]" && f.err == nil {
		a.only, f.err = f.texts("response_fields", maxFields)
	}
	if f.has("stop") && string(all["stop"]) != "[]" {
		const mostStops = 64
		a.options.Stop = f.textOrTexts("stop", mostStops)
	}
	return f.err
}

// refuseOptions refuses what winnow does not have, unless it is off.
func refuseOptions(f *reader) {
	const leaveOut = ": winnow does not have this option; leave it out"
	for name, off := range withoutSampling {
		if v := f.number(name, math.Inf(-1), math.Inf(1), off[0]); v != off[0] && v != off[len(off)-1] {
			f.fail(invalid("%q is %v"+leaveOut, name, v))
		}
	}
	if f.boolean("post_sampling_probs", false) {
		f.fail(invalid("%q"+leaveOut, "post_sampling_probs"))
	}
	for _, name := range []string{"grammar", "json_schema", "logit_bias", "lora"} {
		if v := string(f.fields[name]); f.has(name) && v != `""` && v != "[]" && v != "{}" {
			f.fail(invalid("%q"+leaveOut, name))
		}
	}
}

// mostProbs bounds the probabilities of a step.
const mostProbs = 10000

// sampling reads how tokens are chosen.
func (a *completion) sampling(f *reader) {
	o, d := &a.options, a.server.options.Sampling
	o.MaxTokens = f.integer(f.first("n_predict", "max_completion_tokens", "max_tokens"), -1, d.MaxTokens)
	o.Temperature = f.number("temperature", 0, math.Inf(1), d.Temperature)
	o.TopK = f.integer("top_k", math.MinInt32, d.TopK)
	if o.TopP = f.number("top_p", 0, 1, d.TopP); o.TopP == 0 {
		o.TopP = math.SmallestNonzeroFloat64 // the most probable one only
	}
	o.MinP = f.number("min_p", 0, 1, d.MinP)
	if a.seed = int64(f.number("seed", -1, 1<<53, float64(d.Seed))); a.seed == -1 || a.seed == math.MaxUint32 {
		a.seed = int64(rand.Uint32())
	}
	o.Seed = uint64(a.seed)
	if a.dialect.probs != nil {
		o.Probs = a.dialect.probs(f)
	} else {
		o.Probs = f.integer(f.first("n_probs", "logprobs"), 0, 0)
	}
	o.Probs = min(o.Probs, mostProbs)
	o.IgnoreEnd = f.boolean("ignore_eos", d.IgnoreEnd)
	o.NoCache = !f.boolean("cache_prompt", true)
}

// mostPrompts bounds the prompts of a request.
const mostPrompts = 128

const wantPrompt = "a string, an array of tokens, or an array of prompts"

// A reply with probabilities is as large as they are many. They are counted when a request
// is admitted, this many as a token.
const (
	mostProbabilities     = 1 << 20
	probabilitiesPerToken = 4
)

// tokenise makes tokens of the prompts when there is a place in the queue for them and for
// what they are continued by.
func (a *completion) tokenise(prompts []json.RawMessage) error {
	a.many = len(prompts) > 1
	sizes := make([]int, len(prompts))
	for i, p := range prompts {
		sizes[i] = len(p)
	}
	most := a.options.MaxTokens
	if most < 0 || most > a.info.MaxLength {
		most = a.info.MaxLength
	}
	probabilities := int64(most) * int64(len(prompts)) * int64(a.options.Probs)
	if probabilities > mostProbabilities {
		return invalid("%d probabilities for each of %d tokens are asked for (\"n_probs\", \"n_predict\"), of %d prompts: expected at most %d in all",
			a.options.Probs, most, len(prompts), mostProbabilities)
	}
	more := int64(most)*int64(len(prompts)) + probabilities/probabilitiesPerToken
	err := a.encode(sizes, more, more, false, func(_ context.Context, from, to int) (tokens int, err error) {
		for _, raw := range prompts[from:to] {
			p, err := a.prompt(raw)
			if err != nil {
				return 0, err
			}
			tokens += len(p)
			a.prompts = append(a.prompts, p)
		}
		return tokens, nil
	})
	if err != nil {
		return err
	}
	work := probabilities / probabilitiesPerToken
	for _, p := range a.prompts {
		work += int64(len(p) + min(most, max(a.info.MaxLength-len(p), 0)))
	}
	a.note.tokens = int(work)
	a.ticket.correct(work)
	return nil
}

// prompts gives the prompts of a field: each text, tokens, or both mixed. They are not
// decoded yet.
func (f fields) prompts(name, want string) ([]json.RawMessage, error) {
	if !f.has(name) {
		return nil, f.wrong(name, want)
	}
	raw := f[name]
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	if string(raw) == "[]" {
		e := invalid("%q is an empty array: expected tokens or prompts", name)
		e.Empty = true
		return nil, e
	}
	var list []json.RawMessage
	numbers := false
	err := f.list(name, maxTokens, "tokens or prompts", func(_ int, v json.RawMessage) error {
		if v[0] != '"' && v[0] != '[' && v[0] != '{' {
			numbers = true
			return errEnough
		}
		list = append(list, v)
		return nil
	})
	if numbers { // or numbers and texts mixed: one prompt
		return []json.RawMessage{raw}, nil
	}
	return list, err
}

// errEnough ends a list of which enough has been seen.
var errEnough = errors.New("enough")

// prompt is one prompt as tokens.
func (a *completion) prompt(raw json.RawMessage) (ids []int, err error) {
	text := func(s string, special bool) error {
		tokens, err := a.model.Tokenize(s, special)
		for _, t := range tokens {
			ids = append(ids, t.ID)
		}
		return err
	}
	if s, ok := jsonString(raw); ok {
		// Of an empty text there is what the model wants before any, if that is something.
		return ids, text(s, !a.begun)
	}
	if o, ok := jsonObject(raw); ok {
		s, err := promptString("prompt", o)
		if err != nil {
			return nil, err
		}
		return ids, text(s, true)
	}
	if raw[0] != '[' {
		return nil, invalid("\"prompt\" is %s: expected %s", describe(raw), wantPrompt)
	}
	return a.tokensOf("prompt", raw)
}

// tokensOf are the tokens of an array of token ids and texts.
func (c *call) tokensOf(name string, raw json.RawMessage) (ids []int, err error) {
	if string(raw) == "[]" {
		return nil, nil
	}
	f := fields{name: raw}
	err = f.list(name, maxTokens, "tokens", func(i int, v json.RawMessage) error {
		if s, ok := jsonString(v); ok {
			// As llama.cpp does, the special tokens come before the first part only.
			tokens, err := c.model.Tokenize(s, i == 0)
			for _, t := range tokens {
				ids = append(ids, t.ID)
			}
			return err
		}
		id, err := c.token(name, i, v)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// promptString is the text of an object that llama.cpp takes for a text: its form for
// models that see or hear.
func promptString(name string, o fields) (string, error) {
	if v := string(o["multimodal_data"]); o.has("multimodal_data") && v != "[]" {
		return "", invalid("\"multimodal_data\": the model reads text only")
	}
	if o.has("content") {
		parts, err := textParts("content", o)
		return strings.Join(parts, ""), err
	}
	s, ok := jsonString(o["prompt_string"])
	if !ok {
		return "", invalid("%q is an object without a string \"prompt_string\"", name)
	}
	return s, nil
}

// number is a number from low to high.
func (f fields) number(name string, low, high, otherwise float64) (float64, error) {
	if !f.has(name) {
		return otherwise, nil
	}
	number, ok := jsonNumber(f[name])
	if !ok || number < low || number > high {
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

// streamed answers with server-sent events.
func (a *completion) streamed(w http.ResponseWriter) error {
	started := false
	var event func(v any) error
	event = func(v any) error {
		if !started {
			started = true
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusOK)
			if a.dialect.begin != nil {
				if err := event(a.dialect.begin(a)); err != nil {
					return err
				}
			}
		}
		b := bytes.NewBufferString("data: ")
		if err := encodeJSON(b, v); err != nil {
			return err
		}
		b.WriteString("\n")
		if _, err := w.Write(b.Bytes()); err != nil {
			return errClientGone
		}
		return http.NewResponseController(w).Flush()
	}
	var all []*winnow.Completion
	for i := range a.prompts {
		o, n := a.options, 0
		o.Emit = func(text string, t winnow.CompletionToken) error {
			n++
			if v := a.dialect.partial(a, i, n, text, t); v != nil {
				return event(v)
			}
			return nil
		}
		c, err := a.complete(i, o)
		if err != nil {
			if !started {
				return err
			}
			// The status has been sent: the error is an event.
			e := asAPIError(err)
			noteError(w, e)
			_ = event(map[string]any{"error": e.members()})
			return nil
		}
		all = append(all, c)
		if err := event(a.dialect.final(a, i, c)); err != nil {
			return nil
		}
	}
	if a.dialect.envelope == nil {
		return nil
	}
	if a.usage {
		if err := event(a.counted([]any{}, all)); err != nil {
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
	return tokenProbability{ID: t.ID, Token: strings.ToValidUTF8(t.Bytes, ""), Bytes: byteList(t.Bytes), Logprob: max(t.Logprob, -math.MaxFloat32)}
}

func probabilitiesOf(t winnow.CompletionToken) stepProbabilities {
	step := stepProbabilities{tokenProbability: probabilityOf(t.TokenProbability), Top: make([]tokenProbability, len(t.Top))}
	for i, c := range t.Top {
		step.Top[i] = probabilityOf(c)
	}
	return step
}

// steps are the probabilities of a completion's tokens. Those of a step are made when it
// is written.
type steps []winnow.CompletionToken

// MarshalJSON is for events, which have one step each.
func (s steps) MarshalJSON() ([]byte, error) {
	list := make([]stepProbabilities, len(s))
	for i, t := range s {
		list[i] = probabilitiesOf(t)
	}
	return json.Marshal(list)
}

// writeParts sends v as writeJSON does, but the elements of maps, lists and steps by
// themselves: with all probabilities at once a reply may be too large to be held.
func writeParts(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(w, writePiece)
	p := partWriter{out: out, buffer: new(bytes.Buffer)}
	p.value(v)
	p.string("\n")
	_ = out.Flush() // an error means that the client has gone
}

type partWriter struct {
	out    *bufio.Writer
	buffer *bytes.Buffer
}

func (p *partWriter) string(s string) { _, _ = p.out.WriteString(s) }

func (p *partWriter) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		p.string("{")
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				p.string(",")
			}
			p.value(name)
			p.string(":")
			p.value(v[name])
		}
		p.string("}")
	case []any:
		p.list(len(v), func(i int) any { return v[i] })
	case steps:
		p.list(len(v), func(i int) any { return probabilitiesOf(v[i]) })
	default:
		p.buffer.Reset()
		if encodeJSON(p.buffer, v) == nil { // what cannot be encoded is a mistake of this package
			_, _ = p.out.Write(bytes.TrimSuffix(p.buffer.Bytes(), []byte("\n")))
		}
	}
}

func (p *partWriter) list(n int, element func(i int) any) {
	p.string("[")
	for i := range n {
		if i > 0 {
			p.string(",")
		}
		p.value(element(i))
	}
	p.string("]")
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
	// The first token comes of the prompt's last one, and takes no time of its own.
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

// llamaCompletions is llama.cpp's dialect.
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
			return a.chosen(reply)
		}
		if a.tokens {
			reply["tokens"] = tokenIDs(c)
		}
		if o.Probs > 0 {
			reply["completion_probabilities"] = steps(c.Tokens)
		}
		return a.chosen(reply)
	},
	frame: func(a *completion, finals []any, _ []*winnow.Completion) any {
		if a.many {
			return finals
		}
		return finals[0]
	},
}

// chosen is a reply with the members that the request wants. Those of members are named by
// paths such as generation_settings/n_predict.
func (a *completion) chosen(reply map[string]any) map[string]any {
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

type completionUsage struct {
	PromptTokens     int           `json:"prompt_tokens"`
	CompletionTokens int           `json:"completion_tokens"`
	TotalTokens      int           `json:"total_tokens"`
	Prompt           promptDetails `json:"prompt_tokens_details"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// counted is the envelope with what all completions of the request cost.
func (a *completion) counted(choices []any, all []*winnow.Completion) map[string]any {
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

// finishReason is OpenAI's word for why a completion ended.
func finishReason(c *winnow.Completion) string {
	if c.Stop == winnow.StopEnd || c.Stop == winnow.StopWord {
		return "stop"
	}
	return "length"
}

// choice is one of OpenAI's choices, yet without its text. reason is nil as long as there
// is more to come.
func (a *completion) choice(i int, tokens []winnow.CompletionToken, reason any) map[string]any {
	choice := map[string]any{"index": i, "logprobs": nil, "finish_reason": reason}
	if a.options.Probs > 0 && len(tokens) > 0 {
		choice["logprobs"] = map[string]any{"content": steps(tokens)}
	}
	return choice
}

// told are the tokens of an event whose probabilities it tells: none of one that has only
// what was left of the text.
func told(t winnow.CompletionToken) []winnow.CompletionToken {
	if t.ID < 0 {
		return nil
	}
	return []winnow.CompletionToken{t}
}

// openAICompletions is OpenAI's dialect.
var openAICompletions = &completionDialect{
	cannot:   "complete text" + noHead,
	envelope: textCompletion,
	partial: func(a *completion, i, _ int, text string, t winnow.CompletionToken) any {
		choice := a.choice(i, told(t), nil)
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
	frame: func(a *completion, choices []any, all []*winnow.Completion) any { return a.counted(choices, all) },
}

// textCompletion is the envelope of OpenAI's completions.
func textCompletion(a *completion, choices []any) map[string]any {
	return a.envelope("cmpl-", "text_completion", choices)
}

// envelope is what OpenAI's replies have in common.
func (a *completion) envelope(prefix, object string, choices []any) map[string]any {
	return map[string]any{"id": prefix + a.note.id, "object": object, "created": time.Now().Unix(), "model": a.asked,
		"system_fingerprint": "build-" + a.server.options.Version, "choices": choices}
}
