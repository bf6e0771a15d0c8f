package engine

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
	"github.com/winnow-rerank/winnow/quant"
)

// A modelCase is a model with what its authors' library computes in float64 of some
// texts: case.json in a folder of its own.
type modelCase struct {
	Model string // the folder or file beside it

	Query     string
	Documents []string
	Logits    []float64

	Texts      []string
	Embeddings [][]float64

	Completions []struct {
		Prompt   []int32
		Logprobs map[string]float64 // of the next token, by id
	}

	Tolerance float64
	Refused   string // the error that it ends in, as a regular expression
	OrRefused bool   `json:"or_refused"` // an error is right, too
	Convert   bool   // the same holds of a GGUF file that is made of it
}

// eachCase runs a test on the cases in testdata and in the folder of more families.
func eachCase(t *testing.T, test func(t *testing.T, c modelCase)) {
	t.Run("own", func(t *testing.T) { casesIn(t, filepath.Join("..", "testdata", "zoo"), test) })
	t.Run("zoo", func(t *testing.T) { casesIn(t, testenv.Zoo(t), test) })
}

// casesIn runs a test on the cases in a folder.
func casesIn(t *testing.T, dir string, test func(t *testing.T, c modelCase)) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "case.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in %s (%v)", dir, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			var c modelCase
			readJSON(t, path, &c)
			c.Model = filepath.Join(filepath.Dir(path), c.Model)
			test(t, c)
		})
	}
}

// TestCases compares each case with its reference, and the GGUF files that are made of
// the models.
func TestCases(t *testing.T) {
	eachCase(t, func(t *testing.T, c modelCase) {
		c.Convert = c.Refused == ""
		c.check(t)
	})
	t.Run("field", func(t *testing.T) {
		casesIn(t, testenv.Field(t), func(t *testing.T, c modelCase) { c.check(t) })
	})
}

func (c *modelCase) check(t *testing.T) {
	c.checkModel(t, c.Model)
	if !c.Convert || t.Failed() {
		return
	}
	out := filepath.Join(t.TempDir(), "converted.gguf")
	if _, err := Convert(c.Model, out, quant.F32, nil); err != nil {
		if !c.OrRefused {
			t.Errorf("converting: %v", err)
		}
		return
	}
	c.checkModel(t, out)
}

func (c *modelCase) checkModel(t *testing.T, path string) {
	t.Helper()
	off, refused := c.distance(t, path, Options{Precision: F32})
	switch {
	case c.Refused != "" && refused == nil:
		t.Errorf("%s: no error, want one that fits %q", path, c.Refused)
	case c.Refused != "":
		if !regexp.MustCompile(c.Refused).MatchString(refused.Error()) {
			t.Errorf("%s: error %v, want one that fits %q", path, refused, c.Refused)
		}
	case refused != nil && !c.OrRefused:
		t.Errorf("%s: %v", path, refused)
	case refused == nil && !(off <= c.Tolerance):
		t.Errorf("%s: off by %.3g, want at most %g", path, off, c.Tolerance)
	default:
		t.Logf("%s: off by %.2g", filepath.Base(path), off)
	}
}

