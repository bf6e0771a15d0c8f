package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// TestDividedSameBits: operations that are divided among workers, as happens
// with few long sequences, give the bits that one worker gives.
func TestDividedSameBits(t *testing.T) {
	sequences := []Sequence{randomSequence(700, 1), randomSequence(33, 2), randomSequence(1024, 3)}
	plain := slices.Clone(sequences)
	for i := range plain {
		plain[i].Types = nil
	}
	for _, test := range []struct {
		name      string
		model     *randomModel
		sequences []Sequence
	}{
		{"BERT", newRandomBERT(160, 5, 640, 2, 1024, 1200), sequences},
		{"JinaBERT", newRandomJina(160, 5, 320, 2, 1024, 1200), plain},
		{"ModernBERT", newRandomModern(160, 5, 320, 3, 1024, 1200, 128), plain},
	} {
		dir := test.model.write(t)
		for _, precision := range []Precision{F32, F16, Int8} {
			t.Run(test.name+"/"+precision.String(), func(t *testing.T) { testDivided(t, dir, test.sequences, precision) })
		}
	}
}

func testDivided(t *testing.T, dir string, sequences []Sequence, precision Precision) {
	var want []Output
	for _, threads := range []int{1, 2, 3, 5} {
		m := open(t, dir, Options{Precision: precision, Threads: threads})
		for range 3 {
			for i, s := range sequences {
				got, err := m.Score(context.Background(), []Sequence{s})
				if err != nil {
					t.Fatal(err)
				}
				if len(want) <= i {
					want = append(want, got[0])
				}
				if got[0] != want[i] {
					t.Errorf("%d threads: sequence %d is %v, with one thread %v", threads, i, got[0], want[i])
				}
			}
		}
	}
}

// A refusal is a change to a model after which it must not load.
type refusal struct {
	name   string
	change func(m *randomModel)
	kind   error
	want   []string // in the message
}

func testRefusals(t *testing.T, model func() *randomModel, refusals []refusal) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			r := model()
			test.change(r)
			m, err := Open(r.write(t), Options{})
			if err == nil {
				m.Close()
				t.Fatal("no error")
			}
			if !errors.Is(err, test.kind) {
				t.Errorf("%v is no %v", err, test.kind)
			}
			for _, s := range test.want {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	testRefusals(t, func() *randomModel { return newRandomBERT(16, 2, 24, 2, 64, 1200) }, []refusal{
		{"missing and unused tensors", func(m *randomModel) {
			delete(m.shapes, "bert.encoder.layer.1.attention.self.key.weight")
			delete(m.shapes, "classifier.bias")
			m.shapes["bert.encoder.layer.2.output.dense.bias"] = []int{16}
			m.shapes["bert.embeddings.position_ids"] = []int{1, 8} // known, and left alone
		}, fault.ErrFormat, []string{"2 missing", "encoder.layer.1.attention.self.key.weight, classifier.bias", "1 unused (bert.encoder.layer.2.output.dense.bias)"}},
		{"wrong shape", func(m *randomModel) { m.shapes["classifier.weight"] = []int{16, 1} },
			fault.ErrFormat, []string{"classifier.weight", "[16 1]", "[1 16]"}},
		{"more layers than tensors", func(m *randomModel) { m.config["num_hidden_layers"] = 5000 },
			fault.ErrFormat, []string{"num_hidden_layers", "5000", "tensors (41)"}},
		{"indivisible heads", func(m *randomModel) { m.config["num_attention_heads"] = 3 },
			fault.ErrFormat, []string{"num_attention_heads", "found 3", "divisor of the hidden size 16"}},
		{"relative positions", func(m *randomModel) { m.config["position_embedding_type"] = "relative_key_query" },
			fault.ErrUnsupported, []string{"position_embedding_type", "relative_key_query"}},
		{"unknown activation", func(m *randomModel) { m.config["hidden_act"] = "mish" },
			fault.ErrFormat, []string{"hidden_act", `"mish"`, "gelu_new"}},
		{"epsilon", func(m *randomModel) { m.config["layer_norm_eps"] = -1e-12 },
			fault.ErrFormat, []string{"layer_norm_eps", "-1e-12"}},
		{"fractional width", func(m *randomModel) { m.config["hidden_size"] = 16.5 },
			fault.ErrFormat, []string{"hidden_size", "16.5"}},
		{"labels", func(m *randomModel) { m.config["id2label"] = map[string]string{"0": "no", "1": "yes"} },
			fault.ErrFormat, []string{"classifier", "[2 16]"}},
		{"architecture", func(m *randomModel) { m.config["architectures"] = []string{"BertForQuestionAnswering"} },
			fault.ErrUnsupported, []string{"BertForQuestionAnswering", "BertForSequenceClassification"}},
		{"model type", func(m *randomModel) { m.config["model_type"] = "roformer" },
			fault.ErrUnsupported, []string{"roformer"}},
		{"vocabulary", func(m *randomModel) {
			m.config["vocab_size"] = 1100
			m.shapes["bert.embeddings.word_embeddings.weight"] = []int{1100, 16}
		}, fault.ErrFormat, []string{"vocabulary", "1199", "1099"}},
		{"NaN", func(m *randomModel) { m.values["bert.encoder.layer.0.output.dense.weight"] = nanAt(3 * 24) },
			fault.ErrFormat, []string{"bert.encoder.layer.0.output.dense.weight", "NaN in row 3, column 0"}},
		{"infinite bias", func(m *randomModel) {
			m.values["classifier.bias"] = func(int) float32 { return float32(math.Inf(1)) }
		}, fault.ErrFormat, []string{"classifier.bias", "+Inf"}},
	})
}

