package winnow

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// What a process holds.
type holdings struct {
	goroutines, maps, files int
	heap                    uint64
}

func held(t *testing.T) (h holdings) {
	t.Helper()
	// A pool keeps what it holds through one collection, and what a finalizer guards goes in the
	// collection after it has run: a single one may still count the last model.
	for range 4 {
		debug.FreeOSMemory()
		time.Sleep(time.Millisecond)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return holdings{runtime.NumGoroutine(), bytes.Count(maps, []byte(testModels)), len(files), s.HeapAlloc}
}

// testModels is part of the paths of the models, in the list of what is mapped.
const testModels = "/testdata/"

// TestOpenAndClose: models that are opened, used and closed 2,000 times, some of them in vain,
// leave no mapping, file, goroutine or memory behind.
func TestOpenAndClose(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	ctx := context.Background()
	use := func(path string) {
		m, err := Open(path, WithThreads(2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Rerank(ctx, "what is deep learning", []string{"a subset of machine learning", "apples"}); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{"testdata/bert-minilm", "testdata/bert-minilm-with-pooler-F16.gguf", "testdata/qwen3-reranker"}
	round := func() {
		for _, path := range paths {
			use(path)
		}
		if _, err := Open("testdata/bert-minilm", WithLabel("nobody")); err == nil {
			t.Fatal("a label that the model does not have is taken")
		}
	}
	for range 20 {
		round()
	}
	before := held(t)
	for range rounds {
		round()
	}
	after := held(t)
	for end := time.Now().Add(10 * time.Second); after.goroutines > before.goroutines && time.Now().Before(end); after = held(t) {
		time.Sleep(10 * time.Millisecond) // workers may still be on their way out
	}
	t.Logf("before %+v, after %d rounds %+v", before, rounds, after)
	if after.goroutines > before.goroutines || after.maps > before.maps || after.files > before.files {
		t.Errorf("goroutines, maps and files: %+v, %+v before", after, before)
	}
	if most := before.heap + 256<<10; after.heap > most {
		t.Errorf("a heap of %d bytes, %d before", after.heap, before.heap)
	}
}
