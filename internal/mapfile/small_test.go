package mapfile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-rerank/winnow/internal/fault"
)

func TestReadAll(t *testing.T) {
	path := write(t, []byte("text"))
	if data, err := ReadAll(path, 4); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := ReadAll(path, 3); !errors.Is(err, fault.ErrFormat) || !strings.Contains(err.Error(), "4 bytes, expected at most 3") {
		t.Errorf("a file of 4 bytes where 3 are allowed: %v", err)
	}
	if _, err := ReadAll(path+"-", 3); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Skip(err) // Windows has no named pipes among files
	}
	if _, err := ReadAll(pipe, 3); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}
