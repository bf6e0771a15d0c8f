package gguf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log"

	"github.com/winnow-rerank/winnow/gguf"
	"github.com/winnow-rerank/winnow/quant"
)

// A model is written and read back from memory.
func Example() {
	var b bytes.Buffer
	err := gguf.Write(&b, []gguf.KV{
		{Key: "general.architecture", Value: "bert"},
		{Key: "bert.block_count", Value: uint32(6)},
		{Key: "tokenizer.ggml.tokens", Value: []string{"[PAD]", "▁deep"}},
	}, []gguf.Source{
		{Name: "token_embd.weight", Type: quant.F32, Shape: []int{2, 3}, Data: func(w io.Writer) error {
			return binary.Write(w, binary.LittleEndian, []float32{1, 2, 3, 4, 5, 6})
		}},
	})
	if err != nil {
		log.Fatal(err)
	}

	f, err := gguf.OpenBytes("example.gguf", b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	layers, _ := f.Uint(f.Architecture() + ".block_count")
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	t, _ := f.Tensor("token_embd.weight")
	fmt.Println(f.Architecture(), layers, tokens)
	fmt.Println(t.Type, t.Shape)
	// Output:
	// bert 6 [[PAD] ▁deep]
	// F32 [2 3]
}
