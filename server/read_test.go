package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestShortest(t *testing.T) {
	for _, c := range []struct{ guess, most, want, tries int }{
		{0, 0, 0, 0}, {0, 1, 0, 1}, {5, 1, 1, 1}, {0, 100, 100, 1}, {0, 100, 0, 2}, {50, 100, 37, 8}, {10, 1000, 37, 9}, {2000, 1000, 37, 11}, {40, 1 << 20, 37, 8},
	} {
		tries := 0
		got, err := shortest(c.guess, c.most, func(n int) (bool, error) {
			tries++
			return n >= c.want, nil
		})
		if got != c.want || tries != c.tries || err != nil {
			t.Errorf("from %d, at most %d: %d in %d tries (%v), want %d in %d", c.guess, c.most, got, tries, err, c.want, c.tries)
		}
	}
}

// TestDetails: the replies with logits, and with what was read of a document that is cut.
func TestDetails(t *testing.T) {
	s := start(t, Options{})
	for path, want := range map[string]string{
		"/v1/rerank": `{"id":"rerank-test","model":"fake","object":"list","usage":{"prompt_tokens":10,"total_tokens":10},"results":[{"index":1,"relevance_score":` + sig1 +
			`,"logit":1},{"index":0,"relevance_score":0.5,"logit":0}],` + meta + `}`,
		"/v2/rerank": `{"id":"test","results":[{"index":1,"relevance_score":` + sig1 + `,"logit":1},{"index":0,"relevance_score":0.5,"logit":0}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`,
	} {
		const body = `{"query":"q","documents":["0","1"],"details":true}`
		w := send(s, "POST", path, body)
		checkDescribed(t, "POST", path, body, w)
		if got := stable(w); w.Code != 200 || got != want {
			t.Errorf("status %d\n got %s\nwant %s", w.Code, got, want)
		}
	}
	w := send(s, "POST", "/rerank", `{"query":"q","texts":["0"],"details":true}`)
	if got := strings.ReplaceAll(w.Body.String(), `\"`, `"`); w.Code != 400 || !strings.Contains(got, `"details" is true: not available in this dialect's replies; use /v1/rerank`) {
		t.Errorf("status %d: %s", w.Code, got)
	}
	// Beside a query that fills the model no part is named.
	w = send(decoderServer(t, "bert-minilm"), "POST", "/v1/rerank", `{"query":"`+strings.Repeat("a ", 400)+`","documents":["`+strings.Repeat("b ", 400)+`"],"details":true}`)
	if got := w.Body.String(); w.Code != 200 || strings.Contains(got, `"read"`) || !strings.Contains(got, `"truncated":1,`) {
		t.Errorf("status %d: %s", w.Code, got)
	}
	// A listwise model reads a list as a whole: of its documents no part is named.
	w = send(decoderServer(t, "jina-v3"), "POST", "/v1/rerank", `{"query":"q","documents":["a","`+strings.Repeat("b ", 5000)+`"],"details":true,"truncate_prompt_tokens":400}`)
	if got := w.Body.String(); w.Code != 200 || strings.Contains(got, `"read"`) || strings.Count(got, `"logit":`) != 2 || !strings.Contains(got, `"truncated":1,"listwise":true,`) {
		t.Errorf("status %d: %s", w.Code, got)
	}
}

// TestRead: what was read of a document has, alone, the score of the whole, and with one
// character less has not been read so.
func TestRead(t *testing.T) {
	words := "Ärger über 😀 Öl: deep learning is a part of machine learning, as trees are of woods. "
	long := strings.Repeat(words, 12)
	for _, c := range []struct {
		model, side string
		most        int
		want        extent // the part, as it was found; the test below says what it is
	}{
		{"bert-minilm", "right", 90, extent{0, 155}},
		{"bert-minilm", "left", 90, extent{868, 1019}},
		{"qwen3-reranker", "right", 200, extent{0, 97}},
		{"colbert-bert", "right", 90, extent{0, 112}},
	} {
		s := decoderServer(t, c.model)
		ask := func(document string) (score float64, read *extent) {
			t.Helper()
			body := toJSON(t, map[string]any{"query": "what is deep learning", "documents": []string{document}, "details": true, "truncate_prompt_tokens": c.most, "truncation_side": c.side})
			w := send(s, "POST", "/v1/rerank", body)
			checkDescribed(t, "POST", "/v1/rerank", body, w)
			var r jinaReply
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
				t.Fatalf("%s: status %d: %s", c.model, w.Code, w.Body)
			}
			return r.Results[0].Score, r.Results[0].Read
		}
		score, read := ask(long)
		if read == nil || *read != c.want {
			t.Errorf("%s, %s: read %v, want %v", c.model, c.side, read, c.want)
			continue
		}
		text := []rune(long)
		if alone, part := ask(string(text[read.Start:read.End])); alone != score || part != nil && *part != (extent{0, read.End - read.Start}) {
			t.Errorf("%s, %s: score %v, of what was read %v (read %v)", c.model, c.side, score, alone, part)
		}
		less := text[read.Start : read.End-1]
		if c.side == "left" {
			less = text[read.Start+1 : read.End]
		}
		if other, _ := ask(string(less)); other == score {
			t.Errorf("%s, %s: score %v with a character less, too", c.model, c.side, other)
		}
	}
}

// TestUseCache: without the cache all is computed, and what is computed is kept. A cached
// score answers a request for details when what was read is known.
func TestUseCache(t *testing.T) {
	model := new(fakeModel)
	s := start(t, Options{CacheSize: 10}, model.spec("fake"))
	long := strings.Repeat("w ", 100)
	for i, c := range []struct {
		more     string
		computed int // documents, so far
	}{
		{``, 2}, {``, 2}, {`,"use_cache":true`, 2}, {`,"use_cache":false`, 4}, {`,"use_cache":"false","highlights":1`, 8}, {``, 8},
		{`,"details":true`, 9}, {`,"details":true`, 9}, {`,"use_cache":false`, 11}, {`,"details":true`, 11}, {`,"overflow":"chunk","details":true`, 14}, {`,"overflow":"chunk","details":true`, 14},
	} {
		body := fmt.Sprintf(`{"query":"q","documents":["1 a","%s"]%s}`, long, c.more)
		w := send(s, "POST", "/v1/rerank", body)
		checkDescribed(t, "POST", "/v1/rerank", strings.Replace(body, `"false"`, "false", 1), w)
		n := 0
		for _, b := range model.batches() {
			n += len(b)
		}
		if w.Code != 200 || n != c.computed {
			t.Errorf("request %d: status %d, %d documents computed, want %d: %s", i, w.Code, n, c.computed, w.Body)
		}
	}
	if w := send(s, "POST", "/v1/rerank", `{"query":"q","documents":["a"],"use_cache":3}`); w.Code != 400 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
