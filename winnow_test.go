package winnow

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// A reference is what an implementation in float64, written apart from this
// one, computes for a model.
type reference struct {
	Family    string
	MaxLength int `json:"max_length"`
	Queries   []string
	Documents []string
	Pairs     []struct {
		Query, Document int
		Truncation      string
		IDs, Types      []int32
		Logits          []float64
		Score           float64
	}
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func open(t testing.TB, path string, options ...Option) *Model {
	t.Helper()
	m, err := Open(path, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// logitOf is the logit that ranks: the only one, or the second minus the first.
func logitOf(logits []float64) float64 {
	z := logits[len(logits)-1]
	if len(logits) == 2 {
		z -= logits[0]
	}
	return z
}

// The float32 tolerances: logits to 1e-4 and 1e-4 of their size, scores to 1e-5,
// but 5e-5 of ModernBERT's, which lose more in float32 whoever computes them.
func closeLogit(got, want float64) bool { return math.Abs(got-want) <= 1e-4+1e-4*math.Abs(want) }

func (r *reference) closeScore(got, want float64) bool {
	if r.Family == "modernbert" {
		return math.Abs(got-want) <= 5e-5
	}
	return math.Abs(got-want) <= 1e-5
}

var (
	ownModels = []string{"bert-minilm", "bert-2label", "xlmr-mmarco", "deberta-xsmall", "jina-v1-turbo", "modernbert-granite", "modernbert-gte"}
	allModels = []string{"bert-minilm", "bert-2label", "bert-old-sbert", "xlmr-mmarco", "xlmr-base", "xlmr-256", "xlmr-v2-m3", "jina-v2-base", "deberta-base", "deberta-xsmall", "jina-v1-turbo", "modernbert-granite", "modernbert-gte"}
)

// TestParity goes the whole way from text to score, for every model of the
// families that work: the models in testdata and those of the full corpus.
func TestParity(t *testing.T) {
	for _, name := range ownModels {
		t.Run(name, func(t *testing.T) { testParity(t, filepath.Join("testdata", name)) })
	}
	t.Run("corpus", func(t *testing.T) {
		corpus := testenv.Parity(t)
		for _, name := range allModels {
			t.Run(name, func(t *testing.T) { testParity(t, filepath.Join(corpus, "models", name)) })
		}
	})
}

func testParity(t *testing.T, dir string) {
	var r reference
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	m := open(t, dir)
	if m.Info().MaxLength != r.MaxLength {
		t.Errorf("maximum length %d, want %d", m.Info().MaxLength, r.MaxLength)
	}
	for i, p := range r.Pairs {
		if p.Truncation != "longest_first" {
			continue
		}
		query, document := r.Queries[p.Query], r.Documents[p.Document]
		pairs, err := m.Encode(context.Background(), query, []string{document}, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkIDs(t, i, pairs[0], p.IDs, p.Types)
		results, err := m.Rerank(context.Background(), query, []string{document})
		if err != nil {
			t.Fatal(err)
		}
		got, want := results[0], logitOf(p.Logits)
		if !closeLogit(got.Logit, want) || !r.closeScore(got.Score, p.Score) {
			t.Errorf("pair %d: logit %v, score %v; want %v, %v", i, got.Logit, got.Score, want, p.Score)
		}
		if got.Tokens != len(p.IDs) || got.Document != document {
			t.Errorf("pair %d: %d tokens of %q; want %d of %q", i, got.Tokens, got.Document, len(p.IDs), document)
		}
	}
}

func checkIDs(t *testing.T, i int, got Encoding, ids, types []int32) {
	t.Helper()
	if !slices.Equal(got.IDs, ids) {
		t.Errorf("pair %d: ids %v, want %v", i, got.IDs, ids)
	}
	if types == nil {
		types = make([]int32, len(ids))
	}
	have := got.Types
	if have == nil {
		have = make([]int32, got.Tokens())
	}
	if !slices.Equal(have, types) {
		t.Errorf("pair %d: token types %v, want %v", i, have, types)
	}
}

// TestGGUF compares files that llama.cpp's tools made with a reference computed
// in float64 from their dequantised weights.
func TestGGUF(t *testing.T) {
	for _, own := range []struct{ file, name string }{
		{"bert-minilm-with-pooler-F16.gguf", "bert-minilm"},
		{"xlmr-mmarco-F16.gguf", "xlmr-mmarco"},
	} {
		t.Run(own.file, func(t *testing.T) {
			file, name := own.file, own.name
			var r reference
			readJSON(t, filepath.Join("testdata", name, "reference.json"), &r)
			m := open(t, filepath.Join("testdata", file), WithPrecision(F32))
			for i, p := range r.Pairs {
				// llama.cpp's converter writes XLM-R's "<mask>" as an unused token.
				lost := name == "xlmr-mmarco" && strings.Contains(r.Documents[p.Document], "<mask>")
				if p.Truncation != "longest_first" || lost {
					continue
				}
				pairs, err := m.Encode(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]}, EncodeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				checkIDs(t, i, pairs[0], p.IDs, p.Types)
				results, err := m.ScoreEncoded(context.Background(), pairs)
				if err != nil {
					t.Fatal(err)
				}
				// The weights are rounded to 16 bits here: what that explains.
				if want := logitOf(p.Logits); math.Abs(results[0].Logit-want) > 2e-2 {
					t.Errorf("pair %d: logit %v, from unrounded weights %v", i, results[0].Logit, want)
				}
			}
		})
	}
	t.Run("corpus", func(t *testing.T) {
		corpus := testenv.Parity(t)
		var index struct {
			Files []struct {
				File, Model string
				Reference   []struct {
					Query, Document int
					Logits          []float64
					Score           float64
				}
			}
		}
		readJSON(t, filepath.Join(corpus, "gguf", "reference.json"), &index)
		tested := 0
		for _, f := range index.Files {
			if !slices.Contains(allModels, f.Model) || len(f.Reference) == 0 {
				continue
			}
			tested++
			t.Run(f.File, func(t *testing.T) {
				var r reference
				readJSON(t, filepath.Join(corpus, "models", f.Model, "reference.json"), &r)
				m := open(t, filepath.Join(corpus, "gguf", f.File), WithPrecision(F32))
				worst := 0.0
				for _, p := range f.Reference {
					got, err := m.Rerank(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]})
					if err != nil {
						t.Fatal(err)
					}
					want := logitOf(p.Logits)
					worst = max(worst, math.Abs(got[0].Logit-want))
					if !closeLogit(got[0].Logit, want) || !r.closeScore(got[0].Score, p.Score) {
						t.Errorf("query %d, document %d: logit %v, score %v; want %v, %v", p.Query, p.Document, got[0].Logit, got[0].Score, want, p.Score)
					}
				}
				t.Logf("%d pairs, largest difference of a logit %.2g", len(f.Reference), worst)
			})
		}
		if tested < 4 {
			t.Errorf("%d files were tested, want 4 at least", tested)
		}
		// Without the pooler no score is right.
		_, err := Open(filepath.Join(corpus, "gguf", "bert-minilm-F16.gguf"))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "pooler") || !strings.Contains(err.Error(), "winnow convert") {
			t.Errorf("a file without the pooler gives %v", err)
		}
	})
}

