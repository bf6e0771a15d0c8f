package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow"
)

type embeddingReference struct {
	Texts []struct {
		Prompt, Text string
		IDs          []int32
		Embedding    []float64
	}
}

func readEmbeddings(t *testing.T, name string) (r embeddingReference) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name, "reference.json"))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkVector(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i, x := range got {
		if math.Abs(float64(x)-want[i]) > 2e-6 {
			t.Errorf("%s, number %d: %v, want %v", what, i, x, want[i])
		}
	}
}

// TestEmbeddings: all dialects give the vectors that the model's authors would have.
func TestEmbeddings(t *testing.T) {
	r := readEmbeddings(t, "embed-bge")
	s := decoderServer(t, "embed-bge")
	var texts []string
	tokens := 0
	for _, x := range r.Texts {
		texts = append(texts, x.Text)
		tokens += len(x.IDs)
	}

	type openAI struct {
		Object, Model string
		Data          []struct {
			Object    string
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			Prompt int `json:"prompt_tokens"`
			Total  int `json:"total_tokens"`
		}
	}
	ask := func(path, body string, reply any) *http.Header {
		t.Helper()
		w := send(s, "POST", path, body)
		checkDescribed(t, "POST", path, body, w)
		if w.Code != 200 {
			t.Fatalf("%s %s: status %d: %s", path, body, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), reply); err != nil {
			t.Fatalf("%s: %v: %s", path, err, w.Body)
		}
		h := w.Header()
		return &h
	}
	var list openAI
	ask("/v1/embeddings", toJSON(t, map[string]any{"input": texts, "model": "default"}), &list)
	if list.Object != "list" || list.Model != "default" || list.Usage.Prompt != tokens || list.Usage.Total != tokens || len(list.Data) != len(texts) {
		t.Errorf("%v %q %+v, %d vectors; want %d tokens, %d vectors", list.Object, list.Model, list.Usage, len(list.Data), tokens, len(texts))
	}
	for i, d := range list.Data {
		var v []float32
		if err := json.Unmarshal(d.Embedding, &v); err != nil || d.Index != i || d.Object != "embedding" {
			t.Errorf("vector %d: %q, index %d, %v", i, d.Object, d.Index, err)
		}
		checkVector(t, "/v1/embeddings", v, r.Texts[i].Embedding)
	}

	list = openAI{}
	ask("/v1/embeddings", toJSON(t, map[string]any{"input": texts[0], "encoding_format": "base64"}), &list)
	var coded string
	if err := json.Unmarshal(list.Data[0].Embedding, &coded); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	checkVector(t, "base64", v, r.Texts[0].Embedding)

	list = openAI{}
	ask("/v1/embeddings", toJSON(t, map[string]any{"input": texts[0], "dimensions": 8}), &list)
	short := r.Texts[0].Embedding[:8]
	length := 0.0
	for _, x := range short {
		length += x * x
	}
	want := make([]float64, 8)
	for i, x := range short {
		want[i] = x / math.Sqrt(length)
	}
	v = nil
	if err := json.Unmarshal(list.Data[0].Embedding, &v); err != nil {
		t.Fatal(err)
	}
	checkVector(t, "8 dimensions", v, want)

	var tei [][]float32
	h := ask("/embed", toJSON(t, map[string]any{"inputs": texts}), &tei)
	for i, v := range tei {
		checkVector(t, "/embed", v, r.Texts[i].Embedding)
	}
	if h.Get("X-Compute-Tokens") == "" {
		t.Error("no X-Compute-Tokens")
	}
	var plain [][]float32
	ask("/embed", toJSON(t, map[string]any{"inputs": texts[0], "normalize": false}), &plain)
	length = 0
	for _, x := range plain[0] {
		length += float64(x) * float64(x)
	}
	if math.Abs(length-1) < 1e-3 {
		t.Errorf("a vector that is not normalised has the length %v", math.Sqrt(length))
	}

	var llama []struct {
		Index     int
		Embedding [][]float32
	}
	ask("/embedding", toJSON(t, map[string]any{"content": texts[1]}), &llama)
	checkVector(t, "/embedding", llama[0].Embedding[0], r.Texts[1].Embedding)
}

