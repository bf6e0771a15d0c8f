package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"pgregory.net/rapid"
)

type smallCase struct {
	Name      string
	Tokenizer json.RawMessage
	Rows      []struct {
		Text, Decoded string
		IDs           []int32
	}
}

func smallCases(t testing.TB) []smallCase {
	var cases []smallCase
	if err := json.Unmarshal(readGzip(t, "testdata/bpe-small.json.gz"), &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// TestSmallBPE compares tokenizers of every make with the Hugging Face library.
func TestSmallBPE(t *testing.T) {
	for _, c := range smallCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromJSON(c.Name, c.Tokenizer)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from the cache
				for _, row := range c.Rows {
					if got := must(tok.Tokens(nil, row.Text)); !slices.Equal(got, row.IDs) {
						t.Errorf("%q:\n got %v\nwant %v", row.Text, got, row.IDs)
					}
				}
			}
			for _, row := range c.Rows {
				if got := must(tok.Decode(row.IDs, false)); got != row.Decoded {
					t.Errorf("decoded %v:\n got %q\nwant %q", row.IDs, got, row.Decoded)
				}
			}
		})
	}
}

// naive merges by looking for the lowest rank and, among equals, the leftmost,
// until there is none.
func naive(ids []int32, rank map[[2]int32]bpeMerge) []int32 {
	ids = slices.Clone(ids)
	for {
		at := -1
		var best bpeMerge
		for i := range len(ids) - 1 {
			if m, ok := rank[[2]int32{ids[i], ids[i+1]}]; ok && (at < 0 || m.rank < best.rank) {
				at, best = i, m
			}
		}
		if at < 0 {
			return ids
		}
		ids[at] = best.id
		ids = slices.Delete(ids, at+1, at+2)
	}
}

// TestMerge compares both ways to merge with the definition.
func TestMerge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		symbols := int32(rapid.IntRange(1, 4).Draw(t, "symbols"))
		m := &bpe{merges: newMergeTable(64)}
		rank := map[[2]int32]bpeMerge{}
		scores := rapid.Bool().Draw(t, "equal ranks")
		for i := range uint32(rapid.IntRange(0, 40).Draw(t, "merges")) {
			g := bpeMerge{rapid.Int32Range(0, symbols-1).Draw(t, "a"), rapid.Int32Range(0, symbols-1).Draw(t, "b"), symbols, i}
			if scores {
				g.rank /= 3
			}
			if _, ok := rank[[2]int32{g.a, g.b}]; ok {
				continue
			}
			rank[[2]int32{g.a, g.b}] = g
			m.merges.add(g.a, g.b, g.rank, g.id)
			symbols++
		}
		ids := rapid.SliceOfN(rapid.Int32Range(0, min(symbols, 4)-1), 2, 120).Draw(t, "ids")
		want := naive(ids, rank)
		found := func(ids []int32) []uint64 {
			f := make([]uint64, len(ids))
			for i := range len(ids) - 1 {
				f[i] = m.merges.find(ids[i], ids[i+1])
			}
			f[len(ids)-1] = noMerge
			return f
		}
		if got := m.mergeShort(slices.Clone(ids), found(ids)); !slices.Equal(got, want) {
			t.Fatalf("short: %v, expected %v", got, want)
		}
		s := &bpeScratch{ids: slices.Clone(ids), found: found(ids)}
		if got := m.mergeLong(s); !slices.Equal(got, want) {
			t.Fatalf("long: %v, expected %v", got, want)
		}
	})
}

