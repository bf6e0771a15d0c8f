package engine

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The models of this file are small and random, made and computed in float64 by
// transformers and sentence-transformers: see testdata/make_sentence_models.py.

// encode turns the texts of the reference's pairs into tokens.
func (r *reference) encode(t testing.TB, m *Model) []Sequence {
	t.Helper()
	var sequences []Sequence
	for i, q := range r.Queries {
		pairs, err := m.Encode(context.Background(), q, r.Documents, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for j, s := range pairs.Sequences {
			p := r.Pairs[i*len(r.Documents)+j]
			if p.Query != i || p.Document != j {
				t.Fatalf("pair %d is of query %d and document %d", i*len(r.Documents)+j, p.Query, p.Document)
			}
			if p.IDs != nil && (!slices.Equal(s.IDs, p.IDs) || !slices.Equal(s.Types, p.Types)) {
				t.Errorf("query %d, document %d: tokens %v %v, want %v %v", i, j, s.IDs, s.Types, p.IDs, p.Types)
			}
		}
		sequences = append(sequences, pairs.Sequences...)
	}
	return sequences
}

var sentenceModels = []struct {
	name, head string
	relevant   int
	activation string
}{
	{"roberta-nli", "first token → dense → tanh → classifier", 1, "softmax"},
	{"electra", "first token → dense → gelu → classifier", 0, "sigmoid"},
	{"distilbert", "first token → dense → relu → classifier", 0, "sigmoid"},
	{"ettin", "first token → Dense 32 → norm → Dense 1", 0, "sigmoid"},
	{"chain-bert", "mean of all tokens → Dense 24 → norm → Dense 1", 0, "sigmoid"},
	{"colbert-modernbert", "every token → Dense 16 → MaxSim", 0, "mean"},
	{"colbert-bert", "every token → Dense 12 → MaxSim", 0, "mean"},
	{"colbert-multivector", "every token → Dense 12 → MaxSim", 0, "mean"},
}

func TestSentenceModels(t *testing.T) {
	for _, test := range sentenceModels {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join("..", "testdata", test.name)
			var r reference
			readJSON(t, filepath.Join(dir, "reference.json"), &r)
			m := open(t, dir, Options{Precision: F32})
			if info := m.Info(); info.Head != test.head || info.Activation != test.activation {
				t.Errorf("head %q, activation %q; want %q, %q", info.Head, info.Activation, test.head, test.activation)
			}
			got, err := m.Score(context.Background(), r.encode(t, m))
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, p := range r.Pairs {
				sum, others := 0.0, 0.0
				for n, z := range p.Logits {
					sum += math.Exp(z)
					if n != test.relevant {
						others += math.Exp(z)
					}
				}
				want := p.Logits[test.relevant]
				score := 1 / (1 + math.Exp(-want))
				switch test.activation {
				case "softmax":
					score = math.Exp(want) / sum
					want -= math.Log(others)
				case "mean":
					score = want / float64(r.QueryLength)
				}
				worst = max(worst, math.Abs(got[i].Logit-want))
				if !closeLogit(got[i].Logit, want) || math.Abs(got[i].Probability-score) > 1e-5 {
					t.Errorf("pair %d: logit %v, score %v; want %v, %v", i, got[i].Logit, got[i].Probability, want, score)
				}
			}
			t.Logf("%d pairs, largest difference of a logit %.2g", len(r.Pairs), worst)
		})
	}
}

func TestSentenceModelsSameBits(t *testing.T) {
	for _, test := range sentenceModels {
		for _, precision := range []Precision{F32, F16, Int8} {
			t.Run(test.name+"/"+precision.String(), func(t *testing.T) {
				dir := filepath.Join("..", "testdata", test.name)
				var r reference
				readJSON(t, filepath.Join(dir, "reference.json"), &r)
				var want []Output
				for _, o := range []Options{{Threads: 1, BatchTokens: 1}, {Threads: 1, BatchTokens: 4096}, {Threads: 3, BatchTokens: 100}} {
					o.Precision, o.roundAll = precision, true
					m := open(t, dir, o)
					sequences := r.encode(t, m)
					if want == nil {
						for _, s := range sequences {
							out, err := m.Score(context.Background(), []Sequence{s})
							if err != nil {
								t.Fatal(err)
							}
							want = append(want, out[0])
						}
					}
					got, err := m.Score(context.Background(), sequences)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d threads, chunks of %d: scores differ from those of each pair alone", o.Threads, o.BatchTokens)
					}
				}
			})
		}
	}
}

