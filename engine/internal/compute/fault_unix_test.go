//go:build unix

package compute

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/winnow-rerank/winnow/quant"
)

// TestMappedFileCutShort: a page of the model's file that is gone ends the call with an
// error, not the process.
func TestMappedFileCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "table")
	const size = 1 << 16
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(data)
	e := NewEmbedding(quant.Tensor{Type: quant.F32, Shape: []int{size / 64, 16}, Data: data})
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	r := NewRunner(2, RunnerOptions{})
	defer r.Close()
	read := tileOf(func(c *Context) { c.Embed(&e, []int32{0, 500}) })
	err = r.Run(context.Background(), read, 4)
	var p *PanicError
	var fault runtime.Error
	if !errors.As(err, &p) || !errors.As(err, &fault) {
		t.Errorf("%v, want a fault of the runtime in a PanicError", err)
	}
	if err := r.Run(context.Background(), tileOf(func(*Context) {}), 4); err != nil {
		t.Errorf("after a fault: %v", err)
	}
}
