package mapfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
		want := make([]byte, n)
		r.Read(want)
		path := write(t, want)
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Path() != path || !bytes.Equal(f.Data(), want) {
			t.Errorf("a file of %d bytes reads otherwise", n)
		}
		// Parts that are released, whole or in pieces, read as before.
		for _, part := range [][2]int{{0, n}, {n / 3, n / 2}, {n / 2, n / 2}} {
			f.Release(f.Data()[part[0]:part[1]])
		}
		if !bytes.Equal(f.Data(), want) {
			t.Errorf("a file of %d bytes reads otherwise after Release", n)
		}
		for range 3 {
			if err := f.Close(); err != nil {
				t.Errorf("closing a file of %d bytes: %v", n, err)
			}
		}
		if f.Data() != nil {
			t.Error("data is left after Close")
		}
		f.Release(want)
	}
}

// TestReleaseOther makes sure that memory that is not the file's stays: on Unix
// the call that gives pages of a file back would clear it.
func TestReleaseOther(t *testing.T) {
	f, err := Open(write(t, make([]byte, 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	other := bytes.Repeat([]byte{7}, 4<<20)
	f.Release(other)
	f.Release(other[5 : 1<<20])
	for i, x := range other {
		if x != 7 {
			t.Fatalf("byte %d of other memory is now %d", i, x)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(os.DevNull); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a device: %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	f, err := Open(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			for range 20 {
				part := f.Data()[i<<18 : (i+1)<<18]
				if !bytes.Equal(part, want[i<<18:(i+1)<<18]) {
					t.Error("the data differs")
				}
				f.Release(part)
			}
		})
	}
	wait.Wait()
}
