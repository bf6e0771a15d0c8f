package quant_test

import (
	"fmt"
	"log"

	"github.com/winnow-rerank/winnow/quant"
)

// A row is stored as Q8_0: blocks of 32 numbers, each with a scale.
func Example() {
	row := make([]float32, 64)
	for i := range row {
		row[i] = float32(i) / 64
	}
	blocks := make([]byte, quant.Q8_0.Bytes(len(row)))
	if err := quant.Quantize(blocks, quant.Q8_0, row); err != nil {
		log.Fatal(err)
	}
	if err := quant.Dequantize(row, quant.Q8_0, blocks); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes; %.4f %.4f %.4f\n", len(blocks), row[1], row[31], row[63])
	// Output:
	// 68 bytes; 0.0153 0.4845 0.9844
}

func ExampleParseType() {
	t, err := quant.ParseType("q4_k")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t, t.BlockSize(), t.BlockBytes())
	// Output:
	// Q4_K 256 144
}
