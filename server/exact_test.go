package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

// A fakeEmbedder has the numbers of a text for its vector, two of them.
type fakeEmbedder struct{ fakeModel }

func (m *fakeEmbedder) Info() winnow.Info {
	i := m.fakeModel.Info()
	i.Tasks, i.Dimensions, i.Pooling, i.Prompts = []string{"embed"}, 2, "first token", map[string]string{"query": "query: "}
	return i
}

func (m *fakeEmbedder) EncodeTexts(_ context.Context, texts []string, o winnow.TextOptions) ([]winnow.Encoding, error) {
	list := make([]winnow.Encoding, len(texts))
	for i, t := range texts {
		n := len(strings.Fields(t)) + 2
		if limit := m.Info().MaxLength; n > limit && o.Truncation == winnow.TruncateNever {
			return nil, &winnow.TooLongError{Index: i, Tokens: n, Limit: limit}
		}
		list[i] = fakePair{document: t}.encoding(n, n)
		list[i].EveryToken = o.EveryToken
	}
	return list, nil
}

func (m *fakeEmbedder) EmbedEncoded(_ context.Context, texts []winnow.Encoding) ([]winnow.Embedding, error) {
	list := make([]winnow.Embedding, len(texts))
	for i, e := range texts {
		for _, w := range strings.Fields(fakePairOf(e).document) {
			x, err := strconv.ParseFloat(w, 32)
			if err != nil {
				return nil, err
			}
			list[i].Vector = append(list[i].Vector, float32(x))
		}
		if e.EveryToken { // each the text's
			list[i] = winnow.Embedding{States: slices.Repeat([][]float32{list[i].Vector}, e.Tokens())}
		}
	}
	return list, nil
}

// A fakeCompleter continues every text by " one" and " two".
type fakeCompleter struct{ fakeModel }

func (m *fakeCompleter) Info() winnow.Info {
	i := m.fakeModel.Info()
	i.Tasks = []string{"complete"}
	return i
}