func TestEmbedDense(t *testing.T) {
	dir := filepath.Join("..", "testdata", "embed-dense")
	var r struct {
		Texts []struct {
			Prompt, Text string
			IDs          []int32
			Embedding    []float64
		}
	}
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	var first [][]float32
	for _, o := range []Options{{Threads: 1, BatchTokens: 1}, {Threads: 2}, {Threads: 3, BatchTokens: 100}} {
		o.Precision = F32
		m := open(t, dir, o)
		for i, x := range r.Texts {
			name := x.Prompt
			if name == "query" {
				name = "" // it is the default one
			}
			p, err := m.EncodeTexts(context.Background(), []string{x.Text}, TextOptions{Prompt: name})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Sequences[0].IDs, x.IDs) {
				t.Errorf("text %d: ids %v, want %v", i, p.Sequences[0].IDs, x.IDs)
			}
			v, err := m.Embed(context.Background(), p.Sequences)
			if err != nil {
				t.Fatal(err)
			}
			if len(first) <= i {
				first = append(first, slices.Clone(v[0]))
			}
			if !slices.Equal(first[i], v[0]) {
				t.Errorf("%d threads: text %d has other bits", o.Threads, i)
			}
			Normalize(v[0])
			for j, want := range x.Embedding {
				if math.Abs(float64(v[0][j])-want) > embedTolerance {
					t.Errorf("text %d, number %d: %v, want %v", i, j, v[0][j], want)
				}
			}
		}
		var unknown *UnknownPromptError
		if _, err := m.EncodeTexts(context.Background(), []string{"x"}, TextOptions{Prompt: "passage"}); !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"document", "query"}) {
			t.Errorf("an unknown prompt gives %v", err)
		}
		if _, err := m.Encode(context.Background(), "q", []string{"d"}, EncodeOptions{}); !errors.Is(err, ErrCannotRerank) {
			t.Errorf("pairs give %v, want %v", err, ErrCannotRerank)
		}
		if _, err := m.Score(context.Background(), []Sequence{{IDs: []int32{1}}}); !errors.Is(err, ErrCannotRerank) {
			t.Errorf("a score gives %v, want %v", err, ErrCannotRerank)
		}
	}
}

func TestRerankersDoNotEmbed(t *testing.T) {
	m := open(t, filepath.Join("..", "testdata", "bert-minilm"), Options{})
	if _, err := m.Embed(context.Background(), []Sequence{{IDs: []int32{1}}}); !errors.Is(err, ErrCannotEmbed) {
		t.Errorf("Embed gives %v", err)
	}
	if _, err := m.EncodeTexts(context.Background(), []string{"x"}, TextOptions{}); !errors.Is(err, ErrCannotEmbed) {
		t.Errorf("EncodeTexts gives %v", err)
	}
}

func TestLabels(t *testing.T) {
	m := openOwn(t, "bert-minilm", Options{})
	for _, test := range []struct {
		labels, asked string
		want          int
		err           string
	}{
		{"LABEL_0", "", 0, ""},
		{"LABEL_0 LABEL_1", "", 1, ""},
		{"LABEL_0 LABEL_1", "0", 0, ""},
		{"LABEL_0 LABEL_1", "label_0", 0, ""},
		{"entailment not_entailment", "", 0, ""},
		{"contradiction entailment neutral", "", 1, ""},
		{"contradiction entailment neutral", "Neutral", 2, ""},
		{"Negative Positive", "", 1, ""},
		{"yes no", "", 0, ""},
		{"0 1", "0", 0, ""},
		{"true positive", "", 0, "name the one"},
		{"a b c", "", 0, "--label"},
		{"a b c", "2", 2, ""},
		{"a b c", "3", 0, "0 a, 1 b, 2 c"},
		{"a b c", "d", 0, "0 a, 1 b, 2 c"},
	} {
		j, err := findRelevance(m.file, strings.Fields(test.labels), test.asked)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q, asked for %q: error %v, want one of %q", test.labels, test.asked, err, test.err)
			}
			continue
		}
		if err != nil || j.label != test.want {
			t.Errorf("%q, asked for %q: %d, %v; want %d", test.labels, test.asked, j.label, err, test.want)
		}
	}
}

func TestJudgementOutput(t *testing.T) {
	for _, test := range []struct {
		relevance
		logits             []float32
		logit, probability float64
	}{
		{relevance{0, true}, []float32{0}, 0, 0.5},
		{relevance{1, false}, []float32{1, 3}, 2, 1 / (1 + math.Exp(-2))},
		{relevance{0, false}, []float32{1, 3}, -2, 1 / (1 + math.Exp(2))},
		{relevance{1, false}, []float32{0, 0, 0}, -math.Log(2), 1. / 3},
		{relevance{2, false}, []float32{1000, 0, 1000}, 0, 0.5},
		{relevance{1, true}, []float32{5, 0, 5}, 0, 0.5},
	} {
		out, ok := test.output(test.logits)
		if !ok || math.Abs(out.Logit-test.logit) > 1e-12 || math.Abs(out.Probability-test.probability) > 1e-12 {
			t.Errorf("%v of %v: %v, %v; want %v, %v", test.relevance, test.logits, out, ok, test.logit, test.probability)
		}
	}
	nan := float32(math.NaN())
	for _, logits := range [][]float32{{nan}, {0, nan}, {nan, 0}, {0, nan, 0}, {float32(math.Inf(1)), 0, 0}} {
		if out, ok := (relevance{0, len(logits) == 1}).output(logits); ok {
			t.Errorf("%v gives %v", logits, out)
		}
	}
}
