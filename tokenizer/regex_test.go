package tokenizer

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pieces cuts text with a pre-tokenizer.
func pieces(p preTokenizer, text string) []string {
	w := &words{text: []byte(text)}
	if text != "" {
		w.spans = []span{{0, int32(len(text))}}
	}
	p.preTokenize(w)
	out := []string{}
	for _, s := range w.spans {
		out = append(out, string(w.text[s.start:s.end]))
	}
	return out
}

// TestRegexReference compares with the cuts that the Hugging Face library
// makes, expression by expression.
func TestRegexReference(t *testing.T) {
	data := readGzip(t, "testdata/bpe-regex.json.gz")
	var ref struct {
		Strings []string
		Cases   []struct {
			Expression, Behaviour string
			Invert                bool
			Cuts                  [][]int
		}
	}
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	behaviours := map[string]behaviour{
		"isolated": isolated, "removed": removed, "merged_with_previous": mergedWithPrevious,
		"merged_with_next": mergedWithNext, "contiguous": contiguous,
	}
	for _, c := range ref.Cases {
		engine, err := compileRegex(c.Expression)
		if err != nil {
			t.Errorf("%q: %v", c.Expression, err)
			continue
		}
		patterns := []pattern{engine}
		if knownPatterns[c.Expression] != nil {
			patterns = append(patterns, knownScan(c.Expression))
		}
		for _, p := range patterns {
			split, err := newSplit(p, behaviours[c.Behaviour], c.Invert)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range ref.Strings {
				runes := []rune(s)
				want := []string{}
				for j := 0; j < len(c.Cuts[i]); j += 2 {
					want = append(want, string(runes[c.Cuts[i][j]:c.Cuts[i][j+1]]))
				}
				if diff := cmp.Diff(want, pieces(split, s)); diff != "" {
					t.Errorf("%T %q %s invert=%v on %q:\n%s", p, c.Expression, c.Behaviour, c.Invert, s, diff)
				}
			}
		}
	}
}

var testAlphabet = []rune("aabbzAABZſKsStTmMdDlLrRvVeE019 0  \t\n\r\v''''.,!?-_/()éßẞ中文あカーд Ж١Ⅷ½😀\u200d\u00a0\u3000\u2028\u0085\u200b\u0301\u0323ǅʰª\u1c8a\u10d40\U0002ebf0\ufffd")

// TestScanners compares each scanner with the expression that it stands for.
func TestScanners(t *testing.T) {
	for expr := range knownPatterns {
		engine, err := compileRegex(expr)
		if err != nil {
			t.Fatal(err)
		}
		s := knownScan(expr)
		rapid.Check(t, func(t *rapid.T) {
			var text string
			if rapid.Bool().Draw(t, "any") {
				text = rapid.String().Draw(t, "text")
			} else {
				text = rapid.StringOfN(rapid.SampledFrom(testAlphabet), 0, 60, -1).Draw(t, "text")
			}
			want := pieces(split{pattern: engine}, text)
			if diff := cmp.Diff(want, pieces(s, text)); diff != "" {
				t.Fatalf("%s on %q:\n%s", expr, text, diff)
			}
		})
	}
}

