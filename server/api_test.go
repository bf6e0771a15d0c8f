package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// start is a server that has loaded its models.
func start(t testing.TB, o Options, models ...ModelSpec) *Server {
	t.Helper()
	if len(models) == 0 {
		models = []ModelSpec{new(fakeModel).spec("fake")}
	}
	o.Models = models
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// send makes a request with the id "test"; header holds names and values.
func send(s http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, path, nil)
	} else {
		r = httptest.NewRequest(method, path, strings.NewReader(body))
	}
	r.Header.Set("X-Request-Id", "test")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

var created = regexp.MustCompile(`"created":\d+`)

// stable is a reply with its times made 0.
func stable(w *httptest.ResponseRecorder) string {
	return created.ReplaceAllString(strings.TrimSpace(w.Body.String()), `"created":0`)
}

const (
	meta = `"meta":{"activation":"sigmoid","model":"fake","truncated":0,"api_version":{"version":"1"},"billed_units":{"search_units":1}}`
	raw  = `"meta":{"activation":"none","model":"fake","truncated":0,"api_version":{"version":"1"},"billed_units":{"search_units":1}}`
)

// Scores of the fake's documents "0", "1", "-1": sigmoids of these.
const (
	sig0  = `0.5`
	sig1  = `0.7310585786300049`
	sigM1 = `0.2689414213699951`
)

