package tokenizer

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/testenv"
)

// checkAllocations makes sure that tokenizing allocates nothing once the
// buffers have grown, however many tokens there are.
func checkAllocations(t *testing.T, tok *Tokenizer) {
	t.Helper()
	if raceEnabled {
		t.Skip("pools lose things under the race detector")
	}
	long := strings.Repeat(strings.Join(stressTexts, " \n"), 4)
	var e Encoding
	for name, text := range map[string]string{"short": "What is the capital of France?", "accents": "Élan vital, ｆｕｌｌ Straße\u0301", "long": long} {
		if n := testing.AllocsPerRun(20, func() { tok.Encode(&e, text, 0) }); n > 0 {
			t.Errorf("%s text: %v allocations for %d tokens", name, n, len(e.IDs))
		}
		if n := testing.AllocsPerRun(20, func() { _ = tok.EncodePair(&e, text, long, 512, LongestFirst) }); n > 0 {
			t.Errorf("%s pair: %v allocations", name, n)
		}
	}
}

func TestAllocations(t *testing.T) {
	for _, c := range fileCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromDir(c.write(t))
			if err != nil {
				t.Fatal(err)
			}
			checkAllocations(t, tok)
		})
	}
}

func TestAllocationsReal(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Parity(t), "tokenizers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			checkAllocations(t, realTokenizer(t, filepath.Base(path)))
		})
	}
}