func FuzzScanners(f *testing.F) {
	f.Add("Hello, World! It's 12345 o'clock.\n\n  Don'T  STOP\t")
	f.Add(string(testAlphabet))
	type both struct {
		engine *regex
		s      scan
	}
	var all []both
	for expr := range knownPatterns {
		re, err := compileRegex(expr)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, both{re, knownScan(expr)})
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\ufffd")
		for _, b := range all {
			if diff := cmp.Diff(pieces(split{pattern: b.engine}, text), pieces(b.s, text)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func FuzzRegex(f *testing.F) {
	for expr := range knownPatterns {
		f.Add(expr, "Hello, World! 123")
	}
	f.Add(`(?<!a)(?>b|c+)*+[^\W\d&&[:alpha:]]{2,5}?$`, "abcabc\n")
	f.Fuzz(func(t *testing.T, expr, text string) {
		text = strings.ToValidUTF8(text, "\ufffd")
		re, err := compileRegex(expr)
		if err != nil || len(re.code) > 2000 || len(text) > 200 {
			return
		}
		last := -1
		forEachMatch(re, []byte(text), func(start, end int) {
			if start < last || end < start || end > len(text) {
				t.Fatalf("match %d to %d after %d in %d bytes", start, end, last, len(text))
			}
			if end < len(text) && !utf8.RuneStart(text[end]) || start < len(text) && !utf8.RuneStart(text[start]) {
				t.Fatalf("match %d to %d cuts a character", start, end)
			}
			last = end
		})
	})
}

func TestRegexErrors(t *testing.T) {
	for expr, want := range map[string]string{
		`[a`:               "a [ without its ]",
		`a)`:               "a ) without its (",
		`(a`:               "a ( without its )",
		`*a`:               "nothing before *",
		`a\`:               "a \\ at the end",
		`\p{Klingon}`:      "unknown property",
		`\p{L`:             "without its }",
		`(a)\1`:            "\\1, which is not supported",
		`\K`:               "\\K, which is not supported",
		`[z-a]`:            "the empty range z-a",
		`a{5,2}`:           "minimum exceeds its maximum",
		`a{100001}`:        "more than 100000",
		`(?:ab){60000}`:    "more than 100000 steps",
		`(?~a)`:            "the group (?~",
		`\x{110000}`:       "invalid code point",
		`^*`:               "zero-width",
		"\xff":             "not UTF-8",
		nested("(", 300):   "nested more than",
		nested("[", 300):   "nested more than",
		nested("(?:", 300): "nested more than",
	} {
		_, err := compileRegex(expr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, expected %q", expr, err, want)
		}
	}
}

func nested(open string, n int) string { return strings.Repeat(open, n) }

// TestRegexHostile runs expressions that make a plain backtracker hang.
func TestRegexHostile(t *testing.T) {
	for _, c := range []struct {
		expr, text string
		matches    int // -1: as many as there are
	}{
		{`(a+)+b`, strings.Repeat("a", 100_000), 0},
		{`(a|a)*b`, strings.Repeat("a", 100_000), 0},
		{`\p{L}+(?=1)|\p{L}`, strings.Repeat("x", 100_000), 100_000},
		{`\s+(?!\S)|\s+`, strings.Repeat(" ", 100_000) + "x", 2},
		{`\s*[\r\n]+|\s`, strings.Repeat(" ", 50_000) + "x", 50_000},
		{`(x+x+)+y|x`, strings.Repeat("x", 20_000), 20_000},
		{`(?:a*)*b`, strings.Repeat("a", 20_000), -1},
		{`(?<=a*)b(?=(c|c)*d)`, strings.Repeat("abc", 5_000), 0},
		{`(?:.*)*a`, strings.Repeat("b", 20) + "\na", 1},
		{`(?:.*)*a`, strings.Repeat("b", 20_000) + "\na", 1},
		{`((((x*)*)*)*)*y`, strings.Repeat("x", 2_000) + "zy", 1},
		{`(?:(?:a|b|ab)*?c?)*d`, strings.Repeat("ab", 2_000) + "d", 1},
		{`(?<=(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)(a|a)b)x|a`, strings.Repeat("a", 100) + "x", 100},
		{strings.Repeat("a|", 2_000) + "b", strings.Repeat("b", 20_000), 20_000},
	} {
		re, err := compileRegex(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		m := re.matcher([]byte(c.text))
		for from := 0; ; n++ {
			start, end, ok := m.find(from)
			if !ok {
				break
			}
			from = max(end, start+1)
		}
		if m.stopped {
			t.Errorf("%.40s: given up", c.expr)
		}
		if limit := 1<<26 + 128*len(c.text); m.steps > limit {
			t.Errorf("%.40s: %d steps, expected at most %d", c.expr, m.steps, limit)
		}
		m.release()
		if c.matches >= 0 && n != c.matches {
			t.Errorf("%.40s: %d matches, expected %d", c.expr, n, c.matches)
		}
	}
}

// TestRegexMemory compares searches that remember what failed from the first
// step with searches that remember nothing.
func TestRegexMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	atoms := []string{"a", "b", ".", "[ab]", "(?:a|b)", "(?:a|ab)", "(?:|a)", "(?:a|)", "\\b", "^", "$", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "(?<=a|bb)", "(?>a|ab)", "(?:)"}
	var expression func(depth int) string
	expression = func(depth int) string {
		var b strings.Builder
		for range 1 + r.IntN(3) {
			switch what := r.IntN(10); {
			case what < 5 || depth == 0:
				b.WriteString(atoms[r.IntN(len(atoms))])
			case what < 9:
				b.WriteString([]string{"(?:", "(?:", "(?:", "(?>", "(?=", "(?!", "(?<=a"}[r.IntN(7)] + expression(depth-1))
				if r.IntN(2) == 0 {
					b.WriteString("|" + expression(depth-1))
				}
				b.WriteString(")" + []string{"", "*", "+", "?", "*?", "+?", "{0,2}", "*+"}[r.IntN(8)])
			default:
				b.WriteString("[ab]" + []string{"*", "+", "*?", "++"}[r.IntN(4)])
			}
		}
		return b.String()
	}
	compared := 0
	for range 30_000 {
		expr := expression(3)
		re, err := compileRegex(expr)
		if err != nil {
			continue
		}
		text := make([]byte, r.IntN(9))
		for i := range text {
			text[i] = "aab\n"[r.IntN(4)]
		}
		search := func(remember bool) (matches []span, whole bool) {
			m := re.matcher(text)
			defer m.release()
			m.limit = 1 << 18
			if remember {
				m.remember()
			}
			for from := 0; from <= len(text); {
				start, end, ok := m.find(from)
				if !ok {
					break
				}
				matches = append(matches, span{int32(start), int32(end)})
				from = max(end, start+1)
			}
			return matches, remember || m.memo == nil
		}
		want, whole := search(false)
		if !whole {
			continue // too much for a search without memory
		}
		compared++
		if got, _ := search(true); !slices.Equal(got, want) {
			t.Errorf("%q in %q: %v, expected %v", expr, text, got, want)
		}
	}
	if compared < 15_000 {
		t.Errorf("%d expressions compared", compared)
	}
}
