package engine

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestInt8 compares 8-bit multiplication with the reference. Its measure is what
// the simplest 8-bit scheme (a scale for each output and each token) loses on
// the same model in simulation.
//
// These models are narrow, so that most of their matrices are not rounded; where
// all are, activations of 14 bits still leave less of the error.
func TestInt8(t *testing.T) {
	eachModel(t, func(t *testing.T, dir string) {
		var r reference
		readJSON(t, filepath.Join(dir, "reference.json"), &r)
		var want []float64
		for _, p := range r.Pairs {
			want = append(want, logitOf(p.Logits))
		}
		for _, c := range []struct {
			name  string
			o     Options
			limit float64
		}{
			{"as it is", Options{Precision: Int8A16}, 0.5},
			{"all matrices rounded", Options{Precision: Int8A16, roundAll: true}, 1},
			{"activations of 8 bits", Options{Precision: Int8}, 0.8},
			// Matrices this narrow are rounded in tests alone; attention may be in bfloat16.
			{"activations of 8 bits, all matrices rounded", Options{Precision: Int8, roundAll: true}, 1.1},
			// Activations have 8 bits here too: of the model that is wide enough to be rounded
			// as it is, that is what is left.
			{"weights of 16 bits", Options{Precision: Int16A8}, 0.8},
			{"weights of 16 bits, all matrices rounded", Options{Precision: Int16A8, roundAll: true}, 0.85},
		} {
			m := open(t, dir, c.o)
			outputs, err := m.Score(context.Background(), r.sequences())
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, len(outputs))
			for i := range got {
				got[i] = outputs[i].Logit
			}
			d := errorOf(got, want)
			if d.rms > c.limit*r.Measured.RMS {
				t.Errorf("%s: root mean square difference of a logit %.3g, want at most %v of the simulated %.3g", c.name, d.rms, c.limit, r.Measured.RMS)
			}
			t.Logf("%s: root mean square difference of a logit %.3g, %.2f of the simulated %.3g", c.name, d.rms, d.rms/r.Measured.RMS, r.Measured.RMS)
		}
	})
}

// TestInt8SameBits is TestSameBits for narrow matrices in 8 bits.
func TestInt8SameBits(t *testing.T) {
	testSameBits(t, Options{Precision: Int8, roundAll: true})
	testSameBits(t, Options{Precision: Int16A8, roundAll: true})
}

// TestPackedBlocks: matrices in blocks take about as much memory as in the file,
// mixed as their types may be, and what rounding the activations costs is about
// what it costs llama.cpp on the same file and pairs, or less.
func TestPackedBlocks(t *testing.T) {
	corpus := testenv.Parity(t)
	type pair struct{ Query, Document int }
	var all struct {
		Files []struct {
			File, Model string
			Reference   []struct {
				pair
				Logits []float64
			}
			LlamaCPP struct {
				Error float64 `json:"max_diff_to_reference"`
			} `json:"llama_cpp"`
		}
	}
	readJSON(t, filepath.Join(corpus, "gguf", "reference.json"), &all)
	kinds := map[string]string{
		"xlmr-256-Q8_0.gguf": "Q8_0", "xlmr-256-Q4_K_M.gguf": "Q4_K",
		"qwen3-256-Q8_0.gguf": "Q8_0", "qwen3-256-Q4_K_M.gguf": "Q4_K",
		"qwen3-256-Q5_K_M.gguf": "Q5_K", "qwen3-256-Q6_K.gguf": "Q6_K",
	}
	tested := 0
	for _, f := range all.Files {
		kind := kinds[f.File]
		if kind == "" {
			continue
		}
		tested++
		t.Run(f.File, func(t *testing.T) {
			var r reference
			readJSON(t, filepath.Join(corpus, "models", f.Model, "reference.json"), &r)
			m := open(t, filepath.Join(corpus, "gguf", f.File), Options{})
			info := m.Info()
			if info.Precision != Int8 || !strings.Contains(info.PrecisionReason, kind) {
				t.Errorf("precision %v: %s", info.Precision, info.PrecisionReason)
			}
			var matrices int64
			for _, tensor := range info.Tensors {
				if len(tensor.Shape) == 2 && strings.HasPrefix(tensor.Name, "blk.") {
					matrices += tensor.Bytes
				}
			}
			if limit := matrices + matrices*15/100 + headBytes(m); info.WeightBytes > limit {
				t.Errorf("packed weights take %d bytes, want at most %d for the file's %d", info.WeightBytes, limit, matrices)
			}
			wanted := make(map[pair][]float64)
			for _, w := range f.Reference {
				wanted[w.pair] = w.Logits
			}
			var sequences []Sequence
			var want []float64
			for _, p := range r.Pairs {
				if logits := wanted[pair{p.Query, p.Document}]; logits != nil && p.Truncation != "only_second" {
					sequences = append(sequences, Sequence{IDs: p.IDs, Types: p.Types})
					want = append(want, logitOf(logits))
				}
			}
			outputs, err := m.Score(context.Background(), sequences)
			if err != nil {
				t.Fatal(err)
			}
			var got []float64
			for _, o := range outputs {
				got = append(got, o.Logit)
			}
			d := errorOf(got, want)
			// llama.cpp gives logits of encoders and probabilities of decoders.
			worst := d.score
			if r.Family == "xlm-roberta" {
				worst = d.logit
			}
			t.Logf("%d pairs, %d bytes for %d of the file's; %+v, llama.cpp's largest error %.3g", len(want), info.WeightBytes, matrices, d, f.LlamaCPP.Error)
			// Both round activations alike; where sums of another order are rounded to
			// another integer, and so which of the two has the larger largest error, is
			// chance.
			if len(want) == 0 || worst > 1.25*f.LlamaCPP.Error {
				t.Errorf("largest error %.3g of %d pairs, llama.cpp's %.3g", worst, len(want), f.LlamaCPP.Error)
			}
		})
	}
	if tested != len(kinds) {
		t.Errorf("%d files of %d", tested, len(kinds))
	}
}

