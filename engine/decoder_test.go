package engine

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// decoderModels are the causal models of the parity corpus, with what their
// references ask for beyond what the model itself tells.
var decoderModels = []decoderModel{
	{"qwen3-reranker", Options{}, true},
	{"qwen3-seqcls", Options{}, false},
	{"qwen3-256", Options{}, false},
	{"qwen2-mxbai2", Options{}, true},
	{"gemma-reranker", Options{}, true},
	{"gemma2-lm", Options{Template: "qwen3-reranker"}, true},
	{"gemma3-lm", Options{Template: "qwen3-reranker"}, true},
	{"llama-lm", Options{Template: "qwen3-reranker"}, true},
}

type decoderModel struct {
	name    string
	options Options
	own     bool // it is in testdata
}

// eachDecoder runs a test on the causal models in testdata and in the full corpus.
func eachDecoder(t *testing.T, test func(t *testing.T, dir string, o Options)) {
	for _, m := range decoderModels {
		if m.own {
			t.Run(m.name, func(t *testing.T) { test(t, filepath.Join("..", "testdata", m.name), m.options) })
		}
	}
	t.Run("corpus", func(t *testing.T) {
		corpus := testenv.Parity(t)
		for _, m := range decoderModels {
			if m.own {
				continue
			}
			t.Run(m.name, func(t *testing.T) { test(t, filepath.Join(corpus, "models", m.name), m.options) })
		}
	})
}

func TestDecoderIDs(t *testing.T) {
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		m := open(t, dir, o)
		for i, p := range r.Pairs {
			pairs, err := m.Encode(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]}, EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := pairs.Sequences[0].IDs; !slices.Equal(got, p.IDs) {
				t.Errorf("pair %d: %d ids %v\nwant %d %v", i, len(got), got, len(p.IDs), p.IDs)
			}
		}
	})
}

func TestDecoderLogits(t *testing.T) {
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		o.Precision = F32
		m := open(t, dir, o)
		for _, shared := range []bool{false, true} {
			sequences := r.sequences()
			if shared {
				sequences = nil
				for _, p := range r.Pairs {
					pairs, err := m.Encode(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]}, EncodeOptions{})
					if err != nil {
						t.Fatal(err)
					}
					sequences = append(sequences, pairs.Sequences...)
				}
			}
			got, err := m.Score(context.Background(), sequences)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, p := range r.Pairs {
				want := logitOf(p.Logits)
				score := p.Score
				if len(p.Logits) == 2 {
					score = 1 / (1 + math.Exp(-want))
				}
				worst = max(worst, math.Abs(got[i].Logit-want))
				if !closeLogit(got[i].Logit, want) || !closeScore(got[i].Probability, score) {
					t.Errorf("pair %d (%d tokens): logit %v, score %v; want %v, %v", i, len(p.IDs), got[i].Logit, got[i].Probability, want, score)
				}
			}
			t.Logf("shared %v: %d pairs, largest difference of a logit %.2g", shared, len(r.Pairs), worst)
		}
	})
}

func TestListwise(t *testing.T) {
	dir := filepath.Join("..", "testdata", "jina-v3")
	var r struct {
		Lists []struct {
			Query     string
			Documents []string
			IDs       []int32
			Scores    []float64
		}
		Blocks struct {
			Query     string
			Documents []string
			Scores    []float64
		}
	}
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	m := open(t, dir, Options{Precision: F32})
	score := func(query string, documents []string, want []float64) Encoded {
		pairs, err := m.Encode(context.Background(), query, documents, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Score(context.Background(), pairs.Sequences)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if math.Abs(got[i].Probability-want[i]) > 2e-6 {
				t.Errorf("%q, document %d of %d: %v, want %v", query, i, len(documents), got[i].Probability, want[i])
			}
		}
		return pairs
	}
	for _, l := range r.Lists {
		pairs := score(l.Query, l.Documents, l.Scores)
		var ids []int32
		for _, s := range pairs.Sequences {
			ids = append(ids, s.IDs...)
		}
		if !slices.Equal(ids, l.IDs) {
			t.Errorf("%q: ids %v, want %v", l.Query, ids, l.IDs)
		}
	}
	score(r.Blocks.Query, r.Blocks.Documents, r.Blocks.Scores)
}

