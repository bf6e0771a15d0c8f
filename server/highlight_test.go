package server

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestSentences(t *testing.T) {
	for text, want := range map[string]string{
		"One two.  Three! \n Four?": "0-8 One two.|10-16 Three!|19-24 Four?",
		"日本語です。東京です。":               "0-6 日本語です。|6-11 東京です。",
		"Ärger. Öl\nE. coli":        "0-6 Ärger.|7-9 Öl|10-17 E. coli",
		" \n ":                      "",
		"":                          "",
	} {
		var got []string
		runes := []rune(text)
		for _, s := range sentences(text) {
			got = append(got, fmt.Sprintf("%d-%d %s", s.Start, s.End, s.Text))
			if string(runes[s.Start:s.End]) != s.Text {
				t.Errorf("%q: %d to %d is not %q", text, s.Start, s.End, s.Text)
			}
		}
		if joined := strings.Join(got, "|"); joined != want {
			t.Errorf("%q: %s, want %s", text, joined, want)
		}
	}
}

type highlightedReply struct {
	Results []struct {
		Index      int
		Score      float64 `json:"relevance_score"`
		Highlights []highlight
	}
	Usage usage
}

func askHighlights(t *testing.T, s *Server, path string, request map[string]any) (r highlightedReply) {
	t.Helper()
	body := toJSON(t, request)
	w := send(s, "POST", path, body)
	checkDescribed(t, "POST", path, body, w)
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
		t.Fatalf("%s: status %d: %s", body, w.Code, w.Body)
	}
	return r
}

// TestHighlights: the best sentences of the results that are sent, each with the score, to
// the bit, that it has as a document of its own; each is computed once.
func TestHighlights(t *testing.T) {
	s := decoderServer(t, "bert-minilm")
	const query = "what is deep learning"
	documents := []string{
		"Bread is baked. Deep learning is a kind of machine learning. It is fun!",
		"Nothing here.",
		"Neural networks learn. \n\n The sky is blue. Ärger über Öl. Deep networks have many layers.",
	}
	request := map[string]any{"query": query, "documents": documents}
	plain := askHighlights(t, s, "/v1/rerank", request)
	for _, raw := range []bool{false, true} {
		for _, path := range []string{"/v1/rerank", "/v2/rerank"} {
			request := map[string]any{"query": query, "documents": documents, "top_n": 2, "highlights": 2, "raw_scores": raw}
			got := askHighlights(t, s, path, request)
			if len(got.Results) != 2 {
				t.Fatalf("%d results", len(got.Results))
			}
			for i, r := range got.Results {
				if r.Index != plain.Results[i].Index || !raw && r.Score != plain.Results[i].Score {
					t.Errorf("result %d: %v, want %v", i, r, plain.Results[i])
				}
				all := sentences(documents[r.Index])
				if len(r.Highlights) != min(2, len(all)) {
					t.Errorf("document %d: %d highlights", r.Index, len(r.Highlights))
				}
				best := math.Inf(1)
				for _, h := range r.Highlights {
					if string([]rune(documents[r.Index])[h.Start:h.End]) != h.Text || h.Score > best {
						t.Errorf("document %d: %+v behind one of %v", r.Index, h, best)
					}
					best = h.Score
				}
				// The rest score no more, and each as if it stood alone.
				shown := map[string]float64{}
				for _, h := range r.Highlights {
					shown[h.Text] = h.Score
				}
				for _, x := range all {
					alone := askHighlights(t, s, "/v1/rerank", map[string]any{"query": query, "documents": []string{x.Text}, "raw_scores": raw}).Results[0].Score
					if score, ok := shown[x.Text]; ok && score != alone {
						t.Errorf("%q: %v, alone %v", x.Text, score, alone)
					} else if !ok && alone > best {
						t.Errorf("%q has %v and is left out; the last shown has %v", x.Text, alone, best)
					}
				}
			}
			if path == "/v1/rerank" {
				want := plain.Usage.TotalTokens
				for _, r := range got.Results {
					for _, x := range sentences(documents[r.Index]) {
						want += askHighlights(t, s, path, map[string]any{"query": query, "documents": []string{x.Text}}).Usage.TotalTokens
					}
				}
				if got.Usage.TotalTokens != want {
					t.Errorf("%d tokens, want %d", got.Usage.TotalTokens, want)
				}
			}
		}
	}
	if all := askHighlights(t, s, "/v1/rerank", map[string]any{"query": query, "documents": []string{" ", "a"}, "highlights": 9}); len(all.Results[0].Highlights)+len(all.Results[1].Highlights) != 1 {
		t.Errorf("%+v", all)
	}
	if none := askHighlights(t, s, "/v1/rerank", map[string]any{"query": query, "documents": []string{""}, "highlights": 1}); len(none.Results) != 1 || none.Results[0].Highlights != nil {
		t.Errorf("%+v", none)
	}
}

// TestHighlightsRefused: where sentences have no scores of their own, and where a reply has
// no place for them.
func TestHighlightsRefused(t *testing.T) {
	for _, c := range []struct{ model, body, want string }{
		{"bert-minilm", `{"query":"q","texts":["d"],"highlights":1}`, "not available in this dialect's replies"},
		{"bert-minilm", `{"query":"q","documents":["d"],"highlights":-1}`, `"highlights" is -1`},
		{"jina-v3", `{"query":"q","documents":["d"],"highlights":1}`, "ranks a list as a whole"},
	} {
		w := send(decoderServer(t, c.model), "POST", "/v1/rerank", c.body)
		if w.Code != 400 || !strings.Contains(strings.ReplaceAll(w.Body.String(), `\"`, `"`), c.want) {
			t.Errorf("%s: status %d: %s", c.body, w.Code, w.Body)
		}
	}
}
