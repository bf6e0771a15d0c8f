package mapfile

import (
	"fmt"
	"os"

	"github.com/winnow-rerank/winnow/internal/fault"
)

// ReadAll reads a regular file of at most most bytes. Anything else, such as a pipe,
// which might never end, is an error.
func ReadAll(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && !info.IsDir(): // os.ReadFile reports a directory
		return nil, &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("is not a regular file (%v)", info.Mode().Type())}
	case info.Size() > most:
		return nil, &fault.FormatError{Path: path, Offset: -1, Found: fmt.Sprintf("%d bytes", info.Size()), Want: fmt.Sprintf("at most %d", most)}
	}
	return os.ReadFile(path)
}