// TestLongRuns makes sure that the time for a run of one letter is about
// proportional to its length: if it grew with the square, the test would not end
// before go test gives up.
func TestLongRuns(t *testing.T) {
	vocab, merges := `"a":0`, ""
	for i, s := 1, "aa"; len(s) <= 64; i, s = i+1, s+s {
		vocab += fmt.Sprintf(`,"%s":%d`, s, i)
		merges += fmt.Sprintf(`,"%s %s"`, s[:len(s)/2], s[:len(s)/2])
	}
	tok, err := FromJSON("runs", []byte(`{"model":{"type":"BPE","vocab":{`+vocab+`},"merges":[`+merges[1:]+`]}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := must(tok.Tokens(nil, strings.Repeat("a", 1_000_003)))
	if len(got) != 1_000_003/64+2 || got[0] != 6 || got[len(got)-1] != 0 || got[len(got)-2] != 1 {
		t.Errorf("%d ids, the last %v", len(got), got[len(got)-3:])
	}
}

func TestBPEErrors(t *testing.T) {
	for _, c := range []struct {
		json, want  string
		unsupported bool
	}{
		{`{"type":"BPE","vocab":{"a":0},"merges":["a b"]}`, `model.merges[0]: found the piece "b"`, false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]}`, `found the piece "ab"`, false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b c"]}`, "two pieces separated by a space", false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":["ab"]}`, "two pieces separated by a space", false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":[["a","b","a"]]}`, "3 pieces", false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":[["a"]]}`, "1 pieces", false},
		{`{"type":"BPE","vocab":{"a":0,"b":1},"merges":[[1,"b"]]}`, "a string", false},
		{`{"type":"BPE","vocab":{"a":0}}`, "model.merges", false},
		{`{"type":"BPE","merges":[]}`, "model.vocab", false},
		{`{"type":"BPE","vocab":{"a":1000000000},"merges":[]}`, "the id 1000000000", false},
		{`{"type":"BPE","vocab":{"a":-1},"merges":[]}`, "token id", false},
		{`{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}`, "BPE dropout 0.1", true},
		{`{"type":"BPE","continuing_subword_prefix":"##","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`, `"b"`, false},
		{`{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"],"continuing_subword_prefix":"##"}`, "a prefix after the merges", false},
		{`{"type":"BPE","vocab":{"a":0},"vocab":{"a":0},"merges":[]}`, "a second vocabulary", false},
	} {
		_, err := FromJSON("t.json", []byte(`{"model":`+c.json+`}`))
		want := fault.ErrFormat
		if c.unsupported {
			want = fault.ErrUnsupported
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.json, err, c.want)
		}
	}
}

// TestBPEConcurrent tokenizes from many goroutines at once.
func TestBPEConcurrent(t *testing.T) {
	for _, c := range smallCases(t) {
		tok, err := FromJSON(c.Name, c.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for _, row := range c.Rows {
					if got := must(tok.Tokens(nil, row.Text)); !slices.Equal(got, row.IDs) {
						t.Errorf("%s %q: %v, expected %v", c.Name, row.Text, got, row.IDs)
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestBPEAllocations makes sure that tokenizing allocates nothing once warm.
func TestBPEAllocations(t *testing.T) {
	for _, c := range smallCases(t) {
		if strings.HasPrefix(c.Name, "split-") || strings.HasPrefix(c.Name, "byte-level-") && c.Name != "byte-level-prefix" || c.Name == "llama" {
			continue // these borrow more from pools
		}
		tok, err := FromJSON(c.Name, c.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("abc don't [X] 12 中文 é\n", 50)
		s := tok.get() // apart from the pool, which drops things under the race detector
		dst := must(tok.encode(nil, text, false, s))
		if n := testing.AllocsPerRun(20, func() { dst = must(tok.encode(dst[:0], text, false, s)) }); n > 0 {
			t.Errorf("%s: %v allocations", c.Name, n)
		}
	}
}

// FuzzBPE tokenizes with tokenizers of every make: ids are in range, and those
// of complete byte-level vocabularies decode to the text.
func FuzzBPE(f *testing.F) {
	var toks []*Tokenizer
	var whole []bool
	for _, c := range smallCases(f) {
		tok, err := FromJSON(c.Name, c.Tokenizer)
		if err != nil {
			f.Fatal(err)
		}
		toks = append(toks, tok)
		whole = append(whole, c.Name == "byte-level" || c.Name == "digits-byte-level" || c.Name == "ignore-merges-byte-level")
		for _, row := range c.Rows {
			f.Add(row.Text)
		}
	}
	f.Add("\xff\xc3(\xe2\x96")
	f.Fuzz(func(t *testing.T, text string) {
		for i, tok := range toks {
			ids := must(tok.Tokens(nil, text))
			for _, id := range ids {
				if id < 0 || int(id) >= tok.Size() {
					t.Fatalf("id %d of %d", id, tok.Size())
				}
			}
			back := must(tok.Decode(ids, false))
			if !whole[i] {
				continue
			}
			if want := string(appendValid(nil, text)); back != want {
				t.Fatalf("%q came back as %q", want, back)
			}
			if again := must(tok.Tokens(nil, back)); !slices.Equal(again, ids) {
				t.Fatalf("%q: %v, then %v", text, ids, again)
			}
		}
	})
}

// FuzzBPEModel reads models with damaged vocabularies and merges.
func FuzzBPEModel(f *testing.F) {
	f.Add([]byte(`{"type":"BPE","unk_token":"u","fuse_unk":true,"byte_fallback":true,"continuing_subword_prefix":"#","end_of_word_suffix":"w","vocab":{"u":0,"a":1,"#b":2,"ab":3},"merges":[["a","#b"],"a #b"]}`), "abc ab")
	f.Fuzz(func(t *testing.T, model []byte, text string) {
		tok, err := FromJSON("fuzz", []byte(`{"pre_tokenizer":{"type":"ByteLevel"},"model":`+string(model)+`}`))
		if err != nil {
			return
		}
		exercise(t, tok, text)
	})
}
