package server

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestSpelledValues: numbers and booleans may come as strings that spell them.
func TestSpelledValues(t *testing.T) {
	s := start(t, Options{})
	for path, bodies := range map[string][2]string{
		"/v1/rerank": {`{"query":"q","documents":["0","1"],"top_n":1,"return_documents":true,"raw_scores":true,"truncate":false}`,
			`{"query":"q","documents":["0","1"],"top_n":"1","return_documents":"true","raw_scores":"True","truncate":"false"}`},
		"/rerank": {`{"query":"q","texts":["0","1"],"return_text":false}`, `{"query":"q","texts":["0","1"],"return_text":"false"}`},
	} {
		want, got := send(s, "POST", path, bodies[0]), send(s, "POST", path, bodies[1])
		if want.Code != 200 || got.Code != 200 || want.Body.String() != got.Body.String() {
			t.Errorf("%s: status %d\n got %s\nwant %s", path, got.Code, got.Body, want.Body)
		}
	}
	s = start(t, Options{}, specOf("c", new(fakeCompleter)))
	for _, body := range []string{`{"prompt":"a","n_predict":"1","temperature":"0.5","cache_prompt":"false"}`, `{"prompt":"a","n_predict":1,"top_p":"1e-3"}`} {
		if w := send(s, "POST", "/completion", body); w.Code != 200 || !strings.Contains(w.Body.String(), `"tokens_predicted":1,`) {
			t.Errorf("%s: status %d: %s", body, w.Code, w.Body)
		}
	}
}

// TestVLLMFieldsEverywhere: vLLM's fields mean the same on every route.
func TestVLLMFieldsEverywhere(t *testing.T) {
	s := start(t, Options{})
	number := regexpNumber(t)
	const fields = `"truncate_prompt_tokens":8,"max_tokens_per_query":1,"max_tokens_per_doc":5,"use_activation":false`
	for path, names := range map[string][2]string{
		"/v1/rerank": {"query", "documents"}, "/rerank": {"query", "texts"}, "/v1/reranking": {"query", "input"}, "/v2/rerank": {"query", "documents"},
		"/v1/score": {"text_1", "text_2"}, "/v1/rerankings": {"query", "texts"}, "/infinity/rerank": {"query", "documents"},
	} {
		// The fake scores a document by its first word, if that is a number. Of the query's
		// two tokens one is kept, and of the document's nine first five, then four.
		for side, want := range map[string]float64{"right": 1, "left": 5} {
			documents := `["1 2 3 4 5 6 7 8 9"]`
			if side == "left" {
				documents = `["1 2 3 4 5 6 7 8"]`
			}
			body := fmt.Sprintf(`{"%s":"a b","%s":%s,"truncation_side":"%s",%s}`, names[0], names[1], documents, side, fields)
			w := send(s, "POST", path, body)
			if w.Code != 200 {
				t.Fatalf("%s: status %d: %s", path, w.Code, w.Body)
			}
			if got := number(w.Body.String()); got != want {
				t.Errorf("%s, %s: logit %v, want %v", path, side, got, want)
			}
		}
	}
	e := start(t, Options{}, specOf("e", new(fakeEmbedder)))
	w := send(e, "POST", "/v1/embeddings", `{"input":"3 4","use_activation":false,"truncate_prompt_tokens":4,"truncation_side":"left"}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"embedding":[3,4]`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// TestLlamaFields: llama.cpp's fields of completions are done or refused.
func TestLlamaFields(t *testing.T) {
	s := start(t, Options{Sampling: &Sampling{MaxTokens: 1, Temperature: 0.25, TopK: 7, TopP: 0.5, MinP: 0.125, Seed: 9, IgnoreEnd: true}}, specOf("c", new(fakeCompleter)))
	const settings = `"generation_settings":{"ignore_eos":true,"max_tokens":1,"min_p":0.125,"n_predict":1,"n_probs":0,"samplers":["top_k","top_p","min_p","temperature"],"seed":9,"stop":[],"stream":false,"temperature":0.25,"top_k":7,"top_p":0.5}`
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"prompt":"a"}`, 200, settings},
		{`{"prompt":"a","seed":3,"top_k":2,"ignore_eos":false}`, 200, `"seed":3,`},
		{`{"prompt":"a","response_fields":["content","generation_settings/n_predict","nothing/at/all","prompt"]}`, 200,
			`{"content":" one","generation_settings/n_predict":1,"prompt":"1 11 2"}`},
		{`{"prompt":"a","response_fields":[]}`, 200, settings},
		{`{"prompt":"a","response_fields":"content"}`, 400, `"response_fields" is a string: expected an array of strings`},
		{`{"prompt":{"prompt_string":"a"}}`, 200, `"prompt":"1 11 2"`},
		{`{"prompt":[{"prompt_string":"a"},"b"]}`, 200, `"prompt":"1 11 2"`},
		{`{"prompt":{"prompt_string":"a","multimodal_data":[]}}`, 200, `"prompt":"1 11 2"`},
		{`{"prompt":{"prompt_string":"a","multimodal_data":["aGVsbG8="]}}`, 400, `"multimodal_data": the model reads text only`},
		{`{"prompt":{"text":"a"}}`, 400, `"prompt" is an object without a string "prompt_string"`},
		{`{"prompt":"a","post_sampling_probs":false}`, 200, settings},
		{`{"prompt":"a","post_sampling_probs":true}`, 400, `"post_sampling_probs": this option is not supported; omit it`},
		{`{"prompt":"a","t_max_predict_ms":-1,"n_indent":0}`, 200, settings},
		{`{"prompt":"a","t_max_predict_ms":100}`, 400, `"t_max_predict_ms" is 100: this option is not supported; omit it`},
		{`{"prompt":"a","n_indent":4}`, 400, `"n_indent" is 4: this option is not supported; omit it`},
	} {
		w := send(s, "POST", "/completion", c.body)
		if !strings.Contains(c.body, "response_fields") { // of which the reply's form is made
			checkDescribed(t, "POST", "/completion", c.body, w)
		}
		if got := strings.ReplaceAll(strings.TrimSpace(w.Body.String()), `\"`, `"`); w.Code != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s: status %d: %s\nwant %s", c.body, w.Code, got, c.want)
		}
	}
	// OpenAI's clients have none of these.
	if w := send(s, "POST", "/v1/completions", `{"prompt":"a","response_fields":["x"]}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"choices"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// TestIgnoreEnd: that the end is not chosen does not change how probable it is said to be.
func TestIgnoreEnd(t *testing.T) {
	s := decoderServer(t, "qwen2-mxbai2")
	ask := func(ignore bool) completionReply {
		return complete(t, s, map[string]any{"prompt": "The quick brown fox", "n_predict": 1, "temperature": 0, "n_probs": 10000, "ignore_eos": ignore})
	}
	with, without := ask(false).Probabilities[0], ask(true).Probabilities[0]
	if len(with.Top) != len(without.Top) {
		t.Fatalf("%d and %d tokens", len(with.Top), len(without.Top))
	}
	sum := 0.0
	for i, p := range with.Top {
		if q := without.Top[i]; p != q {
			t.Fatalf("rank %d is %v, and %v where the end is ignored", i, p, q)
		}
		sum += math.Exp(p.Logprob)
	}
	if math.Abs(sum-1) > 1e-4 {
		t.Errorf("the probabilities sum to %v", sum)
	}
}