// A continuation is what the reference continues a prompt by.
type continuation struct {
	Prompt    string
	PromptIDs []int32 `json:"prompt_ids"`
	Tokens    []int
	Margins   []float64
	FirstTop5 [][3]float64 `json:"first_top5"`
}

func checkGreedy(t *testing.T, m *Model, list []continuation, logprobs float64) {
	t.Helper()
	for _, g := range list {
		ids := must(m.PromptTokens(g.Prompt))
		if !slices.Equal(ids, g.PromptIDs) {
			t.Errorf("%q: ids %v, want %v", g.Prompt, ids, g.PromptIDs)
		}
		for _, cached := range []bool{false, true, true} {
			got, err := m.Complete(context.Background(), ids, CompleteOptions{MaxTokens: len(g.Tokens), Probs: 5, NoCache: !cached})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range g.Tokens {
				if g.Margins[i] < 1e-3 {
					break
				}
				if i >= len(got.Tokens) || got.Tokens[i].ID != want {
					t.Errorf("%q, cached %v: token %d differs: %v, want %v", g.Prompt, cached, i, got.Tokens[i:], g.Tokens)
					break
				}
			}
			for i, top := range g.FirstTop5 {
				c := got.Tokens[0].Top[i]
				if c.ID != int(top[0]) || math.Abs(c.Logprob-top[2]) > logprobs {
					t.Errorf("%q: rank %d is %v, want %v", g.Prompt, i, c, top)
				}
			}
		}
	}
}

func TestGreedy(t *testing.T) {
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		var r struct{ Greedy []continuation }
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		if len(r.Greedy) == 0 {
			return // a classifier
		}
		o.Precision = F32
		checkGreedy(t, open(t, dir, o), r.Greedy, 1e-4)
	})
}

// TestGreedy32: what transformers continues prompts by, for 32 tokens, token by
// token. The margins are far above the error of float32 here, which is below 1e-4.
func TestGreedy32(t *testing.T) {
	var r map[string][]continuation
	readJSON(t, filepath.Join("..", "testdata", "greedy.json"), &r)
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		list := r[filepath.Base(dir)]
		if len(list) == 0 {
			return // a classifier
		}
		o.Precision = F32
		checkGreedy32(t, open(t, dir, o), list)
	})
	t.Run("mistral", func(t *testing.T) {
		config := filepath.Join("..", "testdata", "llama-lm", "config.json")
		data, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("LlamaForCausalLM", "MistralForCausalLM", `"model_type": "llama"`, `"model_type": "mistral", "sliding_window": 24`).Replace(string(data))
		dir := copyModel(t, "llama-lm", map[string][2]string{"config.json": {"", text}})
		checkGreedy32(t, open(t, dir, Options{Precision: F32}), r["mistral"])
		full := copyModel(t, "llama-lm", map[string][2]string{"config.json": {"", strings.Replace(text, ": 24", ": null", 1)}})
		checkGreedy32(t, open(t, full, Options{Precision: F32}), r["llama-lm"])
	})
}

func checkGreedy32(t *testing.T, m *Model, list []continuation) {
	t.Helper()
	m.completer.(*languageModel).ends = nil // transformers was made to go on
	least := math.Inf(1)
	for _, g := range list {
		if len(g.Tokens) != 32 {
			t.Fatalf("%d tokens in the reference", len(g.Tokens))
		}
		least = min(least, slices.Min(g.Margins))
		for _, cached := range []bool{false, true, true} {
			got, err := m.Complete(context.Background(), g.PromptIDs, CompleteOptions{MaxTokens: 32, NoCache: !cached})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range g.Tokens {
				if i >= len(got.Tokens) || got.Tokens[i].ID != want {
					t.Errorf("prompt of %d tokens, cached %v: token %d differs (margin %v): %v, want %v",
						len(g.PromptIDs), cached, i, g.Margins[i], got.Tokens, g.Tokens)
					break
				}
			}
		}
	}
	t.Logf("%d prompts, 32 tokens each, least margin %v", len(list), least)
}