// TestGGUFInt8 compares Q8_0 files, whose blocks stay 8-bit in the
// multiplication, with the reference and with llama.cpp, which rounds
// activations to 8 bits too.
func TestGGUFInt8(t *testing.T) {
	corpus := testenv.Parity(t)
	var index struct {
		Files []struct {
			File, Model string
			Reference   []struct {
				Query, Document int
				Logits          []float64
			}
			LlamaCPP struct {
				Scores []struct {
					Query, Document int
					Score           float64
				}
			} `json:"llama_cpp"`
		}
	}
	readJSON(t, filepath.Join(corpus, "gguf", "reference.json"), &index)
	tested := 0
	for _, f := range index.Files {
		if f.File != "xlmr-256-Q8_0.gguf" {
			continue
		}
		tested++
		var r reference
		readJSON(t, filepath.Join(corpus, "models", f.Model, "reference.json"), &r)
		m := open(t, filepath.Join(corpus, "gguf", f.File))
		if p := m.Info().Precision; p != Int8 {
			t.Errorf("%s: precision %v, want %v", f.File, p, Int8)
		}
		ours, theirs := 0.0, 0.0
		for i, p := range f.Reference {
			got, err := m.Rerank(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]})
			if err != nil {
				t.Fatal(err)
			}
			ours = max(ours, math.Abs(got[0].Logit-logitOf(p.Logits)))
			theirs = max(theirs, math.Abs(f.LlamaCPP.Scores[i].Score-logitOf(p.Logits)))
		}
		if ours > 1.25*theirs {
			t.Errorf("%s: largest difference of a logit %.2g, llama.cpp's %.2g", f.File, ours, theirs)
		}
		t.Logf("%s: largest difference of a logit %.2g, llama.cpp's %.2g", f.File, ours, theirs)
	}
	if tested != 1 {
		t.Errorf("%d files were tested", tested)
	}
}