// TestEmbeddingTokens: tokens, objects and mixtures have the vectors of the texts that they
// are.
func TestEmbeddingTokens(t *testing.T) {
	r := readEmbeddings(t, "embed-bge")
	s := decoderServer(t, "embed-bge")
	vectors := func(input any) (list [][]float32, tokens int) {
		t.Helper()
		body := toJSON(t, map[string]any{"input": input})
		w := send(s, "POST", "/v1/embeddings", body)
		checkDescribed(t, "POST", "/v1/embeddings", body, w)
		var reply struct {
			Data  []struct{ Embedding []float32 }
			Usage usage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil || w.Code != 200 {
			t.Fatalf("%s: status %d: %s", body, w.Code, w.Body)
		}
		for _, d := range reply.Data {
			list = append(list, d.Embedding)
		}
		return list, reply.Usage.PromptTokens
	}
	a, b := r.Texts[0], r.Texts[1]
	want, tokens := vectors([]string{a.Text, b.Text})
	first, last := a.IDs[0], a.IDs[len(a.IDs)-1]
	for name, c := range map[string]struct {
		input any
		want  [][]float32
	}{
		"tokens":             {a.IDs, want[:1]},
		"lists of tokens":    {[]any{a.IDs, b.IDs}, want},
		"text and tokens":    {[]any{a.Text, b.IDs}, want},
		"tokens and texts":   {[]any{first, a.Text, last}, want[:1]},
		"object":             {map[string]any{"prompt_string": a.Text}, want[:1]},
		"parts":              {map[string]any{"content": []any{map[string]any{"type": "text", "text": a.Text[:3]}, map[string]any{"type": "text", "text": a.Text[3:]}}}, want[:1]},
		"objects and tokens": {[]any{map[string]any{"prompt_string": a.Text}, b.IDs}, want},
	} {
		got, n := vectors(c.input)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d vectors", name, len(got))
			continue
		}
		if len(c.want) == 2 && n != tokens {
			t.Errorf("%s: %d tokens, want %d", name, n, tokens)
		}
		for i, v := range c.want {
			if !slices.Equal(got[i], v) {
				t.Errorf("%s, vector %d: %v, want %v", name, i, got[i], v)
			}
		}
	}
}

type tokenStates struct {
	Prompt, Text string
	IDs          []int32
	States       [][]float64
}