func (m *fakeCompleter) CompleteTokens(_ context.Context, prompt []int, o winnow.CompleteOptions) (*winnow.Completion, error) {
	if len(prompt) >= 64 {
		return nil, fmt.Errorf("fake: %w", winnow.ErrPromptTooLong)
	}
	c := &winnow.Completion{Stop: winnow.StopEnd, PromptTokens: len(prompt), CachedTokens: 1, PromptTime: 2 * time.Millisecond, Time: 4 * time.Millisecond}
	for i, text := range []string{" one", " two"} {
		if i == o.MaxTokens {
			c.Stop = winnow.StopLimit
			break
		}
		t := winnow.CompletionToken{TokenProbability: winnow.TokenProbability{ID: 20 + i, Bytes: text}}
		if o.Probs > 0 {
			t.Logprob = -0.5
			t.Top = []winnow.TokenProbability{{ID: 20 + i, Bytes: text, Logprob: -0.5}}
		}
		c.Text += text
		c.Tokens = append(c.Tokens, t)
		if o.Emit != nil {
			if err := o.Emit(text, t); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// TestExactReplies: the replies of the routes that TestDialects leaves out, to the
// letter.
func TestExactReplies(t *testing.T) {
	const (
		timings  = `"timings":{"cache_n":1,"prompt_n":2,"prompt_ms":2,"prompt_per_token_ms":1,"prompt_per_second":1000,"predicted_n":2,"predicted_ms":4,"predicted_per_token_ms":4,"predicted_per_second":250}`
		oneToken = `"timings":{"cache_n":1,"prompt_n":2,"prompt_ms":2,"prompt_per_token_ms":1,"prompt_per_second":1000,"predicted_n":1,"predicted_ms":4,"predicted_per_token_ms":0,"predicted_per_second":0}`
		settings = `"generation_settings":{"ignore_eos":false,"max_tokens":2,"min_p":0.05,"n_predict":2,"n_probs":%d,"samplers":["top_k","top_p","min_p","temperature"],"seed":7,"stop":[],"stream":%t,"temperature":0,"top_k":40,"top_p":0.95}`
		one      = `{"id":20,"token":" one","bytes":[32,111,110,101],"logprob":-0.5`
		two      = `{"id":21,"token":" two","bytes":[32,116,119,111],"logprob":-0.5`
		steps    = `[` + one + `,"top_logprobs":[` + one + `}]},` + two + `,"top_logprobs":[` + two + `}]}]`
	)
	final := func(index, probs int, stream bool, content, tokens, more string) string {
		return fmt.Sprintf(`{`+more+`"content":"`+content+`",`+settings+`,"has_new_line":false,"id_slot":0,"index":%d,"model":"c","prompt":"1 11 2","stop":true,"stop_type":"eos","stopping_word":"",`+
			timings+`,"tokens":`+tokens+`,"tokens_cached":4,"tokens_evaluated":3,"tokens_predicted":2,"truncated":false}`, probs, stream, index)
	}
	chatTimings := strings.NewReplacer(`"prompt_n":2`, `"prompt_n":3`, `"prompt_per_token_ms":1`, `"prompt_per_token_ms":0.6666666666666666`, `"prompt_per_second":1000`, `"prompt_per_second":1500`).Replace(timings)
	chunk := func(delta, reason string) string {
		return `data: {"choices":[{"delta":` + delta + `,"finish_reason":` + reason + `,"index":0,"logprobs":null}],"created":0,"id":"chatcmpl-test","model":"c","object":"chat.completion.chunk","system_fingerprint":"build-dev"}`
	}
	s := start(t, Options{}, specOf("fake", new(fakeModel)), specOf("e", new(fakeEmbedder)), specOf("c", new(fakeCompleter)))
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"OpenAI embeddings", "POST", "/v1/embeddings", `{"model":"e","input":["3 4","0 2"]}`, 200,
			`{"data":[{"object":"embedding","index":0,"embedding":[0.6,0.8]},{"object":"embedding","index":1,"embedding":[0,1]}],"model":"e","object":"list","usage":{"prompt_tokens":8,"total_tokens":8}}`},
		{"OpenAI embeddings, one text in base64", "POST", "/v1/embeddings", `{"model":"e","input":"0 2","encoding_format":"base64","dimensions":2}`, 200,
			`{"data":[{"object":"embedding","index":0,"embedding":"AAAAAAAAgD8="}],"model":"e","object":"list","usage":{"prompt_tokens":4,"total_tokens":4}}`},
		{"llama.cpp embedding", "POST", "/embedding", `{"model":"e","content":"3 4"}`, 200, `[{"index":0,"embedding":[[0.6,0.8]]}]`},
		{"llama.cpp embeddings, as they are", "POST", "/embeddings", `{"model":"e","content":["3 4","1 0"],"embd_normalize":-1}`, 200, `[{"index":0,"embedding":[[3,4]]},{"index":1,"embedding":[[1,0]]}]`},
		{"TEI embed", "POST", "/embed", `{"model":"e","inputs":["3 4","0 2"],"normalize":false,"prompt_name":"query","truncation_direction":"Left"}`, 200, `[[3,4],[0,2]]`},

		{"embeddings: input missing", "POST", "/v1/embeddings", `{"model":"e"}`, 400, bad(`"input" is missing: expected a string, an array of tokens, or an array of these`)},
		{"embeddings: a number", "POST", "/v1/embeddings", `{"model":"e","input":2}`, 400, bad(`"input" is 2: expected a string, an array of tokens, or an array of these`)},
		{"embeddings: a token unknown", "POST", "/v1/embeddings", `{"model":"e","input":[1,1000]}`, 400,
			bad(`input[1] is 1000: expected a token id from 0 to 999 (in LangChain: check_embedding_ctx_length=False)`)},
		{"embeddings: format", "POST", "/v1/embeddings", `{"model":"e","input":"1 2","encoding_format":"int8"}`, 400, bad(`"encoding_format" is "int8": expected one of float, base64`)},
		{"embeddings: dimensions", "POST", "/v1/embeddings", `{"model":"e","input":"1 2","dimensions":3}`, 400, bad(`"dimensions" is 3: the model's vectors have 2`)},
		{"embeddings: too long", "POST", "/v1/embeddings", `{"model":"e","input":["1 2","` + strings.Repeat("1 ", 70) + `"],"truncate":false}`, 400,
			`{"error":{"code":400,"message":"input[1] has 72 tokens; at most 64 are accepted, and truncation is off","n_ctx":64,"n_prompt_tokens":72,"type":"exceed_context_size_error"}}`},
		{"embedding: norm", "POST", "/embedding", `{"model":"e","content":"1 2","embd_normalize":1}`, 400, bad(`"embd_normalize" is 1: expected -1 (none) or 2 (length 1)`)},
		{"embed: prompt", "POST", "/embed", `{"model":"e","inputs":"1 2","prompt_name":"other"}`, 400, `{"error":"\"prompt_name\" is \"other\": the model has the prompts [\"query\"]","error_type":"Validation"}`},
		{"embed: nothing", "POST", "/embed", `{"model":"e","inputs":[]}`, 400, `{"error":"\"inputs\" is empty: expected an array of strings","error_type":"Empty"}`},
		{"embed: no JSON", "POST", "/embed", `{`, 400, `{"error":"the request body is not JSON: unexpected end of JSON input at offset 1","error_type":"Validation"}`},
		{"embed: a reranker", "POST", "/embed", `{"inputs":"a"}`, 501, `{"error":"model \"fake\" cannot embed: it has neither an embedding head nor pooling","error_type":"Backend"}`},
		{"embedding: a reranker", "POST", "/embedding", `{"content":"a"}`, 501, apiError4("501", `model "fake" cannot embed: it has neither an embedding head nor pooling`, "not_supported_error")},
		{"rerank with an embedder", "POST", "/v1/rerank", `{"model":"e","query":"q","documents":["d"]}`, 501, apiError4("501", `model "e" cannot rerank`, "not_supported_error")},

		{"llama.cpp completion", "POST", "/completion", `{"model":"c","prompt":"a","n_predict":2,"seed":7,"temperature":0}`, 200, final(0, 0, false, " one two", "[]", "")},
		{"llama.cpp completion of tokens, with tokens and probabilities", "POST", "/completions",
			`{"model":"c","prompt":[1,11,2],"n_predict":2,"seed":7,"temperature":0,"n_probs":1,"return_tokens":true}`, 200,
			final(0, 1, false, " one two", "[20,21]", `"completion_probabilities":`+steps+`,`)},
		{"llama.cpp completion of several", "POST", "/completion", `{"model":"c","prompt":["a","a"],"n_predict":2,"seed":7,"temperature":0}`, 200,
			"[" + final(0, 0, false, " one two", "[]", "") + "," + final(1, 0, false, " one two", "[]", "") + "]"},
		{"llama.cpp completion in parts", "POST", "/completion", `{"model":"c","prompt":"a","n_predict":2,"seed":7,"temperature":0,"stream":true}`, 200,
			`data: {"content":" one","id_slot":0,"index":0,"stop":false,"tokens":[20],"tokens_evaluated":3,"tokens_predicted":1}` + "\n\n" +
				`data: {"content":" two","id_slot":0,"index":0,"stop":false,"tokens":[21],"tokens_evaluated":3,"tokens_predicted":2}` + "\n\n" +
				`data: ` + final(0, 0, true, "", "[]", "")},
		{"OpenAI completion", "POST", "/v1/completions", `{"model":"c","prompt":"a","max_tokens":2,"logprobs":1}`, 200,
			`{"choices":[{"finish_reason":"stop","index":0,"logprobs":{"content":` + steps + `},"text":" one two"}],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev",` +
				timings + `,"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1}}}`},
		{"OpenAI completion in parts", "POST", "/v1/completions", `{"model":"c","prompt":"a","max_tokens":1,"stream":true,"stream_options":{"include_usage":true}}`, 200,
			`data: {"choices":[{"finish_reason":null,"index":0,"logprobs":null,"text":" one"}],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev"}` + "\n\n" +
				`data: {"choices":[{"finish_reason":"length","index":0,"logprobs":null,"text":""}],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev"}` + "\n\n" +
				`data: {"choices":[],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev",` + oneToken + `,"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":1}}}` + "\n\n" +
				`data: [DONE]`},

		{"completion: prompt missing", "POST", "/completion", `{"model":"c"}`, 400, bad(`"prompt" is missing: expected a string, an array of tokens, or an array of prompts`)},
		{"completion: prompt a number", "POST", "/v1/completions", `{"model":"c","prompt":7}`, 400, bad(`"prompt" is 7: expected a string, an array of tokens, or an array of prompts`)},
		{"completion: a token unknown", "POST", "/completion", `{"model":"c","prompt":[1,1000]}`, 400, bad(`prompt[1] is 1000: expected a token id from 0 to 999`)},
		{"completion: n_predict", "POST", "/completion", `{"model":"c","prompt":"a","n_predict":-2}`, 400, bad(`"n_predict" is -2: expected a whole number from -1 to 2147483648`)},
		{"completion: temperature", "POST", "/completion", `{"model":"c","prompt":"a","temperature":-1}`, 400, bad(`"temperature" is -1: expected a number of at least 0`)},
		{"completion: top_p", "POST", "/completion", `{"model":"c","prompt":"a","top_p":2}`, 400, bad(`"top_p" is 2: expected a number from 0 to 1`)},
		{"completion: stop", "POST", "/completion", `{"model":"c","prompt":"a","stop":7}`, 400, bad(`"stop" is 7: expected a string or an array of strings`)},
		{"completion: grammar", "POST", "/completion", `{"model":"c","prompt":"a","grammar":"x"}`, 400, bad(`"grammar": this option is not supported; omit it`)},
		{"completion: too long", "POST", "/completion", `{"model":"c","prompt":"` + strings.Repeat("a ", 70) + `"}`, 400,
			`{"error":{"code":400,"message":"the prompt has 72 tokens and leaves no room in the window of 64","n_ctx":64,"n_prompt_tokens":72,"type":"exceed_context_size_error"}}`},
		{"completion: too long, in parts", "POST", "/v1/completions", `{"model":"c","prompt":"` + strings.Repeat("a ", 70) + `","stream":true}`, 400,
			`{"error":{"code":400,"message":"the prompt has 72 tokens and leaves no room in the window of 64","n_ctx":64,"n_prompt_tokens":72,"type":"exceed_context_size_error"}}`},
		{"completions: a reranker", "POST", "/completions", `{"prompt":"a"}`, 501, apiError4("501", `model "fake" cannot complete text: it has no language-model head`, "not_supported_error")},
		{"OpenAI completion: a reranker", "POST", "/v1/completions", `{"prompt":"a"}`, 501, apiError4("501", `model "fake" cannot complete text: it has no language-model head`, "not_supported_error")},
		{"chat", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"logprobs":true}`, 200,
			`{"choices":[{"finish_reason":"stop","index":0,"logprobs":{"content":` + steps + `},"message":{"content":" one two","role":"assistant"}}],"created":0,"id":"chatcmpl-test","model":"c","object":"chat.completion","system_fingerprint":"build-dev",` +
				chatTimings + `,"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":1}}}`},
		{"chat in parts", "POST", "/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"max_completion_tokens":1,"stream":true}`, 200,
			chunk(`{"content":null,"role":"assistant"}`, "null") + "\n\n" + chunk(`{"content":" one"}`, "null") + "\n\n" + chunk(`{}`, `"length"`) + "\n\n" + `data: [DONE]`},
		{"chat in parts, with probabilities", "POST", "/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"max_tokens":1,"stream":true,"logprobs":true}`, 200,
			chunk(`{"content":null,"role":"assistant"}`, "null") + "\n\n" +
				strings.Replace(chunk(`{"content":" one"}`, "null"), `"logprobs":null`, `"logprobs":{"content":[`+one+`,"top_logprobs":[`+one+`}]}]}`, 1) + "\n\n" +
				chunk(`{}`, `"length"`) + "\n\n" + `data: [DONE]`},
		{"OpenAI completion in parts, with probabilities", "POST", "/v1/completions", `{"model":"c","prompt":"a","max_tokens":1,"stream":true,"logprobs":1}`, 200,
			`data: {"choices":[{"finish_reason":null,"index":0,"logprobs":{"content":[` + one + `,"top_logprobs":[` + one + `}]}]},"text":" one"}],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev"}` + "\n\n" +
				`data: {"choices":[{"finish_reason":"length","index":0,"logprobs":null,"text":""}],"created":0,"id":"cmpl-test","model":"c","object":"text_completion","system_fingerprint":"build-dev"}` + "\n\n" + `data: [DONE]`},
		{"apply-template", "POST", "/apply-template", `{"model":"c","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":" c"}]}`, 200, `{"prompt":"user a\nb c"}`},
		{"chat: no messages", "POST", "/v1/chat/completions", `{"model":"c"}`, 400, bad(`"messages" is missing: expected an array of messages`)},
		{"chat: a message a number", "POST", "/v1/chat/completions", `{"model":"c","messages":[7]}`, 400, bad(`messages[0] is 7: expected an object`)},
		{"chat: no role", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"content":"a"}]}`, 400, bad(`messages[0]: "role" is missing: expected a string`)},
		{"chat: content a number", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":7}]}`, 400, bad(`messages[0]: "content" is 7: expected a string or an array of parts`)},
		{"chat: a picture", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, 400,
			bad(`messages[0]: part 0 is an object: expected {"type": "text", "text": …}; the model reads text only`)},
		{"chat: two answers", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"a"}]}`, 400,
			bad(`messages[1] is a second message with the role "assistant" at the end: expected one`)},
		{"chat: both", "POST", "/apply-template", `{"model":"c","messages":[{"role":"assistant","content":"a"}],"add_generation_prompt":true,"continue_final_message":true}`, 400,
			bad(`"add_generation_prompt" and "continue_final_message" are both true: expected one of them`)},
		{"chat: nothing to continue", "POST", "/apply-template", `{"model":"c","messages":[{"role":"user","content":"a"}],"continue_final_message":true}`, 400,
			bad(`"continue_final_message" is true, but the last message has the role "user": expected "assistant"`)},
		{"chat: tools", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"tools":[{}]}`, 400, bad(`"tools": tool calls are not supported; omit it`)},
		{"chat: format", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}}`, 400,
			bad(`"response_format": expected {"type": "text"}, the only format supported`)},
		{"chat: top_logprobs", "POST", "/v1/chat/completions", `{"model":"c","messages":[{"role":"user","content":"a"}],"top_logprobs":2}`, 400,
			bad(`"top_logprobs" is 2: expected "logprobs": true with it`)},
		{"chat: a reranker", "POST", "/v1/chat/completions", `{"messages":[]}`, 501, apiError4("501", `model "fake" cannot chat: it has no language-model head`, "not_supported_error")},
		{"apply-template: a reranker", "POST", "/apply-template", `{"messages":[]}`, 501, apiError4("501", `model "fake" cannot chat: it has no language-model head`, "not_supported_error")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := send(s, c.method, c.path, c.body)
			if got := stable(w); w.Code != c.status || got != c.want {
				t.Errorf("status %d, want %d\n got %s\nwant %s", w.Code, c.status, got, c.want)
			}
			checkDescribed(t, c.method, c.path, c.body, w)
		})
	}
}

// TestModelsRoutes: both names of the list of models give the same, and /props is as
// llama.cpp's clients read it.
func TestModelsRoutes(t *testing.T) {
	s := start(t, Options{Version: "1.2.3", Metrics: true, SlotCount: 4})
	if a, b := stable(send(s, "GET", "/models", "")), stable(send(s, "GET", "/v1/models", "")); a != b {
		t.Errorf("/models %s\n/v1/models %s", a, b)
	}
	want := `{"bos_token":"","build_info":"` + s.buildInfo() + `","chat_template":"","default_generation_settings":{"n_ctx":64,"params":{}},"endpoint_metrics":true,"endpoint_props":false,` +
		`"endpoint_slots":false,"eos_token":"","is_sleeping":false,"modalities":{"audio":false,"vision":false},"model_alias":"fake","model_ftype":"f32","model_path":"fake.gguf","total_slots":4,"webui":false}`
	if got := stable(send(s, "GET", "/props", "")); got != want {
		t.Errorf("/props\n got %s\nwant %s", got, want)
	}
}

// TestHeaderLimit: what net/http answers before there is a request.
func TestHeaderLimit(t *testing.T) {
	s, err := New(Options{Models: []ModelSpec{new(fakeModel).spec("fake")}})
	if err != nil {
		t.Fatal(err)
	}
	url, stop, done := serve(t, s)
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a long header":  {"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"no HTTP at all": {"what is this\r\n\r\n", http.StatusBadRequest},
		"no host":        {"GET /health HTTP/1.1\r\n\r\n", http.StatusBadRequest},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, c.request) }()
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			if r.StatusCode != c.status {
				t.Errorf("%s: status %d, want %d", name, r.StatusCode, c.status)
			}
			_ = r.Body.Close()
		}
		_ = conn.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
