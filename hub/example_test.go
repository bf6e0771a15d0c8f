package hub_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/winnow-rerank/winnow/hub"
)

func ExampleParseRef() {
	for _, s := range []string{"BAAI/bge-reranker-v2-m3", "gpustack/bge-reranker-v2-m3-GGUF:Q8_0", "model.gguf"} {
		ref, ok := hub.ParseRef(s)
		fmt.Printf("%q %q %t\n", ref.Repo, ref.File, ok)
	}
	// Output:
	// "BAAI/bge-reranker-v2-m3" "" true
	// "gpustack/bge-reranker-v2-m3-GGUF" "Q8_0" true
	// "" "" false
}

func ExampleFind() {
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	_, err = hub.Find(dir, hub.Ref{Repo: "BAAI/bge-reranker-base"})
	fmt.Println(errors.Is(err, hub.ErrNotCached))
	// Output: true
}