func TestDialects(t *testing.T) {
	s := start(t, Options{Metrics: false})
	for _, c := range []struct {
		name, path, body, want string
	}{
		{"4D AI Kit", "/v1/rerank", `{"model":"default","query":"q","documents":["0","1","-1"],"top_n":2,"return_documents":true}`,
			`{"id":"rerank-test","model":"default","object":"list","usage":{"prompt_tokens":15,"total_tokens":15},"results":[{"index":1,"relevance_score":` + sig1 + `,"document":{"text":"1"}},{"index":0,"relevance_score":` + sig0 + `,"document":{"text":"0"}}],` + meta + `}`},
		{"llama.cpp", "/rerank", `{"query":"q","documents":["0","1","-1"]}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":15,"total_tokens":15},"results":[{"index":1,"relevance_score":` + sig1 + `},{"index":0,"relevance_score":` + sig0 + `},{"index":2,"relevance_score":` + sigM1 + `}],` + meta + `}`},
		{"another name for the only model", "/reranking", `{"model":"rerank-v3","query":"q","documents":["0"]}`,
			`{"id":"rerank-test","model":"rerank-v3","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},
		{"empty model, top_n 0 and null", "/v1/reranking", `{"model":"","query":"q","documents":["0"],"top_n":0,"return_documents":null,"truncate":null}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},
		{"top_n null", "/v1/rerank", `{"query":"q","documents":["0"],"top_n":null}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},
		{"top_n beyond the list", "/v1/rerank", `{"query":"q","documents":["0"],"top_n":99}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},
		{"raw scores", "/v1/rerank", `{"query":"q","documents":["0","1.25"],"raw_scores":true}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":10,"total_tokens":10},"results":[{"index":1,"relevance_score":1.25},{"index":0,"relevance_score":0}],` + raw + `}`},
		{"saturated scores keep their order, ties that of the input", "/v1/rerank", `{"query":"q","documents":["50","60","60","55"]}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":20,"total_tokens":20},"results":[{"index":1,"relevance_score":1},{"index":2,"relevance_score":1},{"index":3,"relevance_score":1},{"index":0,"relevance_score":1}],` + meta + `}`},
		{"Cohere v1: objects", "/v1/rerank", `{"query":"q","documents":[{"text":"1","title":"t"},"0"],"return_documents":true,"max_chunks_per_doc":10}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":10,"total_tokens":10},"results":[{"index":0,"relevance_score":` + sig1 + `,"document":{"text":"1","title":"t"}},{"index":1,"relevance_score":0.5,"document":{"text":"0"}}],` + meta + `}`},
		{"Cohere v1: rank_fields", "/v1/rerank", `{"query":"q","documents":[{"b":"two words","a":"1","c":null},{"a":2,"b":true}],"rank_fields":["a","b","c"]}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":13,"total_tokens":13},"results":[{"index":1,"relevance_score":0.8807970779778823},{"index":0,"relevance_score":` + sig1 + `}],` + meta + `}`},
		{"Jina: query object, a single document", "/v1/rerank", `{"query":{"text":"q"},"documents":"1"}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":` + sig1 + `}],` + meta + `}`},
		{"empty texts, duplicates", "/v1/rerank", `{"query":"","documents":["","",""]}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":9,"total_tokens":9},"results":[{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":0.5},{"index":2,"relevance_score":0.5}],` + meta + `}`},
		{"max_tokens_per_doc", "/v1/rerank", `{"query":"q","documents":["0 b c d"],"max_tokens_per_doc":2}`,
			strings.Replace(`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":6,"total_tokens":6},"results":[{"index":0,"relevance_score":0.5}],`+meta+`}`, `"truncated":0`, `"truncated":1`, 1)},
		{"unknown fields", "/v1/rerank", `{"query":"q","documents":["0"],"priority":1,"relevant_spans":{}}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},
		{"a byte order mark", "/v1/rerank", "\xef\xbb\xbf" + `{"query":"q","documents":["0"]}`,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`},

		{"TEI", "/rerank", `{"query":"q","texts":["0","1"]}`, `[{"index":1,"score":` + sig1 + `},{"index":0,"score":0.5}]`},
		{"TEI, text and raw scores", "/v1/rerank", `{"query":"q","texts":["0","1 x"],"return_text":true,"raw_scores":true,"truncate":true,"truncation_direction":"Left"}`,
			`[{"index":1,"score":1,"text":"1 x"},{"index":0,"score":0,"text":"0"}]`},

		{"Mixedbread", "/v1/reranking", `{"model":"mixedbread-ai/mxbai-rerank-large-v2","query":"q","input":["0","1"],"top_k":1,"return_input":true}`,
			`{"usage":{"prompt_tokens":10,"total_tokens":10},"model":"mixedbread-ai/mxbai-rerank-large-v2","data":[{"index":1,"score":` + sig1 + `,"input":"1","object":"rank_result"}],"object":"list","top_k":1,"return_input":true}`},
		{"Voyage", "/v1/rerank", `{"query":"q","documents":["0","1"],"model":"rerank-2","top_k":null,"truncation":true}`,
			`{"object":"list","data":[{"index":1,"relevance_score":` + sig1 + `},{"index":0,"relevance_score":0.5}],"model":"rerank-2","usage":{"total_tokens":10}}`},
		{"Voyage with documents", "/v1/rerank", `{"query":"q","documents":["0","1"],"model":"rerank-2","top_k":1,"return_documents":true,"truncation":false}`,
			`{"object":"list","data":[{"index":1,"relevance_score":` + sig1 + `,"document":"1"}],"model":"rerank-2","usage":{"total_tokens":10}}`},
		{"Isaacus", "/v1/rerankings", `{"model":"kanon-universal-classifier","query":"q","texts":["0","1"],"top_n":1}`,
			`{"results":[{"index":1,"score":` + sig1 + `}],"usage":{"input_tokens":10}}`},
		{"Mixedbread on Isaacus's route", "/v1/rerankings", `{"query":"q","input":["0"]}`,
			`{"usage":{"prompt_tokens":5,"total_tokens":5},"model":"fake","data":[{"index":0,"score":0.5,"object":"rank_result"}],"object":"list","top_k":1,"return_input":false}`},

		{"infinity", "/infinity/rerank", `{"model":"m","query":"q","documents":["0","1"],"top_n":1,"return_documents":true}`,
			`{"object":"rerank","results":[{"index":1,"relevance_score":` + sig1 + `,"document":"1"}],"model":"m","usage":{"prompt_tokens":10,"total_tokens":10},"id":"infinity-test","created":0}`},

		{"Cohere v2", "/v2/rerank", `{"model":"rerank-v3.5","query":"q","documents":["0","1"],"top_n":1,"max_tokens_per_doc":4096}`,
			`{"id":"test","results":[{"index":1,"relevance_score":` + sig1 + `}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`},
		{"vLLM on v2", "/v2/rerank", `{"model":"m","query":"q","documents":["0","1"],"truncate_prompt_tokens":-1}`,
			`{"id":"rerank-test","model":"m","usage":{"prompt_tokens":10,"total_tokens":10},"results":[{"index":1,"relevance_score":` + sig1 + `,"document":{"text":"1"}},{"index":0,"relevance_score":0.5,"document":{"text":"0"}}]}`},
		{"vLLM score, one to many", "/v1/score", `{"model":"m","text_1":"q","text_2":["0","1"]}`,
			`{"id":"score-test","object":"list","created":0,"model":"m","data":[{"index":0,"object":"score","score":0.5},{"index":1,"object":"score","score":` + sig1 + `}],"usage":{"prompt_tokens":10,"total_tokens":10}}`},
		{"vLLM score, pairs", "/score", `{"text_1":["q","negate"],"text_2":["1","1"]}`,
			`{"id":"score-test","object":"list","created":0,"model":"fake","data":[{"index":0,"object":"score","score":` + sig1 + `},{"index":1,"object":"score","score":` + sigM1 + `}],"usage":{"prompt_tokens":10,"total_tokens":10}}`},
		{"vLLM score, queries and documents, raw", "/score", `{"queries":"q","documents":"1","use_activation":false}`,
			`{"id":"score-test","object":"list","created":0,"model":"fake","data":[{"index":0,"object":"score","score":1}],"usage":{"prompt_tokens":5,"total_tokens":5}}`},
		{"vLLM score, cut", "/score", `{"text_1":"q","text_2":"0 b c d e f","truncate_prompt_tokens":6}`,
			`{"id":"score-test","object":"list","created":0,"model":"fake","data":[{"index":0,"object":"score","score":0.5}],"usage":{"prompt_tokens":6,"total_tokens":6}}`},

		{"tokenize", "/tokenize", `{"content":"a bb"}`, `{"tokens":[11,12]}`},
		{"tokenize with special tokens and pieces", "/tokenize", `{"content":"a","add_special":true,"with_pieces":true}`,
			`{"tokens":[{"id":1,"piece":"[CLS]"},{"id":11,"piece":"a"},{"id":2,"piece":"[SEP]"}]}`},
		{"tokenize nothing", "/tokenize", `{"content":""}`, `{"tokens":[]}`},
		{"detokenize", "/detokenize", `{"tokens":[11,12]}`, `{"content":"11 12"}`},
		{"detokenize nothing", "/detokenize", `{"tokens":[]}`, `{"content":""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := send(s, "POST", c.path, c.body)
			if got := stable(w); w.Code != 200 || got != c.want {
				t.Errorf("status %d\n got %s\nwant %s", w.Code, got, c.want)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
			checkDescribed(t, "POST", c.path, c.body, w)
		})
	}
}

func TestGet(t *testing.T) {
	s := start(t, Options{Slots: true, SlotCount: 2, Version: "1.2.3"}, func() ModelSpec {
		spec := new(fakeModel).spec("fake")
		spec.Aliases, spec.Tags = []string{"other"}, []string{"small"}
		return spec
	}())
	loaded := s.registry.status()[0].loadedAt.Unix()
	for _, c := range []struct{ path, want string }{
		{"/health", `{"status":"ok"}`},
		{"/v1/health", `{"status":"ok"}`},
		{"/models", `{"models":[{"name":"fake","model":"fake","modified_at":"","size":"","digest":"","type":"model","description":"","tags":["small"],"capabilities":["rerank"],"parameters":"","details":{"parent_model":"","format":"gguf","family":"bert","families":[],"parameter_size":"","quantization_level":"f32"}}],"object":"list","data":[{"id":"fake","aliases":["other"],"tags":["small"],"object":"model","created":0,"owned_by":"winnow","status":{"value":"loaded"},"meta":{"vocab_type":3,"n_vocab":1000,"n_ctx":64,"n_ctx_train":64,"n_embd":8,"n_params":12345,"size":49380,"ftype":"f32"}}]}`},
		{"/slots", `[{"id":0,"n_ctx":64,"speculative":false,"is_processing":false},{"id":1,"n_ctx":64,"speculative":false,"is_processing":false}]`},
		{"/info", `{"auto_truncate":true,"docker_label":null,"max_batch_requests":null,"max_batch_tokens":512,"max_client_batch_size":10000,"max_concurrent_requests":65536,"max_input_length":64,"model_dtype":"f32","model_id":"fake.gguf","model_sha":null,"model_type":{"reranker":{"id2label":{"0":"LABEL_0"},"label2id":{"LABEL_0":0}}},"served_model_name":"fake","sha":null,"tokenization_workers":2,"version":"1.2.3"}`},
	} {
		w := send(s, "GET", c.path, "")
		checkDescribed(t, "GET", c.path, "", w)
		if got := stable(w); w.Code != 200 || got != c.want {
			t.Errorf("%s: status %d\n got %s\nwant %s", c.path, w.Code, got, c.want)
		}
	}
	if time.Since(time.Unix(loaded, 0)) > time.Minute {
		t.Errorf("loaded at %d", loaded)
	}
	var props map[string]any
	w := send(s, "GET", "/props", "")
	checkDescribed(t, "GET", "/props", "", w)
	if err := json.Unmarshal(w.Body.Bytes(), &props); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"total_slots": 2.0, "model_alias": "fake", "model_path": "fake.gguf", "model_ftype": "f32", "endpoint_slots": true, "is_sleeping": false} {
		if props[name] != want {
			t.Errorf("/props %s: %v, want %v", name, props[name], want)
		}
	}
	if n := props["default_generation_settings"].(map[string]any)["n_ctx"]; n != 64.0 {
		t.Errorf("/props n_ctx: %v", n)
	}
	if !strings.HasPrefix(props["build_info"].(string), "winnow 1.2.3 go1.") {
		t.Errorf("/props build_info: %v", props["build_info"])
	}
	w = send(s, "HEAD", "/health", "")
	if w.Code != 200 {
		t.Errorf("HEAD: status %d", w.Code)
	}
	// TEI's clients read what it cost from the headers.
	h := send(s, "POST", "/rerank", `{"query":"qü","texts":["0 x"]}`).Header()
	for name, want := range map[string]string{"X-Compute-Type": "cpu", "X-Compute-Characters": "5", "X-Compute-Tokens": "6", "X-Activation": "sigmoid"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
}

func apiError4(code, message, kind string) string {
	m, _ := json.Marshal(message)
	return `{"error":{"code":` + code + `,"message":` + strings.NewReplacer(`\u003e`, `>`, `\u003c`, `<`).Replace(string(m)) + `,"type":"` + kind + `"}}`
}

func bad(message string) string { return apiError4("400", message, "invalid_request_error") }

func TestErrors(t *testing.T) {
	s := start(t, Options{MaxBody: 4096, MaxDocuments: 4}, new(fakeModel).spec("fake"), new(fakeModel).spec("second"))
	const whole = "a whole number from 0 to 2147483648"
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
		header                   []string
	}{
		{"no body", "POST", "/v1/rerank", "", 400, bad("the request body is empty: expected a JSON object"), nil},
		{"blank body", "POST", "/v1/rerank", " \n", 400, bad("the request body is empty: expected a JSON object"), nil},
		{"no JSON", "POST", "/v1/rerank", "{query", 400, bad("the request body is not JSON: invalid character 'q' looking for beginning of object key string at offset 2"), nil},
		{"JSON that ends early", "POST", "/v1/rerank", `{"query":"q"`, 400, bad("the request body is not JSON: unexpected end of JSON input at offset 12"), nil},
		{"JSON with more behind", "POST", "/v1/rerank", `{"query":"q"} x`, 400, bad("the request body is not JSON: invalid character 'x' after top-level value at offset 15"), nil},
		{"two JSON values", "POST", "/v1/rerank", `{} {}`, 400, bad("the request body is not JSON: invalid character '{' after top-level value at offset 4"), nil},
		{"an array", "POST", "/v1/rerank", `[]`, 400, bad("the request body is an array: expected a JSON object"), nil},
		{"a string", "POST", "/v1/rerank", `"x"`, 400, bad("the request body is a string: expected a JSON object"), nil},
		{"not UTF-8", "POST", "/v1/rerank", "{\"query\":\"\xff\"}", 400, bad("the request body is not UTF-8: byte 0xff at offset 10"), nil},
		{"too many fields", "POST", "/v1/rerank", manyFields(300), 400, bad("the request has more than 256 fields"), nil},
		{"too large", "POST", "/v1/rerank", `{"query":"` + strings.Repeat("x", 4096) + `"}`, 413, apiError4("413", "the request body has more than 4096 bytes (--max-body)", "invalid_request_error"), nil},
		{"an image", "POST", "/v1/rerank", `{}`, 415, apiError4("415", `Content-Type "image/png": expected application/json`, "invalid_request_error"), []string{"Content-Type", "image/png"}},
		{"Latin-1", "POST", "/v1/rerank", `{}`, 415, apiError4("415", `charset "iso-8859-1": expected utf-8`, "invalid_request_error"), []string{"Content-Type", "application/json; charset=iso-8859-1"}},
		{"compressed", "POST", "/v1/rerank", `{}`, 415, apiError4("415", `Content-Encoding "br": expected gzip, or the body uncompressed`, "invalid_request_error"), []string{"Content-Encoding", "br"}},
		{"no gzip", "POST", "/v1/rerank", `{"query":"q"}`, 400, bad("the request body is not gzip: gzip: invalid header"), []string{"Content-Encoding", "gzip"}},

		{"query missing", "POST", "/v1/rerank", `{"documents":["a"]}`, 400, bad(`"query" is missing: expected a string`), nil},
		{"query null", "POST", "/v1/rerank", `{"query":null,"documents":["a"]}`, 400, bad(`"query" is null: expected a string`), nil},
		{"query a number", "POST", "/v1/rerank", `{"query":5,"documents":["a"]}`, 400, bad(`"query" is 5: expected a string`), nil},
		{"query an object", "POST", "/v1/rerank", `{"query":{"image":"x"},"documents":["a"]}`, 400, bad(`"query" has "image": only text can be ranked, not images or audio`), nil},
		{"an image", "POST", "/v1/rerank", `{"query":"q","documents":["a",{"text":"t","image":"https://example.org/x.png"}]}`, 400, bad(`documents[1] has "image": only text can be ranked, not images or audio`), nil},
		{"an image among parts", "POST", "/v1/rerank", `{"query":"q","documents":[{"content":[{"type":"image_url","image_url":{"url":"x"}}]}]}`, 400, bad(`documents[0] has "image_url": only text can be ranked, not images or audio`), nil},
		{"documents missing", "POST", "/v1/rerank", `{"query":"q"}`, 400, bad(`"documents" is missing: expected an array of strings or objects with "text"`), nil},
		{"documents null", "POST", "/v1/rerank", `{"query":"q","documents":null}`, 400, bad(`"documents" is null: expected an array of strings or objects with "text"`), nil},
		{"documents a number", "POST", "/v1/rerank", `{"query":"q","documents":123}`, 400, bad(`"documents" is 123: expected an array of strings or objects with "text"`), nil},
		{"documents empty", "POST", "/v1/rerank", `{"query":"q","documents":[]}`, 400, bad(`"documents" is empty: expected an array of strings or objects with "text"`), nil},
		{"a document a number", "POST", "/v1/rerank", `{"query":"q","documents":["a",2]}`, 400, bad(`documents[1] is 2: expected a string or an object of at most 256 fields with "text"`), nil},
		{"a document null", "POST", "/v1/rerank", `{"query":"q","documents":[null]}`, 400, bad(`documents[0] is null: expected a string or an object of at most 256 fields with "text"`), nil},
		{"a document without text", "POST", "/v1/rerank", `{"query":"q","documents":[{"title":"t"}]}`, 400, bad(`documents[0] is an object without a string "text"`), nil},
		{"a document without rank_fields", "POST", "/v1/rerank", `{"query":"q","documents":[{"title":"t"}],"rank_fields":["a","b"]}`, 400, bad(`documents[0] has none of the rank_fields a, b`), nil},
		{"rank_fields a string", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"rank_fields":"a"}`, 400, bad(`"rank_fields" is a string: expected an array of strings`), nil},
		{"too many documents", "POST", "/v1/rerank", `{"query":"q","documents":["","","","",""]}`, 413, apiError4("413", `"documents" has more than 4 elements (--max-documents)`, "invalid_request_error"), nil},
		{"top_n negative", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_n":-1}`, 400, bad(`"top_n" is -1: expected ` + whole), nil},
		{"top_n a fraction", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_n":1.5}`, 400, bad(`"top_n" is 1.5: expected ` + whole), nil},
		{"top_n a string", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_n":"three"}`, 400, bad(`"top_n" is a string: expected ` + whole), nil},
		{"top_n huge", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_n":1e300}`, 400, bad(`"top_n" is 1e300: expected ` + whole), nil},
		{"top_n an object", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_n":{}}`, 400, bad(`"top_n" is an object: expected ` + whole), nil},
		{"return_documents a string", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"return_documents":"yes"}`, 400, bad(`"return_documents" is a string: expected true or false`), nil},
		{"raw_scores a number", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"raw_scores":1}`, 400, bad(`"raw_scores" is 1: expected true or false`), nil},
		{"truncate a number", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"truncate":0}`, 400, bad(`"truncate" is 0: expected true or false`), nil},
		{"truncation an array", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"truncation":[]}`, 400, bad(`"truncation" is an array: expected true or false`), nil},
		{"instruction a number", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"instruction":1}`, 400, bad(`"instruction" is 1: expected a string`), nil},
		{"max_tokens_per_doc negative", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"max_tokens_per_doc":-1}`, 400, bad(`"max_tokens_per_doc" is -1: expected ` + whole), nil},
		{"max_tokens_per_query a word", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"max_tokens_per_query":"null"}`, 400, bad(`"max_tokens_per_query" is a string: expected ` + whole), nil},
		{"truncation_side", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"truncation_side":"up"}`, 400, bad(`"truncation_side" is "up": expected one of right, left`), nil},
		{"max_chunks_per_doc a string", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"max_chunks_per_doc":"a"}`, 400, bad(`"max_chunks_per_doc" is a string: expected a whole number from 1 to 2147483648`), nil},
		{"model a number", "POST", "/v1/rerank", `{"model":1,"query":"q","documents":["a"]}`, 400, bad(`"model" is 1: expected a string`), nil},
		{"model unknown", "POST", "/v1/rerank", `{"model":"third","query":"q","documents":["a"]}`, 404, apiError4("404", `unknown model "third": expected one of fake, second`, "not_found_error"), nil},
		{"too long", "POST", "/v1/rerank", `{"query":"q","documents":["a","` + strings.Repeat("x ", 100) + `"],"truncate":false}`, 400,
			`{"error":{"code":400,"message":"documents[1] has 104 tokens with the query; at most 64 are accepted, and truncation is off","n_ctx":64,"n_prompt_tokens":104,"type":"exceed_context_size_error"}}`, nil},
		{"too long, as Voyage says it", "POST", "/v1/rerank", `{"query":"q","documents":["` + strings.Repeat("x ", 100) + `"],"truncation":false,"top_k":null}`, 400,
			`{"error":{"code":400,"message":"documents[0] has 104 tokens with the query; at most 64 are accepted, and truncation is off","n_ctx":64,"n_prompt_tokens":104,"type":"exceed_context_size_error"}}`, nil},

		{"TEI: text a number", "POST", "/rerank", `{"query":"q","texts":[1]}`, 400, `{"error":"texts[0] is 1: expected a string","error_type":"Validation"}`, nil},
		{"TEI: texts empty", "POST", "/rerank", `{"query":"q","texts":[]}`, 400, `{"error":"\"texts\" is empty: expected an array of strings","error_type":"Empty"}`, nil},
		{"TEI: too many", "POST", "/rerank", `{"query":"q","texts":["","","","",""]}`, 413, `{"error":"\"texts\" has more than 4 elements (--max-documents)","error_type":"Validation"}`, nil},
		{"TEI: direction", "POST", "/rerank", `{"query":"q","texts":["a"],"truncation_direction":"up"}`, 400, `{"error":"\"truncation_direction\" is \"up\": expected one of right, left","error_type":"Validation"}`, nil},
		{"TEI: query missing", "POST", "/rerank", `{"texts":["a"]}`, 400, `{"error":"\"query\" is missing: expected a string","error_type":"Validation"}`, nil},

		{"Mixedbread: top_k", "POST", "/v1/reranking", `{"query":"q","input":["a"],"top_k":-2}`, 400, bad(`"top_k" is -2: expected ` + whole), nil},
		{"Voyage: top_k", "POST", "/v1/rerank", `{"query":"q","documents":["a"],"top_k":"x"}`, 400, bad(`"top_k" is a string: expected ` + whole), nil},
		{"Isaacus: texts missing", "POST", "/v1/rerankings", `{"query":"q"}`, 400, bad(`"texts" is missing: expected an array of strings`), nil},
		{"Cohere v2: documents missing", "POST", "/v2/rerank", `{"query":"q"}`, 400, bad(`"documents" is missing: expected an array of strings or objects with "text"`), nil},
		{"score: nothing", "POST", "/v1/score", `{}`, 400, bad(`"text_1" is missing: expected a string or an array of strings`), nil},
		{"score: numbers do not fit", "POST", "/v1/score", `{"text_1":["a","b"],"text_2":["c","d","e"]}`, 400, bad(`"text_1" has 2 elements and "text_2" 3: expected one query, or as many as documents`), nil},
		{"score: side", "POST", "/v1/score", `{"text_1":"a","text_2":"b","truncation_side":"x"}`, 400, bad(`"truncation_side" is "x": expected one of right, left`), nil},
		{"score: length", "POST", "/v1/score", `{"text_1":"a","text_2":"b","truncate_prompt_tokens":-2}`, 400, bad(`"truncate_prompt_tokens" is -2: expected a whole number from -1 to 2147483648`), nil},

		{"tokenize: content missing", "POST", "/tokenize", `{}`, 400, bad(`"content" is missing: expected a string`), nil},
		{"tokenize: add_special", "POST", "/tokenize", `{"content":"a","add_special":3}`, 400, bad(`"add_special" is 3: expected true or false`), nil},
		{"detokenize: tokens missing", "POST", "/detokenize", `{}`, 400, bad(`"tokens" is missing: expected an array of token ids`), nil},
		{"detokenize: a token unknown", "POST", "/detokenize", `{"tokens":[1000]}`, 400, bad(`tokens[0] is 1000: expected a token id from 0 to 999`), nil},
		{"detokenize: a token a string", "POST", "/detokenize", `{"tokens":["a"]}`, 400, bad(`tokens[0] is a string: expected a token id from 0 to 999`), nil},

		{"no such path", "GET", "/nothing", "", 404, apiError4("404", "File Not Found", "not_found_error"), nil},
		{"no such path, post", "POST", "/v3/rerank", "{}", 404, apiError4("404", "File Not Found: did you mean /v1/rerank?", "not_found_error"), nil},
		{"a base address with the version twice", "POST", "/v1/v1/rerank", "{}", 404, apiError4("404", "File Not Found: did you mean /v1/rerank?", "not_found_error"), nil},
		{"a base address too long", "POST", "/openai/v1/embeddings/", "{}", 404, apiError4("404", "File Not Found: did you mean /v1/embeddings?", "not_found_error"), nil},
		{"mistyped, get", "GET", "/modles", "", 404, apiError4("404", "File Not Found: did you mean /models?", "not_found_error"), nil},
		{"outside", "GET", "/../../etc/passwd", "", 307, "", nil},
		{"get", "GET", "/v1/rerank", "", 405, apiError4("405", "method GET is not allowed here: expected POST", "invalid_request_error"), nil},
		{"delete", "DELETE", "/health", "", 405, apiError4("405", "method DELETE is not allowed here: expected GET, HEAD", "invalid_request_error"), nil},
		{"slots", "GET", "/slots", "", 501, apiError4("501", "this server does not show slots. Start it with `--slots`", "not_supported_error"), nil},
		{"metrics", "GET", "/metrics", "", 501, apiError4("501", "this server does not show metrics. Start it with `--metrics`", "not_supported_error"), nil},
		{"props", "POST", "/props", "{}", 501, apiError4("501", "this server does not support changing global properties", "not_supported_error"), nil},
		{"completion", "POST", "/completion", `{"prompt":"a"}`, 501, apiError4("501", `model "fake" cannot complete text: it has no language-model head`, "not_supported_error"), nil},
		{"embeddings", "POST", "/v1/embeddings", `{"input":"a","model":"second"}`, 501, apiError4("501", `model "second" cannot embed: it has neither an embedding head nor pooling`, "not_supported_error"), nil},
		{"time limit", "POST", "/v1/rerank", `{}`, 400, bad(`header X-Request-Timeout is "soon": expected a number of seconds above 0`), []string{"X-Request-Timeout", "soon"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := send(s, c.method, c.path, c.body, c.header...)
			if w.Code != c.status || c.want != "" && strings.TrimSpace(w.Body.String()) != c.want {
				t.Errorf("status %d, want %d\n got %s\nwant %s", w.Code, c.status, w.Body, c.want)
			}
			checkDescribed(t, c.method, c.path, c.body, w)
		})
	}
	if got := send(s, "GET", "/v1/rerank", "").Header().Get("Allow"); got != "POST" {
		t.Errorf("Allow: %q", got)
	}
}

func manyFields(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`"` + strings.Repeat("a", i%8+1) + string(rune('a'+i%26)) + `":0`)
	}
	return b.String() + "}"
}