func TestOpenBytes(t *testing.T) {
	path := filepath.Join("testdata", "bert-minilm-with-pooler-F16.gguf")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, path)
	b, err := OpenBytes("embedded", data)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	want, _ := a.Score(context.Background(), "query", []string{"one", "two"})
	got, err := b.Score(context.Background(), "query", []string{"one", "two"})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("from memory %v (%v), from the file %v", got, err, want)
	}
	if _, err := OpenBytes("cut", data[:len(data)-100]); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "cut") {
		t.Errorf("a cut file gives %v", err)
	}
}

const query = "What is deep learning?"

var documents = []string{
	"Deep learning is a subset of machine learning based on artificial neural networks.",
	"Apples are red and sweet fruits that grow on trees.",
	"",
	"The theory of relativity was developed by Albert Einstein.",
	"Apples are red and sweet fruits that grow on trees.",
}

func TestRerank(t *testing.T) {
	ctx := context.Background()
	m := open(t, filepath.Join("testdata", "bert-minilm"))
	all, err := m.Rerank(ctx, query, documents)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(documents) {
		t.Fatalf("%d results for %d documents", len(all), len(documents))
	}
	seen := make([]bool, len(documents))
	for i, r := range all {
		seen[r.Index] = true
		if r.Document != documents[r.Index] {
			t.Errorf("result %d: document %q at index %d", i, r.Document, r.Index)
		}
		if want := 1 / (1 + math.Exp(-r.Logit)); r.Score != want {
			t.Errorf("result %d: score %v, want the sigmoid %v", i, r.Score, want)
		}
		if i > 0 && (r.Logit > all[i-1].Logit || r.Logit == all[i-1].Logit && r.Index < all[i-1].Index) {
			t.Errorf("result %d is out of order", i)
		}
	}
	if slices.Contains(seen, false) {
		t.Errorf("a document is missing from %v", all)
	}
	if i := slices.IndexFunc(all, func(r Result) bool { return r.Index == 1 }); all[i+1].Index != 4 || all[i+1].Logit != all[i].Logit {
		t.Error("equal documents are not side by side in the order of the input")
	}

	for n, want := range map[int]int{0: 5, 1: 1, 3: 3, 5: 5, 99: 5} {
		got, err := m.Rerank(ctx, query, documents, TopN(n))
		if err != nil || !slices.Equal(got, all[:want]) {
			t.Errorf("TopN(%d): %v (%v)", n, got, err)
		}
	}
	raw, err := m.Rerank(ctx, query, documents, RawScores())
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range raw {
		if r.Score != all[i].Logit || r.Logit != all[i].Logit {
			t.Errorf("raw score %v, want %v", r.Score, all[i].Logit)
		}
	}
	scores, err := m.Score(ctx, query, documents)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if scores[r.Index] != r.Score {
			t.Errorf("Score gives %v for document %d, Rerank %v", scores[r.Index], r.Index, r.Score)
		}
	}
	if none, err := m.Rerank(ctx, query, nil); err != nil || len(none) != 0 {
		t.Errorf("no documents: %v, %v", none, err)
	}
	if _, err := m.Score(ctx, "", []string{"", "a"}); err != nil {
		t.Errorf("an empty query: %v", err)
	}
}

