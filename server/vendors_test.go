package server

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow"
)

var totalDuration = func(body string) string {
	i := strings.Index(body, `"total_duration":`)
	if i < 0 {
		return body
	}
	rest := strings.TrimLeft(body[i+len(`"total_duration":`):], "0123456789")
	return body[:i] + `"total_duration":0` + rest
}

// TestVendors: the dialects of further services, to the letter. What their clients send
// and read is from the sources of the clients.
func TestVendors(t *testing.T) {
	s := start(t, Options{Version: "1.2.3"}, new(fakeModel).spec("fake"), specOf("e", new(fakeEmbedder)))
	const dash = "/api/v1/services/rerank/text-rerank/text-rerank"
	long := `"` + strings.Repeat("1 ", 70) + `"`
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
		header           []string
	}{
		{"Voyage's client for JavaScript", "/v1/rerank", `{"query":"q","documents":["0","1"],"model":"default"}`, 200,
			`{"object":"list","data":[{"index":1,"relevance_score":` + sig1 + `},{"index":0,"relevance_score":0.5}],"model":"default","usage":{"total_tokens":10}}`, []string{"User-Agent", "voyageai/0.4.0"}},

		{"Weaviate", "/rerank", `{"query":"q","documents":["0","1"],"property":""}`, 200,
			`{"query":"q","scores":[{"document":"0","score":0.5},{"document":"1","score":` + sig1 + `}]}`, nil},
		{"Weaviate, one text", "/rerank", `{"query":"q","documents":null,"property":"1"}`, 200,
			`{"query":"q","scores":[{"document":"1","score":` + sig1 + `}],"property":"1","score":` + sig1 + `}`, nil},
		{"Weaviate, error", "/rerank", `{"query":1,"documents":["0"],"property":""}`, 400, `{"error":"\"query\" is 1: expected a string"}`, nil},

		{"NIM", "/v1/ranking", `{"model":"default","query":{"text":"q"},"passages":[{"text":"0"},{"text":"1.5"}],"truncate":"END"}`, 200,
			`{"rankings":[{"index":1,"logit":1.5},{"index":0,"logit":0}],"usage":{"prompt_tokens":10,"total_tokens":10}}`, nil},
		{"NIM, hosted", "/v1/retrieval/nvidia/reranking", `{"model":"default","query":{"text":"q"},"passages":[{"text":"2"}]}`, 200,
			`{"rankings":[{"index":0,"logit":2}],"usage":{"prompt_tokens":5,"total_tokens":5}}`, nil},
		{"NIM, hosted by model", "/v1/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking", `{"query":{"text":"q"},"passages":[{"text":"2"}],"truncate":"NONE"}`, 200,
			`{"rankings":[{"index":0,"logit":2}],"usage":{"prompt_tokens":5,"total_tokens":5}}`, nil},
		{"NIM, too long", "/v1/ranking", `{"query":{"text":"q"},"passages":[{"text":` + long + `}],"truncate":"NONE"}`, 400,
			`{"error":{"code":400,"message":"documents[0] has 74 tokens with the query; at most 64 are accepted, and truncation is off","n_ctx":64,"n_prompt_tokens":74,"type":"exceed_context_size_error"}}`, nil},

		{"DashScope", dash, `{"model":"default","input":{"query":"q","documents":["0","1"]},"parameters":{"return_documents":true,"top_n":1}}`, 200,
			`{"output":{"results":[{"index":1,"relevance_score":` + sig1 + `,"document":{"text":"1"}}]},"usage":{"total_tokens":10},"request_id":"test"}`, nil},
		{"DashScope, no parameters", dash, `{"input":{"query":"q","documents":["0"]}}`, 200,
			`{"output":{"results":[{"index":0,"relevance_score":0.5}]},"usage":{"total_tokens":5},"request_id":"test"}`, nil},
		{"DashScope, error", dash, `{"input":"q"}`, 400, `{"code":"InvalidParameter","message":"\"input\" is a string: expected an object with query and documents","request_id":"test"}`, nil},
		{"DashScope's compatible form", "/compatible-api/v1/reranks", `{"query":"q","documents":["0"],"instruct":"i"}`, 200,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`, nil},
		{"proposed for ollama", "/api/rerank", `{"query":"q","documents":["0"]}`, 200,
			`{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5}],` + meta + `}`, nil},
		{"RAGFlow", "/v1/rerank", `{"model":"default","query":"q","documents":["0"],"top_n":1,"return_documents":"true"}`, 200,
			`{"id":"rerank-test","model":"default","object":"list","usage":{"prompt_tokens":5,"total_tokens":5},"results":[{"index":0,"relevance_score":0.5,"document":{"text":"0"}}],` + meta + `}`, nil},

		{"TEI predict", "/predict", `{"inputs":["q","1"]}`, 200, `[{"score":` + sig1 + `,"label":"LABEL_0"}]`, nil},
		{"TEI predict, several", "/predict", `{"inputs":[["q","1"],["negate","1"]],"raw_scores":true}`, 200, `[[{"score":1,"label":"LABEL_0"}],[{"score":-1,"label":"LABEL_0"}]]`, nil},
		{"TEI predict, a text", "/predict", `{"inputs":"q"}`, 400, `{"error":"\"inputs\" is a string: expected an array of pairs of texts","error_type":"Validation"}`, nil},
		{"TEI predict, no pair", "/predict", `{"inputs":[["q","1"],["q"]]}`, 400, `{"error":"inputs[1] is an array: expected two texts, or an array of such pairs","error_type":"Validation"}`, nil},
		{"TEI similarity", "/similarity", `{"model":"e","inputs":{"source_sentence":"3 4","sentences":["0 2","-3 -4","4 3"]}}`, 200, `[0.8,-1,0.96]`, nil},
		{"TEI similarity, error", "/similarity", `{"model":"e","inputs":{"sentences":["a"]}}`, 400, `{"error":"\"source_sentence\" is missing: expected a string","error_type":"Validation"}`, nil},
		{"TEI embed_all", "/embed_all", `{"model":"e","inputs":"3 4"}`, 200, `[[[3,4],[3,4],[3,4],[3,4]]]`, nil},
		{"TEI embed_sparse", "/embed_sparse", `{"model":"e","inputs":"3 4"}`, 501, `{"error":"model \"e\" is not a SPLADE model: it has dense vectors only (/embed)","error_type":"Backend"}`, nil},
		{"TEI at the root: embed", "/", `{"model":"e","inputs":["3 4"]}`, 200, `[[0.6,0.8]]`, nil},
		{"TEI at the root: rerank", "/", `{"query":"q","texts":["0","1"]}`, 200, `[{"index":1,"score":` + sig1 + `},{"index":0,"score":0.5}]`, nil},
		{"TEI at the root: similarity", "/", `{"model":"e","inputs":{"source_sentence":"3 4","sentences":["3 4"]}}`, 200, `[1]`, nil},

		{"Cohere embed v2", "/v2/embed", `{"model":"e","texts":["3 4"],"input_type":"search_query","embedding_types":["float","base64"],"truncate":"END"}`, 200,
			`{"embeddings":{"base64":["mpkZP83MTD8="],"float":[[0.6,0.8]]},"id":"test","meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":4}},"texts":["3 4"]}`, nil},
		{"Cohere embed v1", "/v1/embed", `{"model":"e","texts":["3 4"]}`, 200,
			`{"embeddings":[[0.6,0.8]],"id":"test","meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":4}},"response_type":"embeddings_floats","texts":["3 4"]}`, nil},
		{"Cohere embed v1, by type", "/v1/embed", `{"model":"e","texts":["3 4"],"embedding_types":["float"]}`, 200,
			`{"embeddings":{"float":[[0.6,0.8]]},"id":"test","meta":{"api_version":{"version":"1"},"billed_units":{"input_tokens":4}},"response_type":"embeddings_by_type","texts":["3 4"]}`, nil},
		{"Cohere embed, int8", "/v2/embed", `{"model":"e","texts":["3 4"],"embedding_types":["int8"]}`, 400, bad(`"embedding_types" has "int8": expected one of float, base64`), nil},
		{"Cohere embed, too long", "/v2/embed", `{"model":"e","texts":[` + long + `],"truncate":"NONE"}`, 400,
			`{"error":{"code":400,"message":"texts[0] has 72 tokens; at most 64 are accepted, and truncation is off","n_ctx":64,"n_prompt_tokens":72,"type":"exceed_context_size_error"}}`, nil},

		{"ollama embed", "/api/embed", `{"model":"e:latest","input":["3 4"],"truncate":true,"keep_alive":"5m","options":{}}`, 200,
			`{"embeddings":[[0.6,0.8]],"load_duration":0,"model":"e:latest","prompt_eval_count":4,"total_duration":0}`, nil},
		{"ollama embeddings", "/api/embeddings", `{"model":"e","prompt":"3 4"}`, 200, `{"embedding":[0.6,0.8]}`, nil},
		{"ollama, error", "/api/embed", `{"model":"e"}`, 400, `{"error":"\"input\" is missing: expected a string or an array of strings"}`, nil},
	} {
		w := send(s, "POST", c.path, c.body, c.header...)
		if got := totalDuration(stable(w)); w.Code != c.status || got != c.want {
			t.Errorf("%s: status %d, want %d\n got %s\nwant %s", c.name, w.Code, c.status, got, c.want)
		}
		path := c.path
		for template, like := range map[string]string{"/v1/retrieval/{vendor}/reranking": "/v1/retrieval/nvidia/reranking",
			"/v1/retrieval/{vendor}/{model}/reranking": "/v1/retrieval/nvidia/llama-3_2-nv-rerankqa-1b-v2/reranking"} {
			if path == like {
				path = template
			}
		}
		if c.name != "RAGFlow" { // whose "true" is what the description calls a boolean
			checkDescribed(t, "POST", path, c.body, w)
		}
	}
}

// TestVoyageOrCohere: by the names of their models.
func TestVoyageOrCohere(t *testing.T) {
	s := start(t, Options{})
	for model, voyage := range map[string]bool{"rerank-2": true, "rerank-2-lite": true, "rerank-lite-1": true, "rerank-2.5": true, "voyageai/rerank-2.5": true,
		"rerank-v3.5": false, "rerank-english-v3.0": false, "rerank-multilingual-v2.0": false, "default": false, "": false, "my-rerank-2": false} {
		w := send(s, "POST", "/v1/rerank", `{"query":"q","documents":["0"],"model":"`+model+`"}`)
		if got := strings.Contains(w.Body.String(), `"data":[`); got != voyage {
			t.Errorf("%q is answered as Voyage's: %t: %s", model, got, w.Body)
		}
	}
	if w := send(s, "POST", "/v1/rerank", `{"query":"q","documents":["0"],"model":"rerank-2","top_n":1}`); !strings.Contains(w.Body.String(), `"results":[`) {
		t.Errorf("top_n is not Voyage's: %s", w.Body)
	}
}

// TestInputType: a model's prompts for queries and documents are found by what services
// call these.
func TestInputType(t *testing.T) {
	both := winnow.Info{Prompts: map[string]string{"query": "q: ", "passage": "p: "}}
	for _, c := range []struct {
		kind string
		info winnow.Info
		want string
	}{{"query", both, "query"}, {"document", both, "passage"}, {"document", winnow.Info{}, ""}, {"query", winnow.Info{Prompts: map[string]string{"s2p_query": ""}}, "s2p_query"}} {
		if got := promptFor(c.kind, c.info); got != c.want {
			t.Errorf("%s of %v: %q, want %q", c.kind, c.info.Prompts, got, c.want)
		}
	}
	for body, want := range map[string]string{`{"input":"a","input_type":"search_query"}`: "query", `{"input":"a","input_type":"document"}`: "document",
		`{"input":"a","task":"retrieval.passage"}`: "document", `{"input":"a","input_type":"classification"}`: "", `{"input":"a"}`: ""} {
		f, err := parseObject([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if q, err := openAIEmbeddings.request(f, 10); err != nil || q.kind != want {
			t.Errorf("%s: %q, %v, want %q", body, q.kind, err, want)
		}
	}
	// The model has a prompt for queries, so that they have another vector.
	s := decoderServer(t, "embed-dense")
	vector := func(more string) string {
		w := send(s, "POST", "/v1/embeddings", `{"input":"a text"`+more+`}`)
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	if vector(`,"input_type":"query"`) != vector("") || vector(`,"input_type":"document"`) == vector("") {
		t.Error("input_type does not choose the prompt")
	}
}

func TestWeaviateAndOllamaRoutes(t *testing.T) {
	s := start(t, Options{Version: "1.2.3", APIKeys: []string{"k"}})
	loaded := s.registry.status()[0].loadedAt.UTC().Format(time.RFC3339)
	for _, c := range []struct {
		path, want string
		status     int
	}{
		{"/.well-known/ready", "", 204}, {"/.well-known/live", "", 204}, {"/meta", `{"model":"fake","type":"cross-encoder"}`, 200},
		{"/readyz", `{"status":"ok"}`, 200}, {"/livez", `{"status":"ok"}`, 200},
		{"/api/tags", `{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}`, 401},
	} {
		if w := send(s, "GET", c.path, ""); w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.want {
			t.Errorf("%s: status %d: %s", c.path, w.Code, w.Body)
		}
	}
	for path, want := range map[string]string{
		"/api/version": `{"version":"1.2.3"}`,
		"/api/tags":    `{"models":[{"name":"fake","model":"fake","modified_at":"` + loaded + `","size":49380,"digest":"","details":{"parent_model":"","format":"gguf","family":"bert","families":[],"parameter_size":"","quantization_level":"f32"}}]}`,
		"/v1/models/fake": `{"id":"fake","aliases":[],"tags":[],"object":"model","created":0,"owned_by":"winnow","status":{"value":"loaded"},"meta":{"vocab_type":3,"n_vocab":1000,"n_ctx":64,"n_ctx_train":64,"n_embd":8,"n_params":12345,"size":49380,"ftype":"f32"},` +
			`"model_name":"fake","model_type":"rerank"}`,
	} {
		w := send(s, "GET", path, "", "X-Api-Key", "k")
		if got := stable(w); w.Code != 200 || got != want {
			t.Errorf("%s: status %d\n got %s\nwant %s", path, w.Code, got, want)
		}
		checkDescribed(t, "GET", strings.Replace(path, "/fake", "/{id}", 1), "", w)
	}
	two := start(t, Options{}, new(fakeModel).spec("org/one"), specOf("two", new(fakeEmbedder)))
	for path, want := range map[string]string{"/v1/models/org/one": `"model_type":"rerank"`, "/v1/models/two": `"model_type":"embedding"`, "/v1/models/three": `"code":404`} {
		if w := send(two, "GET", path, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// TestLiveAndReady: a server that has no model yet lives, but is not ready.
func TestLiveAndReady(t *testing.T) {
	s, err := New(Options{Models: []ModelSpec{new(fakeModel).spec("fake")}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 503, "/health": 503, "/.well-known/ready": 503} {
		if w := send(s, "GET", path, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
}

func TestTrailingSlash(t *testing.T) {
	s := start(t, Options{Prefix: "/api", Page: Page(), Pprof: true})
	for _, path := range []string{"/api/v1/rerank/", "/api/v1/rerank//", "/api/rerank/"} {
		if w := send(s, "POST", path, ask1); w.Code != 200 {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	for path, want := range map[string]int{"/api/v1/models/": 200, "/api/": 200, "/api/debug/pprof/": 200, "/api/nothing/": 404} {
		if w := send(s, "GET", path, ""); w.Code != want {
			t.Errorf("%s: status %d, want %d", path, w.Code, want)
		}
	}
}

// TestUnknownPathIsLogged: whoever runs the server sees what clients look for.
func TestUnknownPathIsLogged(t *testing.T) {
	var out bytes.Buffer
	s := start(t, Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	send(s, "POST", "/v1/v1/rerank", ask1)
	if !strings.Contains(out.String(), "path=/v1/v1/rerank") || !strings.Contains(out.String(), "did you mean /v1/rerank?") {
		t.Errorf("%s", out.String())
	}
}

func TestGzip(t *testing.T) {
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.String()
	}
	s := start(t, Options{MaxBody: 64 << 10})
	whole := pack(ask1)
	for _, c := range []struct {
		name, body, encoding string
		status               int
	}{
		{"gzip", whole, "gzip", 200}, {"x-gzip", whole, "X-GZIP", 200},
		{"unpacks to too much", pack(fmt.Sprintf(`{"query":"%s"}`, strings.Repeat("q", 10<<20))), "gzip", 413},
		{"cut short", whole[:len(whole)-6], "gzip", 400}, {"none", ask1, "gzip", 400}, {"brotli", ask1, "br", 415},
	} {
		if w := send(s, "POST", "/v1/rerank", c.body, "Content-Encoding", c.encoding); w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, w.Code, c.status, w.Body)
		}
	}
	// TEI's root hands the body on.
	e := start(t, Options{}, specOf("e", new(fakeEmbedder)))
	if w := send(e, "POST", "/", pack(`{"inputs":"3 4"}`), "Content-Encoding", "gzip"); w.Code != 200 {
		t.Errorf("at the root: status %d: %s", w.Code, w.Body)
	}
}

// TestSimilarityOfVectors: it is the cosine, whatever length the model's vectors have.
func TestSimilarityOfVectors(t *testing.T) {
	s := decoderServer(t, "embed-bge")
	r := readEmbeddings(t, "embed-bge")
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	var got []float64
	w := send(s, "POST", "/similarity", toJSON(t, map[string]any{"inputs": map[string]any{"source_sentence": r.Texts[0].Text, "sentences": []string{r.Texts[1].Text, r.Texts[2].Text}}}))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	for i, x := range got {
		if want := dot(r.Texts[0].Embedding, r.Texts[i+1].Embedding); math.Abs(x-want) > 1e-5 {
			t.Errorf("sentence %d: %v, want %v", i, x, want)
		}
	}
}
