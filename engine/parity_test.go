package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/winnow-rerank/winnow/engine/internal/compute"
	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/internal/testenv"
	"github.com/winnow-rerank/winnow/quant"
)

// A reference is what an implementation in float64, written apart from this
// one, computes for a model.
type reference struct {
	Model       string
	Family      string
	MaxLength   int `json:"max_length"`
	QueryLength int `json:"query_length"` // of late interaction
	Queries     []string
	Documents   []string
	Pairs       []struct {
		Query, Document int
		Truncation      string
		IDs, Types      []int32
		Logits          []float64
		Score           float64
	}
	Measured struct {
		RMS float64 `json:"w8a8_vs_float64_rms_logit"`
	}
	Hidden struct {
		Tokens []int
		Stages []stage
	} `json:"hidden_first_pair"`
}

// A stage is what is recorded of the states after a layer.
type stage struct {
	Label    string
	L2       float64
	L2Tokens []float64 `json:"l2_tokens"`
	First8   [][]float64
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

func open(t testing.TB, path string, o Options) *Model {
	t.Helper()
	m, err := Open(path, o)
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

func (r *reference) sequences() []Sequence {
	var s []Sequence
	for _, p := range r.Pairs {
		s = append(s, Sequence{IDs: p.IDs, Types: p.Types})
	}
	return s
}

// logitOf is the logit that a score is made of: the only one, or the second
// minus the first.
func logitOf(logits []float64) float64 {
	z := logits[len(logits)-1]
	if len(logits) == 2 {
		z -= logits[0]
	}
	return z
}

// The float32 tolerances: logits to 1e-4 of their size (float32 PyTorch itself
// is off by up to 4e-5), probabilities to 1e-5. ModernBERT, whose residual stream
// is never normed, loses more in float32: PyTorch itself up to 2.5e-5.
func closeLogit(got, want float64) bool { return math.Abs(got-want) <= 1e-4+1e-4*math.Abs(want) }
func closeScore(got, want float64) bool { return math.Abs(got-want) <= 1e-5 }

func (r *reference) closeScore(got, want float64) bool {
	if r.Family == "modernbert" {
		return math.Abs(got-want) <= 5e-5
	}
	return closeScore(got, want)
}

// models are the parity models of the families so far; the first ones are in
// testdata, the rest in the full corpus.
var (
	ownModels = []string{"bert-minilm", "bert-2label", "xlmr-mmarco", "deberta-xsmall", "jina-v1-turbo", "modernbert-granite", "modernbert-gte"}
	allModels = []string{"bert-minilm", "bert-2label", "bert-old-sbert", "xlmr-mmarco", "xlmr-base", "xlmr-256", "xlmr-v2-m3", "jina-v2-base", "deberta-base", "deberta-xsmall", "jina-v1-turbo", "modernbert-granite", "modernbert-gte"}
)

// eachModel runs a test on the models in testdata and in the full corpus.
func eachModel(t *testing.T, test func(t *testing.T, dir string)) {
	for _, name := range ownModels {
		t.Run(name, func(t *testing.T) { test(t, filepath.Join("..", "testdata", name)) })
	}
	t.Run("corpus", func(t *testing.T) {
		corpus := testenv.Parity(t)
		for _, name := range allModels {
			t.Run(name, func(t *testing.T) { test(t, filepath.Join(corpus, "models", name)) })
		}
	})
}

func TestLogitsFromIDs(t *testing.T) {
	eachModel(t, func(t *testing.T, dir string) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		m := open(t, dir, Options{Precision: F32})
		got, err := m.Score(context.Background(), r.sequences())
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, p := range r.Pairs {
			want := logitOf(p.Logits)
			worst = max(worst, math.Abs(got[i].Logit-want))
			if !closeLogit(got[i].Logit, want) || !r.closeScore(got[i].Probability, p.Score) {
				t.Errorf("pair %d (%d tokens): logit %v, score %v; want %v, %v", i, len(p.IDs), got[i].Logit, got[i].Probability, want, p.Score)
			}
		}
		t.Logf("%d pairs, largest difference of a logit %.2g", len(r.Pairs), worst)
	})
}

// TestF16 compares 16-bit weights with the reference: for models that are
// published in 16 bits nothing is lost; rounding others costs up to 2^-11 of
// each weight, which these models, harsher than trained ones, make the most of.
func TestF16(t *testing.T) {
	eachModel(t, func(t *testing.T, dir string) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		m := open(t, dir, Options{Precision: F16})
		exact := m.Info().Tensors[0].Type != "F32"
		got, err := m.Score(context.Background(), r.sequences())
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, p := range r.Pairs {
			want := logitOf(p.Logits)
			d := math.Abs(got[i].Logit - want)
			worst = max(worst, d)
			if exact && !closeLogit(got[i].Logit, want) || d > 2e-2 {
				t.Errorf("pair %d: logit %v, want %v", i, got[i].Logit, want)
			}
		}
		t.Logf("largest difference of a logit %.2g", worst)
	})
}