func TestTwoLabels(t *testing.T) {
	m := open(t, filepath.Join("testdata", "bert-2label"))
	var r reference
	readJSON(t, filepath.Join("testdata", "bert-2label", "reference.json"), &r)
	p := r.Pairs[0]
	got, err := m.Rerank(context.Background(), r.Queries[p.Query], []string{r.Documents[p.Document]}, RawScores())
	if err != nil {
		t.Fatal(err)
	}
	if want := p.Logits[1] - p.Logits[0]; !closeLogit(got[0].Score, want) {
		t.Errorf("raw score %v, want the difference %v", got[0].Score, want)
	}
	if a := m.Info().Activation; a != "softmax" {
		t.Errorf("activation %q, want softmax", a)
	}
}

func TestTooLong(t *testing.T) {
	ctx := context.Background()
	m := open(t, filepath.Join("testdata", "bert-minilm"), WithMaxLength(40))
	long := strings.Repeat("word ", 100)
	pairs, err := m.Encode(context.Background(), query, []string{"short", long}, EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if pairs[0].Truncated() || !pairs[1].Truncated() || pairs[1].Tokens() != 40 {
		t.Errorf("cut %v and %v to %d tokens; want only the second, to 40", pairs[0].Truncated(), pairs[1].Truncated(), pairs[1].Tokens())
	}
	_, err = m.Rerank(ctx, query, []string{"short", long}, Truncate(TruncateNever))
	var tooLong *TooLongError
	if !errors.Is(err, ErrTooLong) || !errors.As(err, &tooLong) || tooLong.Index != 1 || tooLong.Limit != 40 || tooLong.Tokens < 100 {
		t.Errorf("got %v", err)
	}
	if results, err := m.Rerank(ctx, query, []string{long}, MaxTokens(20)); err != nil || results[0].Tokens != 20 {
		t.Errorf("MaxTokens(20): %v, %v", results, err)
	}
	if _, err := m.Rerank(ctx, query, []string{long}, MaxTokens(3)); err == nil {
		t.Error("MaxTokens(3) leaves no room and gives no error")
	}
	if _, err := Open(filepath.Join("testdata", "bert-minilm"), WithMaxLength(2)); err == nil {
		t.Error("WithMaxLength(2) leaves no room and gives no error")
	}
}

func TestClosed(t *testing.T) {
	m, err := Open(filepath.Join("testdata", "bert-minilm"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := m.Rerank(context.Background(), query, documents); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	if _, err := m.Tokenize("a", true); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

func TestCancelled(t *testing.T) {
	m := open(t, filepath.Join("testdata", "bert-minilm"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Rerank(ctx, query, documents); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestConcurrent: many callers get the bits that one alone gets, while the
// model is closed under them they get an answer or ErrClosed.
func TestConcurrent(t *testing.T) {
	ctx := context.Background()
	m := open(t, filepath.Join("testdata", "bert-minilm"), WithThreads(3), WithBatchTokens(50))
	want, err := m.Rerank(ctx, query, documents)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for caller := range 16 {
		wait.Go(func() {
			for range 10 {
				got, err := m.Rerank(ctx, query, documents)
				if err == nil && !slices.Equal(got, want) {
					t.Errorf("%v, alone %v", got, want)
				}
				if err != nil && !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			}
			if caller == 15 {
				m.Close()
			}
		})
	}
	wait.Wait()
}

func TestTokenize(t *testing.T) {
	m := open(t, filepath.Join("testdata", "bert-minilm"))
	var r reference
	readJSON(t, filepath.Join("testdata", "bert-minilm", "reference.json"), &r)
	p := r.Pairs[0]
	tokens, err := m.TokenizePair(r.Queries[p.Query], r.Documents[p.Document])
	if err != nil {
		t.Fatal(err)
	}
	if len(tokens) != len(p.IDs) {
		t.Fatalf("%d tokens, want %d", len(tokens), len(p.IDs))
	}
	for i, token := range tokens {
		if token.ID != int(p.IDs[i]) || token.Type != int(p.Types[i]) {
			t.Errorf("token %d: %+v, want id %d and type %d", i, token, p.IDs[i], p.Types[i])
		}
	}
	if tokens[0].Piece != "[CLS]" || tokens[len(tokens)-1].Piece != "[SEP]" {
		t.Errorf("the special tokens are spelled %q and %q", tokens[0].Piece, tokens[len(tokens)-1].Piece)
	}
	with, _ := m.Tokenize("deep learning", true)
	without, _ := m.Tokenize("deep learning", false)
	if len(with) != len(without)+2 {
		t.Errorf("%d tokens with special ones, %d without", len(with), len(without))
	}
	ids := make([]int, len(without))
	for i, token := range without {
		ids[i] = token.ID
	}
	if text, err := m.Detokenize(append(ids, -1, math.MaxInt/4)); err != nil || text != "deep learning" {
		t.Errorf("detokenized to %q (%v)", text, err)
	}
}

func TestInfo(t *testing.T) {
	info := open(t, filepath.Join("testdata", "bert-minilm"), WithThreads(2)).Info()
	if info.Family != "BERT" || info.Architecture != "BertForSequenceClassification" || info.Format != "safetensors" ||
		info.Layers != 3 || info.Hidden != 72 || info.Heads != 12 || info.Intermediate != 216 || info.Vocabulary != 1200 ||
		info.Activation != "sigmoid" || !strings.HasSuffix(info.Configured, "Identity") || info.Threads != 2 ||
		!slices.Equal(info.Labels, []string{"LABEL_0"}) || info.Precision == Auto || info.PrecisionReason == "" ||
		info.Kernels == "" || info.WeightBytes == 0 || info.EmbeddingBytes == 0 || info.ActivationBytes == 0 || info.Tokenizer == "" {
		t.Errorf("%+v", info)
	}
	const tensors = 5 + 3*16 + 4 + 1 // the last: position_ids
	if len(info.Tensors) != tensors || info.Parameters < 200_000 {
		t.Errorf("%d tensors, %d parameters", len(info.Tensors), info.Parameters)
	}
}

// TestReal scores 859 passages with a real, trained model.
func TestReal(t *testing.T) {
	dir := filepath.Join(testenv.Models(t), "ms-marco-MiniLM-L12-v2")
	var r struct {
		Cases []struct {
			Query     string
			Documents []string
			IDs       []int
			Logits    []float64
		}
	}
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	if testing.Short() {
		r.Cases = r.Cases[:2]
	}
	m := open(t, dir)
	worst, passages := 0.0, 0
	for _, c := range r.Cases {
		results, err := m.Rerank(context.Background(), c.Query, c.Documents)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range results {
			passages++
			if got.Tokens != c.IDs[got.Index] {
				t.Errorf("%q, %q: %d tokens, want %d", c.Query, got.Document, got.Tokens, c.IDs[got.Index])
			}
			diff := math.Abs(got.Logit - c.Logits[got.Index])
			worst = max(worst, diff)
			if diff > 1e-4 {
				t.Errorf("%q, %q: logit %v, want %v", c.Query, got.Document, got.Logit, c.Logits[got.Index])
			}
		}
	}
	t.Logf("%d passages, largest difference of a logit %.2g", passages, worst)
}