func readStates(t *testing.T, name string) []tokenStates {
	t.Helper()
	var all map[string][]tokenStates
	data, err := os.ReadFile(filepath.Join("..", "testdata", "token_states.json"))
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

// TestEmbedAll: the states of every token are those of transformers
// (testdata/make_token_states.py), on TEI's route and on llama.cpp's with its pooling none.
func TestEmbedAll(t *testing.T) {
	for _, name := range []string{"embed-bge", "embed-dense"} {
		s := start(t, Options{EveryToken: true}, ModelSpec{Name: name, Path: name, Load: func(context.Context) (Model, error) {
			return winnow.Open(filepath.Join("..", "testdata", name), winnow.WithPrecision(winnow.F32))
		}})
		for _, x := range readStates(t, name) {
			request := map[string]any{"inputs": []string{x.Text, "beside"}, "content": x.Text}
			if x.Prompt != "" {
				request["prompt_name"] = x.Prompt
			}
			body := toJSON(t, request)
			w := send(s, "POST", "/embed_all", body)
			checkDescribed(t, "POST", "/embed_all", body, w)
			var all [][][]float32
			if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != 200 || len(all) != 2 {
				t.Fatalf("status %d: %.300s", w.Code, w.Body)
			}
			var llama []struct{ Embedding [][]float32 }
			w = send(s, "POST", "/embedding", body)
			checkDescribed(t, "POST", "/embedding", body, w)
			if err := json.Unmarshal(w.Body.Bytes(), &llama); err != nil || len(llama) != 1 {
				t.Fatalf("status %d: %.300s", w.Code, w.Body)
			}
			if len(all[0]) != len(x.States) || len(llama[0].Embedding) != len(x.States) {
				t.Fatalf("%d and %d vectors of %d tokens", len(all[0]), len(llama[0].Embedding), len(x.States))
			}
			for i, want := range x.States {
				for k, v := range all[0][i] {
					if len(want) != len(all[0][i]) || math.Abs(float64(v)-want[k]) > 1e-5 {
						t.Errorf("%s %q, token %d, number %d: %v, want %v", name, x.Text, i, k, v, want)
					}
				}
				if !slices.Equal(all[0][i], llama[0].Embedding[i]) {
					t.Errorf("%q, token %d: /embed_all %v, /embedding %v", x.Text, i, all[0][i], llama[0].Embedding[i])
				}
			}
			if name == "embed-bge" { // whose vector is the first token's
				var pooled [][]float32
				if err := json.Unmarshal(send(s, "POST", "/embed", body).Body.Bytes(), &pooled); err != nil {
					t.Fatal(err)
				}
				if first := winnow.Shorten(all[0][0], 0, true); !slices.Equal(first, pooled[0]) {
					t.Errorf("%q: first token %v, /embed %v", x.Text, first, pooled[0])
				}
			}
		}
		if w := send(s, "POST", "/v1/embeddings", `{"input":"a"}`); w.Code != 400 || !strings.Contains(w.Body.String(), "--pooling none") {
			t.Errorf("/v1/embeddings: status %d: %s", w.Code, w.Body)
		}
	}
}

func TestEmbeddingPrompts(t *testing.T) {
	r := readEmbeddings(t, "embed-dense")
	s := decoderServer(t, "embed-dense")
	for _, x := range r.Texts {
		var reply [][]float32
		w := send(s, "POST", "/embed", toJSON(t, map[string]any{"inputs": []string{x.Text}, "prompt_name": x.Prompt}))
		if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		checkVector(t, x.Prompt+" "+x.Text, reply[0], x.Embedding)
	}
}

func TestEmbeddingErrors(t *testing.T) {
	s := decoderServer(t, "embed-bge")
	long := strings.Repeat("many words ", 100)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"/v1/embeddings", `{}`, `"input" is missing`, 400},
		{"/v1/embeddings", `{"input":[]}`, `"input" is an empty array`, 400},
		{"/v1/embeddings", `{"input":[1,-2]}`, `input[1] is -2: expected a token id from 0 to`, 400},
		{"/v1/embeddings", `{"input":["a",[100256]]}`, `input[1][0] is 100256: expected a token id from 0 to`, 400},
		{"/v1/embeddings", `{"input":[[1,true]]}`, `check_embedding_ctx_length=False`, 400},
		{"/v1/embeddings", `{"input":["a",[]]}`, `input[1] is empty`, 400},
		{"/v1/embeddings", `{"input":{"content":"a"}}`, `"content" is`, 400},
		{"/v1/embeddings", `{"input":{"content":[{"type":"image_url"}]}}`, `the model reads text only`, 400},
		{"/v1/embeddings", toJSON(t, map[string]any{"input": make([]int, 65)}), `too large`, 400},
		{"/embed_sparse", `{"inputs":"a"}`, `not a SPLADE model`, 501},
		{"/v1/embeddings", `{"input":"a","encoding_format":"int8"}`, `"encoding_format"`, 400},
		{"/v1/embeddings", `{"input":"a","dimensions":33}`, `have 32`, 400},
		{"/v1/embeddings", `{"input":"a","dimensions":-1}`, `"dimensions"`, 400},
		{"/v1/embeddings", toJSON(t, map[string]any{"input": long, "truncate": false}), `tokens`, 400},
		{"/embedding", `{"content":"a","embd_normalize":1}`, `"embd_normalize"`, 400},
		{"/embed", `{"inputs":"a","prompt_name":"query"}`, `"error_type":"Validation"`, 400},
		{"/v1/rerank", `{"query":"q","documents":["d"]}`, `cannot rerank`, 501},
	} {
		w := send(s, "POST", c.path, c.body)
		checkDescribed(t, "POST", c.path, c.body, w)
		if w.Code != c.status || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), c.want) {
			t.Errorf("%s %.60s: status %d, want %d; %s does not say %q", c.path, c.body, w.Code, c.status, w.Body, c.want)
		}
	}
	// A text that is too long is cut, at either end.
	for _, side := range []string{"left", "right"} {
		if w := send(s, "POST", "/embed", toJSON(t, map[string]any{"inputs": long, "truncation_direction": side})); w.Code != 200 || w.Header().Get("X-Compute-Tokens") != "64" {
			t.Errorf("cut at the %s: status %d, %s tokens: %s", side, w.Code, w.Header().Get("X-Compute-Tokens"), w.Body)
		}
	}
	w := send(s, "GET", "/info", "")
	checkDescribed(t, "GET", "/info", "", w)
	if !strings.Contains(w.Body.String(), `"embedding":{"pooling":"first token"}`) {
		t.Errorf("info: %s", w.Body)
	}
}