// distance is the largest difference of a logit, a vector's number or the logarithm of a
// probability from the reference; or the error that the model ends in.
func (c *modelCase) distance(t *testing.T, path string, o Options) (off float64, refused error) {
	t.Helper()
	m, err := Open(path, o)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	ctx := context.Background()
	apart := func(got, want float64) { off = max(off, math.Abs(got-want)) }
	if c.Logits != nil || c.Refused != "" {
		logits, err := c.score(m)
		if err != nil {
			return 0, err
		}
		for i, want := range c.Logits {
			apart(logits[i], want)
		}
	}
	if c.Embeddings != nil {
		e, err := m.EncodeTexts(ctx, c.Texts, TextOptions{})
		if err != nil {
			return 0, err
		}
		vectors, err := m.Embed(ctx, e.Sequences)
		if err != nil {
			return 0, err
		}
		for i, want := range c.Embeddings {
			if len(vectors[i]) != len(want) {
				t.Errorf("%s: a vector of %d numbers, want %d", path, len(vectors[i]), len(want))
				return 0, nil
			}
			Normalize(vectors[i])
			for j := range want {
				apart(float64(vectors[i][j]), want[j])
			}
		}
		if _, err := m.Encode(ctx, "a", []string{"b"}, EncodeOptions{}); err == nil {
			t.Errorf("%s: a model that embeds ranks", path)
		}
	}
	for _, completion := range c.Completions {
		r, err := m.Complete(ctx, completion.Prompt, CompleteOptions{MaxTokens: 1, Probs: m.Info().Vocabulary})
		if err != nil {
			return 0, err
		}
		found := 0
		for _, p := range r.Tokens[0].Top {
			if want, ok := completion.Logprobs[fmt.Sprint(p.ID)]; ok {
				apart(p.Logprob, want)
				found++
			}
		}
		if found != len(completion.Logprobs) {
			t.Errorf("%s: %d of %d tokens have a probability", path, found, len(completion.Logprobs))
		}
	}
	return off, nil
}

// score is the logits of the case's documents.
func (c *modelCase) score(m *Model) ([]float64, error) {
	e, err := m.Encode(context.Background(), c.Query, c.Documents, EncodeOptions{})
	if err != nil {
		return nil, err
	}
	outputs, err := m.Score(context.Background(), e.Sequences)
	if err != nil {
		return nil, err
	}
	logits := make([]float64, len(outputs))
	for i, out := range outputs {
		logits[i] = out.Logit
	}
	return logits, nil
}

// harsh are the cases of which rounding all weights costs too much in float64, too:
// scores of attention that nothing divides (0.068 of 16 bits, and 3 of 8).
func (c *modelCase) harsh() bool { return strings.Contains(c.Model, "mono-t5") }

// TestCasesPrecisions: 16 bits are off by little, and 8 bits keep the order of documents
// that the reference tells apart. As these models are narrow, most matrices are rounded
// only where all are: then what 16 bits are off by is what rounding the weights costs in
// float64, too.
func TestCasesPrecisions(t *testing.T) {
	eachCase(t, func(t *testing.T, c modelCase) {
		if c.Refused != "" || c.OrRefused {
			t.Skip("it may be refused")
		}
		for roundAll, limit := range map[bool]float64{false: 2e-3, true: 2e-2} {
			if roundAll && c.harsh() {
				continue
			}
			off, err := c.distance(t, c.Model, Options{Precision: F16, roundAll: roundAll})
			if err != nil || !(off <= limit) {
				t.Errorf("16 bits, all rounded %v: off by %.3g (%v), want at most %g", roundAll, off, err, limit)
			}
			t.Logf("16 bits, all rounded %v: off by %.2g", roundAll, off)
		}
		if c.Logits == nil {
			return
		}
		for roundAll, gap := range map[bool]float64{false: 0.02, true: 0.3} {
			if roundAll && c.harsh() {
				continue
			}
			m := open(t, c.Model, Options{Precision: Int8, roundAll: roundAll})
			got, err := c.score(m)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range c.Logits {
				for j, b := range c.Logits {
					if a > b+gap && got[i] <= got[j] {
						t.Errorf("8 bits: documents %d and %d have %.3f and %.3f, the reference %.3f and %.3f", i, j, got[i], got[j], a, b)
					}
				}
			}
		}
	})
}