func nanAt(n int) func(int) float32 {
	return func(i int) float32 {
		if i == n {
			return float32(math.NaN())
		}
		return 0.1
	}
}

// The embedding table is not looked through at load: a damaged row is an error
// when it is used, and only then.
func TestNaNInAnAnswerIsAnError(t *testing.T) {
	r := newRandomBERT(16, 2, 24, 2, 64, 1200)
	r.values["bert.embeddings.word_embeddings.weight"] = func(i int) float32 {
		if i == 77*16+5 {
			return float32(math.NaN())
		}
		return float32(i%13) * 0.1
	}
	m := open(t, r.write(t), Options{})
	if _, err := m.Score(context.Background(), []Sequence{{IDs: []int32{1, 2, 3}}}); err != nil {
		t.Error(err)
	}
	_, err := m.Score(context.Background(), []Sequence{{IDs: []int32{1, 2, 3}}, {IDs: []int32{1, 77, 3}}})
	if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "sequence 1") {
		t.Errorf("got %v, want %v for sequence 1", err, ErrNotFinite)
	}
}

func TestScoreChecksSequences(t *testing.T) {
	m := open(t, newRandomBERT(16, 2, 24, 2, 64, 1200).write(t), Options{})
	for _, s := range []Sequence{
		{},
		{IDs: make([]int32, 65)},
		{IDs: []int32{1, 1200}},
		{IDs: []int32{-1}},
		{IDs: []int32{1, 2}, Types: []int32{0}},
		{IDs: []int32{1, 2}, Types: []int32{0, 2}},
	} {
		if _, err := m.Score(context.Background(), []Sequence{s}); err == nil {
			t.Errorf("%v: no error", s)
		}
	}
	if out, err := m.Score(context.Background(), nil); err != nil || len(out) != 0 {
		t.Errorf("no sequences: %v, %v", out, err)
	}
}

func TestCancelledScoreStops(t *testing.T) {
	m := open(t, newRandomBERT(64, 4, 128, 2, 512, 1200).write(t), Options{Threads: 2})
	sequences := make([]Sequence, 3000)
	for i := range sequences {
		sequences[i] = randomSequence(300, uint64(i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := m.Score(ctx, sequences)
	late := time.Since(deadline(ctx))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	if late > 2*time.Second {
		t.Errorf("returned %v after it was cancelled", late)
	}
}

func deadline(ctx context.Context) time.Time {
	d, _ := ctx.Deadline()
	return d
}
