package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/engine/internal/checkpoint"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// TestChainGGUF: a GGUF file without a classifier makes vectors, by the pooling that
// it names and through the Denses and norms that it has.
func TestChainGGUF(t *testing.T) {
	path := filepath.Join("..", "testdata", "bert-minilm-with-pooler-F16.gguf")
	original, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	floats := func(name string, shape []int, value func(i int) float32) gguf.Source {
		return gguf.Source{Name: name, Type: quant.F32, Shape: shape, Data: func(w io.Writer) error {
			n := 1
			for _, d := range shape {
				n *= d
			}
			var b []byte
			for i := range n {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(value(i)))
			}
			_, err := w.Write(b)
			return err
		}}
	}
	vector := func(pooling uint32, activation string, more ...gguf.Source) []float32 {
		t.Helper()
		var metadata []gguf.KV
		for _, kv := range original.Metadata() {
			if !strings.Contains(kv.Key, "pooling_type") && !strings.Contains(kv.Key, "classifier") {
				metadata = append(metadata, kv)
			}
		}
		metadata = append(metadata, gguf.KV{Key: "bert.pooling_type", Value: pooling})
		if activation != "" {
			metadata = append(metadata, gguf.KV{Key: "bert.dense_2_activation", Value: activation})
		}
		var tensors []gguf.Source
		for _, name := range original.Names() {
			if !strings.HasPrefix(name, "cls") {
				tensor, _ := original.Tensor(name)
				tensors = append(tensors, sourceOf(tensor))
			}
		}
		var b bytes.Buffer
		if err := gguf.Write(&b, metadata, append(tensors, more...)); err != nil {
			t.Fatal(err)
		}
		m, err := OpenBytes("test.gguf", b.Bytes(), Options{Precision: F32})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if info := m.Info(); !info.Unit || !slices.Equal(info.Tasks, []string{"embed"}) {
			t.Errorf("unit %t, tasks %v", info.Unit, info.Tasks)
		}
		v, err := m.Embed(context.Background(), []Sequence{{IDs: []int32{9, 70, 455, 10}}})
		if err != nil {
			t.Fatal(err)
		}
		return v[0]
	}
	kinds := map[string]bool{}
	for kind := range uint32(4) {
		v := vector(kind, "")
		for _, x := range v {
			if math.IsNaN(float64(x)) {
				t.Fatalf("pooling %d: %v", kind, v)
			}
		}
		if kind > 0 {
			kinds[string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v[0])))] = true
		} else if !slices.Equal(v, vector(1, "")) {
			t.Error("without a pooling it is not the mean")
		}
	}
	if len(kinds) != 3 {
		t.Errorf("%d different vectors by 3 poolings", len(kinds))
	}

	x := vector(3, "")
	weight := func(i int) float32 { return float32(i%17-8) / 16 }
	bias := func(i int) float32 { return float32(i) / 8 }
	got := vector(3, "tanh", floats("dense_2.weight", []int{5, len(x)}, weight), floats("dense_2.bias", []int{5}, bias),
		floats("dense_3_norm.weight", []int{5}, func(int) float32 { return 2 }), floats("dense_3_norm.bias", []int{5}, bias))
	want := make([]float64, 5)
	mean, variance := 0.0, 0.0
	for i := range want {
		want[i] = float64(bias(i))
		for j, v := range x {
			want[i] += float64(weight(i*len(x)+j)) * float64(v)
		}
		want[i] = math.Tanh(want[i])
		mean += want[i] / 5
	}
	for _, w := range want {
		variance += (w - mean) * (w - mean) / 5
	}
	for i := range want {
		want[i] = 2*(want[i]-mean)/math.Sqrt(variance+checkpoint.ModuleEps) + float64(bias(i))
		if math.Abs(float64(got[i])-want[i]) > 1e-4 {
			t.Errorf("number %d: %v, want %v", i, got[i], want[i])
		}
	}
}