// TestDecoderGGUF compares with what float64 makes of the weights in GGUF files.
func TestDecoderGGUF(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "gguf")
	var r struct {
		Files []struct {
			File, Model string
			Reference   []struct {
				Query, Document int
				Logits          []float64
				Score           float64
				continuation
			}
		}
	}
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	for _, f := range r.Files {
		if !slices.ContainsFunc(decoderModels, func(m decoderModel) bool { return m.name == f.Model }) {
			continue
		}
		t.Run(f.File, func(t *testing.T) {
			var model reference
			readJSON(t, filepath.Join(dir, "..", "models", f.Model, "reference.json"), &model)
			m := open(t, filepath.Join(dir, f.File), Options{Precision: F32})
			if f.Reference[0].Prompt != "" {
				var list []continuation
				for _, c := range f.Reference {
					list = append(list, c.continuation)
				}
				checkGreedy(t, m, list, 2e-4)
				return
			}
			worst := 0.0
			for _, p := range f.Reference {
				pairs, err := m.Encode(context.Background(), model.Queries[p.Query], []string{model.Documents[p.Document]}, EncodeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, q := range model.Pairs {
					if q.Query == p.Query && q.Document == p.Document && !slices.Equal(q.IDs, pairs.Sequences[0].IDs) {
						t.Errorf("query %d, document %d: ids %v, want %v", p.Query, p.Document, pairs.Sequences[0].IDs, q.IDs)
					}
				}
				got, err := m.Score(context.Background(), pairs.Sequences)
				if err != nil {
					t.Fatal(err)
				}
				// The reference gives [no, yes], as of the models.
				want := logitOf(p.Logits)
				worst = max(worst, math.Abs(got[0].Logit-want))
				if !closeLogit(got[0].Logit, want) || !closeScore(got[0].Probability, p.Score) {
					t.Errorf("query %d, document %d: %v, want %v, %v", p.Query, p.Document, got[0], want, p.Score)
				}
			}
			t.Logf("largest difference of a logit %.2g", worst)
		})
	}
}

// TestSharedBits: a prompt's beginning that is read once for all documents gives
// the same bits as each prompt read alone, whatever the threads and the batches.
func TestSharedBits(t *testing.T) {
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		for _, precision := range []Precision{F32, F16, Int8} {
			var want []Output
			for _, threads := range []int{1, 2} {
				for _, chunk := range []int{1, 100, 4000} {
					o := o
					o.Precision, o.Threads, o.BatchTokens = precision, threads, chunk
					m := open(t, dir, o)
					if want == nil {
						for _, p := range r.Pairs {
							got, err := m.Score(context.Background(), []Sequence{{IDs: p.IDs}})
							if err != nil {
								t.Fatal(err)
							}
							want = append(want, got...)
						}
					}
					for query := range r.Queries {
						var documents []string
						var numbers []int
						for i, p := range r.Pairs {
							if p.Query == query {
								documents, numbers = append(documents, r.Documents[p.Document]), append(numbers, i)
							}
						}
						pairs, err := m.Encode(context.Background(), r.Queries[query], documents, EncodeOptions{})
						if err != nil {
							t.Fatal(err)
						}
						if r.Queries[query] != "" && pairs.Sequences[0].shared == 0 {
							t.Error("nothing is shared")
						}
						got, err := m.Score(context.Background(), pairs.Sequences)
						if err != nil {
							t.Fatal(err)
						}
						for i, n := range numbers {
							if got[i] != want[n] {
								t.Errorf("%v, %d threads, chunks of %d: pair %d is %v, alone it is %v", precision, threads, chunk, n, got[i], want[n])
							}
						}
					}
				}
			}
		}
	})
}

