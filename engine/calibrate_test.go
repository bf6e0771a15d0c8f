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