// TestHiddenStates compares the states after every layer.
func TestHiddenStates(t *testing.T) {
	eachModel(t, func(t *testing.T, dir string) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		m := open(t, dir, Options{Precision: F32, Threads: 1})
		stages := 0
		norm := func(rows ...[]float32) float64 {
			sum := 0.0
			for _, row := range rows {
				for _, v := range row {
					sum += float64(v) * float64(v)
				}
			}
			return math.Sqrt(sum)
		}
		m.runner.Trace(func(layer int, x compute.Matrix) {
			label := "embeddings"
			if layer >= 0 {
				label = fmt.Sprintf("layer.%d", layer)
			}
			i := slices.IndexFunc(r.Hidden.Stages, func(s stage) bool { return s.Label == label })
			if i < 0 {
				t.Errorf("there is no stage %s", label)
				return
			}
			stages++
			want := r.Hidden.Stages[i]
			if got := norm(x.Data); math.Abs(got-want.L2) > 1e-5*want.L2 {
				t.Errorf("%s: length %v, want %v", label, got, want.L2)
			}
			for n, token := range r.Hidden.Tokens {
				row := x.Row(token)
				if got := norm(row); math.Abs(got-want.L2Tokens[n]) > 1e-5*want.L2Tokens[n] {
					t.Errorf("%s, token %d: length %v, want %v", label, token, got, want.L2Tokens[n])
				}
				for j, w := range want.First8[n] {
					if math.Abs(float64(row[j])-w) > 2e-5*(1+math.Abs(w)) {
						t.Errorf("%s, token %d, number %d: %v, want %v", label, token, j, row[j], w)
					}
				}
			}
		})
		traced, err := m.Score(context.Background(), r.sequences()[:1])
		if err != nil {
			t.Fatal(err)
		}
		// Without the trace the last layer is computed for one token only.
		m.runner.Trace(nil)
		if got, err := m.Score(context.Background(), r.sequences()[:1]); err != nil || got[0] != traced[0] {
			t.Errorf("the last layer of one token gives %v (%v), of all %v", got, err, traced)
		}
		if stages != len(r.Hidden.Stages) {
			t.Errorf("%d stages, want %d", stages, len(r.Hidden.Stages))
		}
	})
}

// TestSameBits: a sequence's logit is the same to the last bit, whatever it is
// computed with and on however many threads.
func TestSameBits(t *testing.T) {
	for _, precision := range []Precision{F32, F16, Int8} {
		t.Run(precision.String(), func(t *testing.T) { testSameBits(t, Options{Precision: precision}) })
	}
}

func testSameBits(t *testing.T, o Options) {
	eachModel(t, func(t *testing.T, dir string) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		sequences := r.sequences()
		var want []Output
		for _, threads := range []int{1, 2, 3} {
			for _, chunk := range []int{1, 100, 4096} {
				o.Threads, o.BatchTokens = threads, chunk
				m := open(t, dir, o)
				if want == nil {
					for _, s := range sequences {
						out, err := m.Score(context.Background(), []Sequence{s})
						if err != nil {
							t.Fatal(err)
						}
						want = append(want, out[0])
					}
				}
				order := make([]int, len(sequences))
				for i := range order {
					order[i] = (i*7 + chunk) % len(order)
				}
				if len(order)%7 == 0 {
					slices.Reverse(order)
				}
				mixed := make([]Sequence, len(order))
				for i, n := range order {
					mixed[i] = sequences[n]
				}
				got, err := m.Score(context.Background(), mixed)
				if err != nil {
					t.Fatal(err)
				}
				for i, n := range order {
					if got[i] != want[n] {
						t.Errorf("%d threads, chunks of %d: pair %d is %v, alone it is %v", threads, chunk, n, got[i], want[n])
					}
				}
			}
		}
	})
}

// TestNoAllocations: a forward pass in the steady state makes no garbage.
func TestNoAllocations(t *testing.T) {
	for _, name := range []string{"bert-minilm", "jina-v1-turbo", "modernbert-granite", "modernbert-gte"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("..", "testdata", name)
			var r reference
			readJSON(t, filepath.Join(dir, "reference.json"), &r)
			var some []Sequence // of all lengths
			for i, q := range r.sequences() {
				if i%16 == 0 {
					some = append(some, q)
				}
			}
			testNoAllocations(t, dir, some)
		})
	}
}

func testNoAllocations(t *testing.T, dir string, sequences []Sequence) {
	for i, threads := range []int{1, 2, 1, 2, 1, 2} {
		precision := []Precision{F32, F16, Int8}[i/2]
		m := open(t, dir, Options{Precision: precision, Threads: threads})
		outputs := make([]Output, len(sequences))
		ctx := context.Background()
		run := func() {
			if err := m.ranker.score(ctx, sequences, outputs); err != nil {
				t.Fatal(err)
			}
		}
		for range 8 { // which worker gets which chunk differs
			run()
		}
		if n := allocations(run); n != 0 {
			t.Errorf("%v, %d threads: %d allocations in four calls, want 0", precision, threads, n)
		}
	}
}

// allocations counts what four calls of f allocate: of several counts the least, since
// the runtime allocates now and then by itself, and a worker's memory grows when it first
// meets its largest chunk. What f does every time is in each.
func allocations(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := uint64(math.MaxUint64)
	for range 30 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 4 {
			f()
		}
		runtime.ReadMemStats(&after)
		if least = min(least, after.Mallocs-before.Mallocs); least == 0 {
			break
		}
	}
	return least
}

// sourceOf is a tensor as it is to be written.
func sourceOf(t quant.Tensor) gguf.Source {
	return gguf.Source{Name: t.Name, Type: t.Type, Shape: t.Shape, Data: func(w io.Writer) error {
		_, err := w.Write(t.Data)
		return err
	}}
}
