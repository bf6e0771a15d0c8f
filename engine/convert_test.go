package engine

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/quant"
)

// TestConvert turns every safetensors model that has a GGUF form into files of
// several types and compares ids and logits with those of the original.
func TestConvert(t *testing.T) {
	configs, err := filepath.Glob(filepath.Join("..", "testdata", "*", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("WINNOW_PARITY_DIR"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "models", "*", "config.json"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no models in %s (%v)", dir, err)
		}
		configs = append(configs, more...)
	}
	query := "What is deep learning?"
	documents := []string{"Deep learning is a subset of machine learning.", "  Äpfel are red\tand 深度学习 🙂 don't ", "", "a literal [SEP] </s> <mask> x"}
	for _, path := range configs {
		in := filepath.Dir(path)
		t.Run(filepath.Base(in), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "model.gguf")
			_, err := Convert(in, out, quant.F32, nil)
			if unsupported := (*fault.UnsupportedError)(nil); errors.As(err, &unsupported) && strings.Contains(unsupported.What, "a conversion of") {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			original := open(t, in, Options{Precision: F32})
			want := scores(t, original, query, documents)
			exact, err := openFile(out)
			if err != nil {
				t.Fatal(err)
			}
			defer exact.source.Close()
			// The limit is of a number's error, as a share of the row's largest.
			for _, c := range []struct {
				to    quant.Type
				limit float64
			}{{quant.F32, 0}, {quant.F16, 1.0 / 2047}, {quant.BF16, 1.0 / 255}, {quant.Q8_0, 1.0 / 220}, {quant.Q5_K, 0.12}, {quant.Q4_K, 0.2}} {
				out := filepath.Join(t.TempDir(), c.to.String()+".gguf")
				if _, err := Convert(in, out, c.to, nil); err != nil {
					t.Fatalf("%v: %v", c.to, err)
				}
				m := open(t, out, Options{Precision: F32})
				compareTensors(t, exact.source, m.source, c.limit)
				if c.to == quant.F32 {
					for i, got := range scores(t, m, query, documents) {
						if d := math.Abs(got - want[i]); !(d <= 2e-5*max(1, math.Abs(want[i]))) {
							t.Errorf("document %d has logit %v, the original %v", i, got, want[i])
						}
					}
					// And from GGUF to GGUF.
					again := filepath.Join(t.TempDir(), "again.gguf")
					if _, err := Convert(out, again, quant.Q8_0, nil); err != nil {
						t.Fatal(err)
					}
					compareTensors(t, exact.source, open(t, again, Options{}).source, 1.0/220)
				}
				a, err := original.EncodePairs(query, documents, 0)
				if err != nil {
					t.Fatal(err)
				}
				b, err := m.EncodePairs(query, documents, 0)
				if err != nil {
					t.Fatal(err)
				}
				for i := range a.Sequences {
					if string(bytesOfIDs(a.Sequences[i].IDs)) != string(bytesOfIDs(b.Sequences[i].IDs)) {
						t.Errorf("%v: document %d has ids %v, originally %v", c.to, i, b.Sequences[i].IDs, a.Sequences[i].IDs)
					}
				}
			}
		})
	}
}

// compareTensors asserts that got has the tensors of want, each number within
// limit of the largest in its row.
func compareTensors(t *testing.T, want, got source, limit float64) {
	t.Helper()
	if len(want.Names()) != len(got.Names()) {
		t.Errorf("%d tensors, want %d", len(got.Names()), len(want.Names()))
	}
	for _, name := range want.Names() {
		a, _ := want.Tensor(name)
		b, ok := got.Tensor(name)
		if !ok || a.Len() != b.Len() {
			t.Errorf("%s: shape %v, want %v", name, b.Shape, a.Shape)
			continue
		}
		x, y := make([]float32, a.Len()), make([]float32, b.Len())
		if err := errors.Join(quant.Dequantize(x, a.Type, a.Data), quant.Dequantize(y, b.Type, b.Data)); err != nil {
			t.Fatal(err)
		}
		width := len(x) / rowsOf(a.Shape)
		for i := 0; i < len(x); i += width {
			row := math.Float32frombits(largest(x[i : i+width]))
			for j := i; j < i+width; j++ {
				if d := math.Abs(float64(x[j] - y[j])); d > limit*float64(row)+1e-7 {
					t.Fatalf("%s of %v: number %d is %v, want %v", name, b.Type, j, y[j], x[j])
				}
			}
		}
	}
}

func bytesOfIDs(ids []int32) []byte {
	var b []byte
	for _, id := range ids {
		b = append(b, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return b
}

func scores(t *testing.T, m *Model, query string, documents []string) []float64 {
	t.Helper()
	pairs, err := m.EncodePairs(query, documents, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Score(context.Background(), pairs.Sequences)
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float64, len(out))
	for i, o := range out {
		logits[i] = o.Logit
	}
	return logits
}

// TestConvertRefuses asserts that nothing is left behind where a conversion
// fails.
func TestConvertRefuses(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	if _, err := Convert(filepath.Join("..", "testdata", "bert-minilm"), out, quant.IQ4_XS, nil); err == nil || !strings.Contains(err.Error(), "q8_0") {
		t.Errorf("type IQ4_XS: error %v, want one that names the types", err)
	}
	if _, err := Convert(filepath.Join(dir, "nothing"), out, quant.F32, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such model: error %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%d files were left", len(entries))
	}
}
