package safetensors_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/winnow-rerank/winnow/quant"
	"github.com/winnow-rerank/winnow/safetensors"
)

// A model's tensor is found by name and its numbers are read.
func Example() {
	dir, err := os.MkdirTemp("", "model")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	header := `{"__metadata__":{"format":"pt"},"classifier.weight":{"dtype":"F16","shape":[1,2],"data_offsets":[0,4]}}`
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	b = append(b, 0x00, 0x3c, 0x00, 0xc1) // 1, -2.5
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), b, 0o644); err != nil {
		log.Fatal(err)
	}

	f, err := safetensors.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	t, ok := f.Tensor("classifier.weight")
	numbers := make([]float32, t.Len())
	if err := quant.Dequantize(numbers, t.Type, t.Data); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ok, t.Type, t.Shape, numbers, f.Metadata())
	// Output:
	// true F16 [1 2] [1 -2.5] map[format:pt]
}
