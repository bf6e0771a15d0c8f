package tokenizer

import (
	"math"
	"slices"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestTrie compares the trie with a map.
func TestTrie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é中")), 0, 12, -1)
		keys := rapid.SliceOfN(word, 0, 200).Draw(t, "keys")
		want := map[string]int32{}
		for i, k := range keys {
			if k != "" {
				want[k] = int32(i) // the last of equal keys
			}
		}
		trie := newTrie(len(keys), func(i int) string { return keys[i] }, func(i int) int32 { return int32(i) })
		for _, k := range append(keys, word.Draw(t, "other")) {
			v, ok := want[k]
			if !ok {
				v = -1
			}
			if got := trie.find(k); got != v {
				t.Fatalf("find(%q) = %d, expected %d", k, got, v)
			}
			longest, n := int32(-1), 0
			for i := 1; i <= len(k); i++ {
				if v, ok := want[k[:i]]; ok {
					longest, n = v, i
				}
			}
			if got, m := trie.longest(0, []byte(k)); got != longest || m != n {
				t.Fatalf("longest(%q) = %d %d, expected %d %d", k, got, m, longest, n)
			}
		}
	})
}

// TestUnigramBest compares the score of the pieces with that of the best of all
// ways to cut a text.
func TestUnigramBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.RuneFrom([]rune("abé"))
		m := &unigram{worst: math.Inf(1)}
		scores := map[string]float64{}
		m.add([]byte("<unk>"), 0)
		m.score(0)
		for i, p := range rapid.SliceOfNDistinct(rapid.StringOfN(letters, 1, 4, -1), 1, 20, rapid.ID).Draw(t, "pieces") {
			s := float64(rapid.IntRange(-20, 0).Draw(t, "score"))
			m.add([]byte(p), int32(i+1))
			m.score(s)
			scores[p] = s
		}
		if err := m.finish("test", "test", 0, false); err != nil {
			t.Fatal(err)
		}
		text := rapid.StringOfN(letters, 1, 12, -1).Draw(t, "text")
		best := map[int]float64{0: 0}
		for start := range text {
			for end := start + 1; end <= len(text); end++ {
				if end < len(text) && !utf8.RuneStart(text[end]) {
					continue
				}
				s, ok := scores[text[start:end]]
				if !ok {
					if utf8.RuneCountInString(text[start:end]) > 1 {
						continue
					}
					s = m.unknownScore
				}
				if old, ok := best[end]; !ok || best[start]+s > old {
					best[end] = best[start] + s
				}
			}
		}
		got, rest := 0.0, text
		ids := m.encode(nil, []byte(text), new(scratch))
		if slices.Contains(ids, 0) {
			return // unknown characters side by side are one piece: the cut is not known
		}
		for _, id := range ids {
			p, _ := m.piece(id)
			if len(p) > len(rest) || rest[:len(p)] != p {
				t.Fatalf("%q: the pieces %v are not the text", text, ids)
			}
			got, rest = got+m.scores[id], rest[len(p):]
		}
		if rest != "" || got != best[len(text)] {
			t.Fatalf("%q: %v scores %v, the best is %v", text, ids, got, best[len(text)])
		}
	})
}