// TestCasesSameBits is TestSameBits for the cases.
func TestCasesSameBits(t *testing.T) {
	eachCase(t, func(t *testing.T, c modelCase) {
		if c.Logits == nil && c.Embeddings == nil || c.OrRefused {
			t.Skip("it neither ranks nor embeds")
		}
		for _, o := range []Options{{Precision: F32}, {Precision: F16}, {Precision: Int8, roundAll: true}} {
			var want [][]float32
			for _, threads := range []int{1, 2, 3} {
				for _, chunk := range []int{1, 100, 4096} {
					o.Threads, o.BatchTokens = threads, chunk
					m := open(t, c.Model, o)
					if want == nil {
						for i := range max(len(c.Documents), len(c.Texts)) {
							want = append(want, c.compute(t, m, []int{i})...)
						}
					}
					order := make([]int, len(want))
					for i := range order {
						order[i] = (i*5 + chunk) % len(order)
					}
					if len(order)%5 == 0 {
						slices.Reverse(order)
					}
					for i, got := range c.compute(t, m, order) {
						if !slices.Equal(got, want[order[i]]) {
							t.Errorf("%v, %d threads, chunks of %d: text %d differs from what it is alone", o.Precision, threads, chunk, order[i])
						}
					}
				}
			}
		}
	})
}

// compute is what the model makes of some of the case's texts: a logit or a vector each.
func (c *modelCase) compute(t *testing.T, m *Model, of []int) (rows [][]float32) {
	t.Helper()
	ctx := context.Background()
	if c.Logits == nil {
		var texts []string
		for _, i := range of {
			texts = append(texts, c.Texts[i])
		}
		e, err := m.EncodeTexts(ctx, texts, TextOptions{})
		if err == nil {
			rows, err = m.Embed(ctx, e.Sequences)
		}
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	part := *c
	part.Documents = nil
	for _, i := range of {
		part.Documents = append(part.Documents, c.Documents[i])
	}
	logits, err := part.score(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range logits {
		rows = append(rows, []float32{float32(x)})
	}
	return rows
}

// TestCasesInfo: every setting of the models is read, and so is every one of the GGUF
// files that are made of them, which say of themselves what the folders do.
func TestCasesInfo(t *testing.T) {
	eachCase(t, func(t *testing.T, c modelCase) {
		if c.Refused != "" || c.OrRefused {
			t.Skip("it may be refused")
		}
		m := open(t, c.Model, Options{Precision: F32})
		out := filepath.Join(t.TempDir(), "converted.gguf")
		if _, err := Convert(c.Model, out, quant.F32, nil); err != nil {
			t.Fatal(err)
		}
		converted := open(t, out, Options{Precision: F32})
		for _, m := range []*Model{m, converted} {
			if unread := m.Info().Unread; unread != nil {
				t.Errorf("%s: nobody read %s", m.Info().Format, strings.Join(unread, ", "))
			}
		}
		sameInfo(t, converted.Info(), m.Info())
	})
}

// TestCasesNoAllocations is TestNoAllocations for the cases of testdata.
func TestCasesNoAllocations(t *testing.T) {
	casesIn(t, filepath.Join("..", "testdata", "zoo"), func(t *testing.T, c modelCase) {
		if c.Logits == nil {
			t.Skip("it does not rank")
		}
		m := open(t, c.Model, Options{})
		if m.network.Decoder.Causal {
			t.Skip("it looks for the beginnings that texts share")
		}
		e, err := m.Encode(context.Background(), c.Query, c.Documents, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testNoAllocations(t, c.Model, e.Sequences)
	})
}

// TestOperations counts those of a model whose head reads all tokens.
func TestOperations(t *testing.T) {
	m := open(t, filepath.Join("..", "testdata", "zoo", "eurobert-late", "model"), Options{Precision: F32})
	const hidden, intermediate, layers, tokens = 48, 100, 3, 70
	const want = 2 * tokens * (layers*(4*hidden*hidden+3*hidden*intermediate) + hidden*hidden + hidden)
	for i := range int64(2) {
		if got := m.Operations(); got != i*want {
			t.Errorf("%d operations after %d sequences of %d tokens, want %d", got, i, tokens, i*want)
		}
		if _, err := m.Score(context.Background(), []Sequence{{IDs: make([]int32, tokens)}}); err != nil {
			t.Fatal(err)
		}
	}
}
