package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestWindows(t *testing.T) {
	pieces := func(tokens ...int) (list []textPiece) {
		for i, n := range tokens {
			list = append(list, textPiece{i, i + 1, n})
		}
		return list
	}
	for _, c := range []struct {
		pieces []textPiece
		room   int
		want   string
	}{
		{pieces(), 10, "[]"},
		{pieces(3), 10, "[{0 1}]"},
		{pieces(30), 10, "[{0 1}]"},
		{pieces(5, 5, 5, 5), 10, "[{0 2} {2 4}]"},
		{pieces(8, 1, 1, 8, 1, 1), 10, "[{0 3} {2 5} {4 6}]"},
		{pieces(30, 1, 30), 10, "[{0 1} {1 2} {2 3}]"},
		{pieces(1, 1, 1), 1, "[{0 1} {1 2} {2 3}]"},
		{pieces(0, 0, 0), 8, "[{0 3}]"},
	} {
		if got := fmt.Sprint(windows(c.pieces, c.room)); got != c.want {
			t.Errorf("%v in %d: %s, want %s", c.pieces, c.room, got, c.want)
		}
	}
}

func TestSplitText(t *testing.T) {
	words := func(s string) (int, error) { return len(strings.Fields(s)), nil }
	bytes := func(s string) (int, error) { return len(s), nil }
	for _, c := range []struct {
		text  string
		room  int
		count func(string) (int, error)
		want  string
	}{
		{"One two. Three four five! Six?", 3, words, "One two. |Three four five! |Six?"},
		{"a b c d e f g h", 3, words, "a b c |d e |f g h"},
		{"日本語のテキスト", 6, bytes, "日本|語の|テキ|スト"},
		{"x", 0, bytes, "x"},
		{"", 3, words, ""},
	} {
		pieces, err := splitText(c.text, c.room, c.count)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, p := range pieces {
			parts = append(parts, c.text[p.start:p.end])
		}
		if got := strings.Join(parts, "|"); got != c.want || strings.Join(parts, "") != c.text {
			t.Errorf("%q in %d: %q, want %q", c.text, c.room, got, c.want)
		}
	}
}

// TestOverflow: the best window counts, is named, and is paid for with the others.
func TestOverflow(t *testing.T) {
	s := start(t, Options{CacheSize: 100})
	var numbers []string
	for i := range 150 {
		numbers = append(numbers, fmt.Sprint(i))
	}
	long := strings.Join(numbers, " ")
	ask := func(more string) (r jinaReply) {
		t.Helper()
		body := `{"query":"q","documents":["5","` + long + `"],"raw_scores":true` + more + `}`
		w := send(s, "POST", "/v1/rerank", body)
		checkDescribed(t, "POST", "/v1/rerank", body, w)
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return r
	}
	for range 2 { // the second time from the cache
		cut := ask(`,"overflow":"truncate"`)
		if cut.Results[0].Index != 0 || cut.Meta.Truncated != 1 || cut.Meta.Chunked != 0 || cut.Results[1].Chunk != nil {
			t.Errorf("cut: %+v", cut)
		}
		// The fake scores a text by the number that it begins with.
		r := ask(`,"overflow":"chunk"`)
		best := r.Results[0]
		if best.Index != 1 || best.Chunk == nil || best.Chunk.Index != best.Chunk.Of-1 || best.Chunk.Of < 3 || r.Results[1].Chunk != nil ||
			r.Meta.Truncated != 0 || r.Meta.Chunked != 1 {
			t.Fatalf("by windows: %+v, %+v", r, best.Chunk)
		}
		window := long[best.Chunk.Start:best.Chunk.End]
		if first, _, _ := strings.Cut(window, " "); first != fmt.Sprint(best.Score) || best.Chunk.End != len(long) {
			t.Errorf("score %v of the window %q", best.Score, window)
		}
		if n := r.Usage.TotalTokens; n < 5+150+4*best.Chunk.Of || n > 5+2*150 {
			t.Errorf("%d tokens in %d windows", n, best.Chunk.Of)
		}
		few := ask(`,"max_chunks_per_doc":2`)
		if c := few.Results[0].Chunk; c == nil || c.Of != 2 || c.Index != 1 || few.Meta.Truncated != 1 || few.Meta.Chunked != 1 {
			t.Errorf("at most 2: %+v, %+v", few, c)
		}
	}
	if w := send(s, "POST", "/v1/rerank", `{"query":"q","documents":["a"],"overflow":"split"}`); w.Code != 400 || !strings.Contains(w.Body.String(), "expected one of truncate, chunk") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if w := send(decoderServer(t, "jina-v3"), "POST", "/v1/rerank", `{"query":"q","documents":["a"],"overflow":"chunk"}`); w.Code != 400 {
		t.Errorf("a listwise model: status %d: %s", w.Code, w.Body)
	}
}

// TestOverflowOfModels: a window's score is that of its text, with every kind of model.
func TestOverflowOfModels(t *testing.T) {
	long := "Deep learning is a part of machine learning. " + strings.Repeat("Apples are red fruits that grow on trees. ", 40) + "Networks of neurons learn."
	for name, most := range map[string]int{"bert-minilm": 90, "qwen3-reranker": 450, "colbert-bert": 90} {
		s := decoderServer(t, name)
		ask := func(document, more string) jinaReply {
			var r jinaReply
			body := toJSON(t, map[string]any{"query": "what is deep learning", "documents": []string{document}})
			w := send(s, "POST", "/v1/rerank", strings.TrimSuffix(body, "}")+more+"}")
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
				t.Fatalf("%s: status %d: %s", name, w.Code, w.Body)
			}
			return r
		}
		bound := fmt.Sprintf(`,"truncate_prompt_tokens":%d`, most)
		whole := ask(long, bound+`,"overflow":"chunk"`)
		c := whole.Results[0].Chunk
		if c == nil || c.Of < 3 || whole.Meta.Truncated != 0 {
			t.Fatalf("%s: %+v, %+v", name, whole, c)
		}
		alone := ask(long[c.Start:c.End], bound)
		if alone.Results[0].Score != whole.Results[0].Score || alone.Meta.Truncated != 0 {
			t.Errorf("%s: score %v, of the window's text %v (%d cut)", name, whole.Results[0].Score, alone.Results[0].Score, alone.Meta.Truncated)
		}
		if first := ask(long, bound); whole.Results[0].Score < first.Results[0].Score {
			t.Errorf("%s: score %v by windows, %v of the beginning alone", name, whole.Results[0].Score, first.Results[0].Score)
		}
	}
}
