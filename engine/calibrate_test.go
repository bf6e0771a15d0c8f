package engine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// TestCalibration: on a trained model, the reason for the precision says that some
// channels have 16 bits, for less than a tenth more work; and the choice, and with it
// every bit of a score, does not depend on the number of threads.
func TestCalibration(t *testing.T) {
	dir := filepath.Join(testenv.Models(t), "ms-marco-MiniLM-L12-v2")
	var want []Output
	for _, threads := range []int{1, 2, 3} {
		m := open(t, dir, Options{Precision: Int8, Threads: threads})
		reason := m.Info().PrecisionReason
		_, cost, _ := strings.Cut(reason, "most, for ")
		if number, _, ok := strings.Cut(cost, " % more work"); !ok || len(number) != 3 {
			t.Errorf("reason %q", reason)
		}
		e, err := m.Encode(t.Context(), "What is deep learning?", []string{"Deep learning is a subset of machine learning.", "Apples are red."}, EncodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Score(t.Context(), e.Sequences)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%d threads: %v, one thread: %v", threads, got[i], want[i])
			}
		}
	}
}

// TestWeightsOf16Bits: in int16a8, the reason says how many matrices have weights of 16
// bits; they take more memory than in int8, and not as much as if all had.
func TestWeightsOf16Bits(t *testing.T) {
	dir := filepath.Join("..", "testdata", "deberta-xsmall")
	eight := open(t, dir, Options{Precision: Int8A16, roundAll: true}).Info()
	some := open(t, dir, Options{Precision: Int16A8, roundAll: true}).Info()
	if want := "requested; weights of 16 bits in 3 of 12 matrices, activations of 8 bits, and"; !strings.HasPrefix(some.PrecisionReason, want) {
		t.Errorf("reason %q, want %q …", some.PrecisionReason, want)
	}
	if share := float64(some.WeightBytes) / float64(eight.WeightBytes); share < 1.15 || share > 1.4 {
		t.Errorf("%d bytes of weights, %.2f of int8a16's; want 1.15 to 1.4", some.WeightBytes, share)
	}
}