// TestSharedBitsAtOnce: nor do scores and continuations change where many requests
// read and write the kept beginnings at the same time, more of them than there is
// room for, and beginnings that are longer than the families' windows.
func TestSharedBitsAtOnce(t *testing.T) {
	eachDecoder(t, func(t *testing.T, dir string, o Options) {
		o.Threads = 2
		m := open(t, dir, o)
		words := strings.Repeat("the deep learning of apples ", 8)
		queries := []string{"what is it", words, words + "and bread", words + "and the sea", "deep " + words[:60]}
		documents := []string{"bread", "", "the sea is deep, and apples are not", words}
		score := func(query string, alone bool) []Output {
			pairs, err := m.Encode(context.Background(), query, documents, EncodeOptions{})
			if err != nil {
				t.Error(err)
				return nil
			}
			if alone {
				for i := range pairs.Sequences {
					pairs.Sequences[i] = Sequence{IDs: pairs.Sequences[i].IDs}
				}
			} else if pairs.Sequences[0].shared == 0 {
				t.Errorf("%.20q: nothing is shared", query)
			}
			out, err := m.Score(context.Background(), pairs.Sequences)
			if err != nil {
				t.Error(err)
			}
			return out
		}
		complete := func(query string, alone bool) []CompletionToken {
			if !slices.Contains(m.info.Tasks, "complete") {
				return nil
			}
			got, err := m.Complete(context.Background(), must(m.PromptTokens(query)), CompleteOptions{MaxTokens: 6, Probs: 1, NoCache: alone})
			if err != nil {
				t.Error(err)
				return nil
			}
			return got.Tokens
		}
		var scores [][]Output
		var texts [][]CompletionToken
		longest := 0
		for _, query := range queries {
			scores, texts = append(scores, score(query, true)), append(texts, complete(query, true))
			longest = max(longest, len(must(m.PromptTokens(query))))
		}
		if longest <= m.network.Window {
			t.Errorf("%d tokens do not fill a window of %d", longest, m.network.Window)
		}
		limit := 2 * m.prefixes.Begin(nil, 0, 2*longest).Bytes()
		m.prefixes.SetLimit(limit)
		var wait sync.WaitGroup
		for g := range 6 {
			wait.Go(func() {
				for i := range 2 * len(queries) {
					n := (i*(g+1) + g) % len(queries)
					if i%2 == 0 {
						if got := score(queries[n], false); !slices.Equal(got, scores[n]) {
							t.Errorf("%.20q: %v, alone %v", queries[n], got, scores[n])
						}
					} else if got := complete(queries[n], g%3 == 0); !reflect.DeepEqual(got, texts[n]) {
						t.Errorf("%.20q is continued by %v, alone by %v", queries[n], got, texts[n])
					}
				}
			})
		}
		wait.Wait()
		if _, size := m.prefixes.Stats(); size > limit {
			t.Errorf("%d bytes are kept, limit %d", size, limit)
		}
	})
}

// TestDecoderMemory: weights in memory have the size that they have in the file,
// and so has the language model's head, which is made when it is first needed.
func TestDecoderMemory(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "gguf")
	for _, name := range []string{"qwen3-256-Q4_K_M", "qwen3-256-Q5_K_M", "qwen3-256-Q6_K", "qwen3-256-Q8_0", "gemma-reranker-Q8_0"} {
		m := open(t, filepath.Join(dir, name+".gguf"), Options{})
		if _, err := m.Complete(context.Background(), []int32{5}, CompleteOptions{MaxTokens: 1}); err != nil {
			t.Fatal(err)
		}
		head, err := m.completer.(*languageModel).packedHead()
		if err != nil {
			t.Fatal(err)
		}
		all := m.info.WeightBytes + int64(head.Weights.Bytes())
		if all > m.info.FileBytes*115/100 {
			t.Errorf("%s: %d bytes of weights and %d of the head for %d in the file", name, m.info.WeightBytes, head.Weights.Bytes(), m.info.FileBytes)
		}
		t.Logf("%s: %.3f of the file", name, float64(all)/float64(m.info.FileBytes))
	}
}

// TestRerankerCompletes: a GGUF reranker continues text where its classifier shows
// that the head is the embedding table.
func TestRerankerCompletes(t *testing.T) {
	dir := testenv.Parity(t)
	var r struct{ Greedy []continuation }
	readJSON(t, filepath.Join(dir, "models", "qwen3-reranker", "reference.json"), &r)
	m := open(t, filepath.Join(dir, "gguf", "qwen3-reranker-BF16.gguf"), Options{Precision: F32})
	if !slices.Equal(m.info.Tasks, []string{"rerank", "complete"}) {
		t.Errorf("tasks %v", m.info.Tasks)
	}
	checkGreedy(t, m, r.Greedy, 1e-4)

	// With "no" where "yes" was, it is some other classifier's.
	if !m.classifierIsTied([]string{"yes", "no"}) || m.classifierIsTied([]string{"no", "yes"}) || m.classifierIsTied([]string{"no"}) {
		t.Error("the classifier's rows are not told apart")
	}
}