// headBytes is what the matrices after the layers may take: those are kept exact.
func headBytes(m *Model) int64 {
	hidden := int64(m.info.Hidden)
	return 4 * hidden * (hidden + 64)
}

// A judged is a query of the real model's reference, with what float32 computes
// for each document and what ONNX Runtime's dynamic int8 does.
type judged struct {
	Query     string
	Documents []string
	Logits    []float64
	ONNX      []float64 `json:"onnx_int8_logits"`
}

// TestInt8RealModel holds the errors of 8-bit multiplication on a trained model, also
// against those of ONNX Runtime.
func TestInt8RealModel(t *testing.T) {
	dir := filepath.Join(testenv.Models(t), "ms-marco-MiniLM-L12-v2")
	var r struct{ Cases []judged }
	readJSON(t, filepath.Join(dir, "reference.json"), &r)
	for _, c := range []struct {
		precision       Precision
		rms, logit, tau float64
	}{
		{Int8, 0.012, 0.15, 0.978},
		{Int8A16, 0.001, 0.01, 0.998},
		{Int16A8, 0.012, 0.15, 0.978}, // its weights are 8-bit numbers: nothing is left of them
	} {
		t.Run(c.precision.String(), func(t *testing.T) {
			m := open(t, dir, Options{Precision: c.precision})
			var got, want, onnx []float64
			ours, theirs := 0.0, 0.0
			for _, c := range r.Cases {
				p, err := m.Encode(context.Background(), c.Query, c.Documents, EncodeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				outputs, err := m.Score(context.Background(), p.Sequences)
				if err != nil {
					t.Fatal(err)
				}
				logits := make([]float64, len(outputs))
				for i, o := range outputs {
					logits[i] = o.Logit
				}
				ours += tau(logits, c.Logits) / float64(len(r.Cases))
				theirs += tau(c.ONNX, c.Logits) / float64(len(r.Cases))
				got, want, onnx = append(got, logits...), append(want, c.Logits...), append(onnx, c.ONNX...)
			}
			d, other := errorOf(got, want), errorOf(onnx, want)
			t.Logf("%d documents; ours %+v, tau %.4f; ONNX Runtime %+v, tau %.4f", len(want), d, ours, other, theirs)
			t.Log(m.Info().PrecisionReason)
			if d.rms > c.rms || d.logit > c.logit {
				t.Errorf("errors of a logit: root mean square %.3g, largest %.3g; want at most %v and %v", d.rms, d.logit, c.rms, c.logit)
			}
			if ours < c.tau {
				t.Errorf("Kendall's tau %.4f, want at least %v", ours, c.tau)
			}
			if d.rms > other.rms/5 || d.score > other.score/5 {
				t.Errorf("errors %.3g of a logit, %.3g of a score; a fifth of ONNX Runtime's are %.3g and %.3g", d.rms, d.score, other.rms/5, other.score/5)
			}
		})
	}
}

// tau is Kendall's, of two lists of numbers without ties.
func tau(a, b []float64) float64 {
	kept, pairs := 0, 0
	for i := range a {
		for j := range i {
			pairs++
			if (a[i]-a[j])*(b[i]-b[j]) > 0 {
				kept++
			}
		}
	}
	return float64(2*kept-pairs) / float64(pairs)
}

// A deviation sums up how far logits are from those wanted.
type deviation struct {
	rms, logit, score float64 // of logits; the largest of a logit and of a probability
}

func errorOf(got, want []float64) (d deviation) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for i, w := range want {
		e := got[i] - w
		d.rms += e * e / float64(len(want))
		d.logit = max(d.logit, math.Abs(e))
		d.score = max(d.score, math.Abs(sigmoid(got[i])-sigmoid(w)))
	}
	d.rms = math.Sqrt(d.rms)
	return d
}
