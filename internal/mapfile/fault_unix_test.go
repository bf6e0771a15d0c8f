//go:build unix

package mapfile

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// TestRead: a page of a file that was cut short is an error that names the file; an error
// is handed on, and so is a panic that has nothing to do with pages.
func TestRead(t *testing.T) {
	path := write(t, make([]byte, 1<<20))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := 0
	read := func() error {
		for _, b := range f.Data() {
			sum += int(b)
		}
		return nil
	}
	if err := Read(path, read); err != nil || sum != 0 {
		t.Errorf("a whole file: %v", err)
	}
	other := errors.New("other")
	if err := Read(path, func() error { return other }); err != other {
		t.Errorf("an error became %v", err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	var fault interface{ Addr() uintptr }
	if err := Read(path, read); !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), "truncated meanwhile") {
		t.Errorf("a file that was cut: %v", err)
	}
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("a panic became %v", p)
		}
	}()
	_ = Read(path, func() error { panic("mine") })
}
