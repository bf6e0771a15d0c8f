package mapfile

import (
	"fmt"
	"os"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// ReadAll reads the whole of a regular file of at most so many bytes into memory. What is
// no file, such as a pipe, whose reading might never end, is an error.
func ReadAll(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && !info.IsDir(): // of which os.ReadFile says so
		return nil, &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("is not a regular file (%v)", info.Mode().Type())}
	case info.Size() > most:
		return nil, &fault.FormatError{Path: path, Offset: -1, Found: fmt.Sprintf("%d bytes", info.Size()), Want: fmt.Sprintf("at most %d", most)}
	}
	return os.ReadFile(path)
}
