package safetensors_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
	"github.com/winnow-rerank/winnow/internal/testenv"
	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
)

// TestCorpusOpens opens every model there is and reads all of its numbers.
func TestCorpusOpens(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(testenv.Parity(t), "models", "*"))
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[quant.Type]int)
	for _, dir := range dirs {
		f, err := safetensors.Open(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := f.Metadata()["format"]; got != "pt" {
			t.Errorf("%s: format %q", dir, got)
		}
		for _, name := range f.Names() {
			x, ok := f.Tensor(name)
			if !ok || len(x.Shape) < 1 || len(x.Shape) > 2 {
				t.Errorf("%s: %s has the shape %v", dir, name, x.Shape)
			}
			types[x.Type]++
			if !x.Type.CanDequantize() {
				continue
			}
			y := make([]float32, x.Len())
			if err := quant.Dequantize(y, x.Type, x.Data); err != nil {
				t.Errorf("%s: %s: %v", dir, name, err)
			}
			for _, v := range y {
				if math.IsNaN(float64(v)) || math.Abs(float64(v)) > 1e3 {
					t.Errorf("%s: %s holds %g", dir, name, v)
					break
				}
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16, quant.I64} {
		if types[typ] == 0 {
			t.Errorf("no tensor of type %v in %d models", typ, len(dirs))
		}
	}
	t.Logf("%d models: %v", len(dirs), types)
}

// beyond are the damaged files of the corpus in which the format is whole: only
// who knows the model can see that a tensor is missing, or of the wrong shape or
// type, or that a weight is not a number.
var beyond = []string{
	"dtype-integer", "shape-mismatch", "missing-tensor-compact", "missing-layer-compact", "fewer-rows-compact",
	"fewer-positions-compact", "bias-wrong-length", "other-model", "nan-weight", "inf-weight",
}

// TestCorruptCorpus opens the damaged files and indexes. None may panic or take
// more memory than 64 MB above its size; those with a fault of format must be
// refused, by the name of a file.
func TestCorruptCorpus(t *testing.T) {
	dir := filepath.Join(testenv.Parity(t), "corrupt")
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Cases []struct{ Kind, Name, What, Expect string }
	}
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	n := make(map[string]int)
	opened := 0
	for _, c := range index.Cases {
		if c.Kind != "safetensors" && c.Kind != "index" {
			continue
		}
		n[c.Kind]++
		path := filepath.Join(dir, c.Kind, c.Name)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := safetensors.Open(path)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: opening takes %d bytes", c.Name, used)
		}
		if err == nil {
			opened++
			f.Close()
		}
		switch {
		case c.Expect != "error":
		case c.Kind == "safetensors" && slices.Contains(beyond, c.Name):
			if err != nil {
				t.Errorf("%s (%s): %v; the format is whole", c.Name, c.What, err)
			}
		case err == nil:
			t.Errorf("%s (%s): no error", c.Name, c.What)
		case errors.Is(err, fs.ErrNotExist) || !errors.Is(err, fault.ErrFormat) || !strings.HasPrefix(err.Error(), path):
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	if n["safetensors"] < 40 || n["index"] < 6 || opened < len(beyond) {
		t.Errorf("cases: %v; %d opened", n, opened)
	}
	f, err := safetensors.Open(filepath.Join(dir, "base"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
